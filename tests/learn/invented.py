"""Small worlds whose right answers are known."""

import numpy as np

from app.learn.events import Case, Events


def events_of(histories: list[list[int]], n_items: int, ratings: list[list[float]] | None = None) -> Events:
    """Each user's items, oldest first; everything rated 10 where nothing else is said."""
    users = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    items = np.array([item for history in histories for item in history], dtype=np.int64)
    given = [10.0] * len(items) if ratings is None else [rating for of_user in ratings for rating in of_user]
    return Events(users, items, np.array(given, dtype=np.float32), np.ones(len(items), dtype=np.float32), len(histories), n_items)


def case_of(user: int, history: list[int], relevant: list[int] | None = None, ratings: list[float] | None = None) -> Case:
    given = np.array([10.0] * len(history) if ratings is None else ratings, dtype=np.float32)
    return Case(user, np.array(history, dtype=np.int64), given, np.array(relevant or [], dtype=np.int64))


def two_tastes(n_users: int = 60, n_items: int = 40, n_watched: int = 12) -> Events:
    """Even users watch even items, odd users odd ones: n_watched of each, in an order of their own. The last item is nobody's."""
    generator = np.random.default_rng(7)
    sides = [np.arange(side, n_items - 1, 2) for side in (0, 1)]
    return events_of([generator.permutation(sides[user % 2])[:n_watched].tolist() for user in range(n_users)], n_items)
