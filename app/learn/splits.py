"""What is learned from and what is held out. Every split takes rows in each user's own order and cuts nothing across users' clocks.

What each of `PROTOCOLS` holds out stands at its function; `by_time` is for a server's own plays, `random_8_1_1` a check of the harness.
"""

from collections.abc import Callable
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from app.errors import BadInput
from app.learn.events import Case, Events, Floats, Ints, Task

ProtocolName = Literal["leave-last", "last-tenth", "unseen-users", "households", "server"]
# Those that need no clock; `server` is `by_time`.
PROTOCOLS: tuple[ProtocolName, ...] = ("leave-last", "last-tenth", "unseen-users", "households")
Mask = npt.NDArray[np.bool_]
Value = TypeVar("Value", np.int64, np.float32)

N_FOLDS = 6
N_HOUSEHOLDS = 100
HOUSEHOLD_SIZE = 8
# Four stars and up, on the scale of `Events`.
MIN_RELEVANT_RATING = 8.0
# RecBole's setting for MovieLens 1M: three stars and up, ten rows on both sides, 8:1:1.
RECBOLE_MIN_RATING = 6.0
RECBOLE_CORE = 10
RECBOLE_SHARES = (0.8, 0.1, 0.1)


def tasks_of(protocol: ProtocolName, events: Events, seed: int) -> list[Task]:
    """The tasks of one of `PROTOCOLS`, without those that ask nobody. Raises BadInput where none is left."""
    splits: dict[ProtocolName, Callable[[], list[Task]]] = {
        "leave-last": lambda: leave_last(events),
        "last-tenth": lambda: last_tenth(events),
        "unseen-users": lambda: unseen_users(events, seed),
        "households": lambda: households(events, seed),
    }
    tasks = [task for task in splits[protocol]() if task.cases]
    if not tasks:
        raise BadInput(
            f"Under {protocol}, nothing is held out of {len(events):,} rows of {events.n_users:,} users, so nothing can be measured."
        )
    return tasks


def leave_last(events: Events) -> list[Task]:
    """Each user's last row is to be found, whatever its rating; everything else is learned from."""
    held = _steps_to_the_end(events) == 0
    return [Task(events.rows(~held), _cases(events, held, held))]


def last_tenth(events: Events) -> list[Task]:
    """Of each user's last tenth, the well rated is to be found; the rest is learned from."""
    held = _is_last_tenth(events)
    return [Task(events.rows(~held), _cases(events, held, held & _is_well_rated(events)))]


def unseen_users(events: Events, seed: int) -> list[Task]:
    """Each fold of users is asked for its last tenth by what learned from the other folds alone."""
    fold = _order_of_users(events.n_users, seed) % N_FOLDS
    cases = last_tenth(events)[0].cases
    return [
        Task(events.of_users(fold != number), [case for case in cases if fold[case.user] == number])
        for number in range(min(N_FOLDS, events.n_users))
    ]


def households(events: Events, seed: int) -> list[Task]:
    """Groups of eight users of the first fold, each a server of its own that learns from the rest of those eight alone."""
    order = np.argsort(_order_of_users(events.n_users, seed))[::N_FOLDS]
    n_groups = min(N_HOUSEHOLDS, len(order) // HOUSEHOLD_SIZE)
    whole = last_tenth(events)[0]
    cases = {case.user: case for case in whole.cases}
    tasks = []
    for group in order[: n_groups * HOUSEHOLD_SIZE].reshape(n_groups, HOUSEHOLD_SIZE):
        chosen = np.zeros(events.n_users, dtype=bool)
        chosen[group] = True
        tasks.append(Task(whole.train.of_users(chosen), [cases[user] for user in sorted(group.tolist()) if user in cases]))
    return tasks


def by_time(events: Events, begun_at: npt.NDArray[np.float64], is_wanted: Mask, cut: float) -> list[Task]:
    """What was begun (n,) after `cut`, both in seconds, is held out of everybody's rows at one moment.

    Of that, what is wanted (n,) is to be found. Rows whose time is NaN count as before.
    """
    held = begun_at > cut
    return [Task(events.rows(~held), _cases(events, held, held & is_wanted, is_weighed=True))]


def random_8_1_1(events: Events, seed: int) -> list[Task]:
    """RecBole's setting for MovieLens 1M, to hold this harness against a published figure: EASE .2865
    (EXPERIMENTS, before the first version).

    Each user's rows are shuffled and cut by RecBole's rounding: a share below one row still gets one. The first part is learned from,
    and the history is the first and the second. RecBole masks both and folds in the first alone: see `learned_alone`.
    """
    rows = _core(events.rows(~(events.ratings < RECBOLE_MIN_RATING)))
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(len(rows))
    rows = rows.rows(shuffled[np.argsort(rows.users[shuffled], kind="stable")])
    sizes = np.bincount(rows.users, minlength=rows.n_users)
    n_held, n_checked = (
        np.where((sizes * share < 1) & (sizes > 1), 1, (sizes * share).astype(np.int64)) for share in RECBOLE_SHARES[:0:-1]
    )
    left = _steps_to_the_end(rows)
    held = left < n_held[rows.users]
    return [Task(rows.rows(left >= (n_held + n_checked)[rows.users]), _cases(rows, held, held))]


def learned_alone(train: Events) -> Callable[[Case], Floats]:
    """Weights of a history: 1 for what is in `train`, 0 for what is only masked."""
    learned = set(zip(train.users.tolist(), train.items.tolist(), strict=True))
    return lambda case: np.array([(case.user, item) in learned for item in case.history.tolist()], dtype=np.float32)


def _core(events: Events) -> Events:
    """Users and items of fewer rows are left out until none is left."""
    while True:
        n_of_user, n_of_item = np.bincount(events.users), np.bincount(events.items)
        kept = (n_of_user[events.users] >= RECBOLE_CORE) & (n_of_item[events.items] >= RECBOLE_CORE)
        if kept.all():
            return events
        events = events.rows(kept)


def _order_of_users(n_users: int, seed: int) -> Ints:
    return np.random.default_rng(seed).permutation(n_users)


def _steps_to_the_end(events: Events) -> Ints:
    """How many later rows its user has, for each row; shape (n,)."""
    sizes = np.bincount(events.users, minlength=events.n_users)
    return np.asarray(np.cumsum(sizes)[events.users] - 1 - np.arange(len(events)), dtype=np.int64)


def _is_last_tenth(events: Events) -> Mask:
    sizes = np.bincount(events.users, minlength=events.n_users)
    return np.asarray(_steps_to_the_end(events) < np.maximum(1, -(-sizes // 10))[events.users])


def _is_well_rated(events: Events) -> Mask:
    return np.asarray(events.ratings >= MIN_RELEVANT_RATING)


def _cases(events: Events, held: Mask, wanted: Mask, *, is_weighed: bool = False) -> list[Case]:
    """One for each user who has something `wanted`; what is not `held` is the history. `is_weighed`: by the events' weights."""
    history, ratings = _by_user(events, events.items, ~held), _by_user(events, events.ratings, ~held)
    relevant = _by_user(events, events.items, wanted)
    n_unordered = np.zeros(events.n_users, dtype=np.int64)
    if events.has_order is not None:
        n_unordered = np.bincount(events.users[~held & ~events.has_order], minlength=events.n_users)
    weights = _by_user(events, events.weights, ~held)
    return [
        Case(user, history[user], ratings[user], relevant[user], int(n_unordered[user]), weights[user] if is_weighed else None)
        for user in range(events.n_users)
        if len(relevant[user])
    ]


def _by_user(events: Events, values: npt.NDArray[Value], chosen: Mask) -> list[npt.NDArray[Value]]:
    sizes = np.bincount(events.users[chosen], minlength=events.n_users)
    return np.split(values[chosen], np.cumsum(sizes)[:-1])
