"""Tastes from rows: engagement and vectors in, tastes out."""

import functools
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from threadpoolctl import ThreadpoolController

from app.db import Connection, tastes
from app.db.tastes import UserFacet, UserTaste
from app.learn.positions import positions_in
from app.taste.history import History
from app.taste.labels import Traits, genre_shares, label_of
from app.taste.profile import Taste, taste_of
from app.taste.recipes import Recipe
from app.types import Space, SpaceInUse

# (user id, engagement version)
Users = Sequence[tuple[int, int]]


def compute_tastes(connection: Connection, space: Space | SpaceInUse, recipe: Recipe, users: Users, now: datetime) -> list[UserTaste]:
    """The tastes of these users at `now`, one each, in three statements. Reads only."""
    rows = tastes.read_histories(connection, space.server_id, [user_id for user_id, _ in users])
    vectors = tastes.read_history_vectors(connection, space, np.unique(rows["item_id"]))
    matrix = vectors["vector"].astype(np.float32)
    positions = positions_in(vectors["item_id"], rows["item_id"])
    computed = []
    # A column of a structured array is strided, and would be copied for each search.
    user_ids = np.ascontiguousarray(rows["user_id"])
    with _blas().limit(limits=1, user_api="blas"):
        for user_id, version in users:
            mine = slice(*np.searchsorted(user_ids, [user_id, user_id + 1]))
            taste = taste_of(recipe, History.from_rows(rows[mine]), matrix, positions[mine], now.timestamp())
            computed.append((user_id, version, taste))
    named = {item_id for *_, taste in computed for interest in taste.interests for item_id in interest.item_ids.tolist()}
    traits = _traits(connection, space.server_id, sorted(named))
    return [_labelled(recipe, *one, traits) for one in computed]


@functools.cache
def _blas() -> ThreadpoolController:
    """A second thread only spins beside matrices as small as one person's: 7 ms where one takes 2 (EXPERIMENTS, scale)."""
    return ThreadpoolController()


def _traits(connection: Connection, server_id: int, item_ids: Sequence[int]) -> dict[int, Traits]:
    rows = tastes.read_traits(connection, server_id, item_ids)
    return {item_id: Traits(kind, year, genres, tags) for item_id, kind, year, genres, tags in rows}


def _labelled(recipe: Recipe, user_id: int, version: int, taste: Taste, traits: dict[int, Traits]) -> UserTaste:
    pairs = [
        (item_id, weight)
        for interest in taste.interests
        for item_id, weight in zip(interest.item_ids.tolist(), interest.weights.tolist(), strict=True)
    ]
    whole = genre_shares((traits[item_id], weight) for item_id, weight in pairs if item_id in traits)
    facets = [
        UserFacet(one.vector, one.item_ids, one.weights, one.share, label_of(one.item_ids.tolist(), one.weights.tolist(), whole, traits))
        for one in taste.interests
    ]
    # Where there are no facets weights say what part of the taste each item is.
    weights = taste.weights if recipe.max_facets or taste.vector is None else taste.weights / np.float32(taste.length)
    return UserTaste(
        user_id, version, recipe.name, taste.vector, taste.heaviest, weights, taste.n_items, taste.due_at, facets, taste.recent
    )


def label_whole(connection: Connection, server_id: int, taste: UserTaste) -> str | None:
    """A name for a taste that is one interest."""
    ids = taste.item_ids.tolist()
    traits = _traits(connection, server_id, ids)
    return label_of(ids, taste.item_weights.tolist(), {}, traits)
