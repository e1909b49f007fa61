"""What is held out, and what may be learned from."""

import numpy as np
import pytest

from app.errors import BadInput
from app.learn.events import Case, Events, Task
from app.learn.splits import PROTOCOLS, by_time, households, last_tenth, learned_alone, leave_last, random_8_1_1, tasks_of, unseen_users
from tests.learn.invented import events_of


def pairs(events: Events) -> list[tuple[int, int]]:
    return list(zip(events.users.tolist(), events.items.tolist(), strict=True))


def asked(cases: list[Case]) -> dict[int, tuple[list[int], list[int]]]:
    return {case.user: (case.history.tolist(), case.relevant.tolist()) for case in cases}


def many(n_users: int, n_each: int = 10) -> Events:
    """Everybody watched `n_each` of 30 items and liked all."""
    generator = np.random.default_rng(1)
    return events_of([generator.permutation(30)[:n_each].tolist() for _ in range(n_users)], 30)


def test_leave_last_holds_out_one_row_of_each_user_whatever_its_rating() -> None:
    [task] = leave_last(events_of([[3, 1, 2], [0], [2, 0]], 4, [[8, 10, 1], [10], [2, float("nan")]]))
    assert asked(task.cases) == {0: ([3, 1], [2]), 1: ([], [0]), 2: ([2], [0])}
    assert pairs(task.train) == [(0, 3), (0, 1), (2, 2)]
    assert task.cases[0].ratings.tolist() == [8, 10]
    assert (task.train.n_users, task.train.n_items) == (3, 4)


def test_last_tenth_holds_out_a_tenth_rounded_up_and_wants_what_was_well_rated() -> None:
    eleven = list(range(11))
    events = events_of([eleven, eleven[:10], [5, 6]], 11, [[2] * 9 + [7.9, 8], [2] * 9 + [10], [10, 7]])
    [task] = last_tenth(events)
    assert asked(task.cases) == {0: (eleven[:9], [10]), 1: (eleven[:9], [9])}
    assert pairs(task.train) == [(0, item) for item in range(9)] + [(1, item) for item in range(9)] + [(2, 5)]


def test_unseen_users_learn_nothing_of_the_fold_that_is_asked() -> None:
    events = many(20)
    tasks = unseen_users(events, seed=3)
    fold = np.random.default_rng(3).permutation(20) % 6
    assert len(tasks) == 6
    for number, task in enumerate(tasks):
        assert {case.user for case in task.cases} == set(np.flatnonzero(fold == number).tolist())
        assert pairs(task.train) == [pair for pair in pairs(events) if fold[pair[0]] != number]
    everybody = {user: lists for task in tasks for user, lists in asked(task.cases).items()}
    assert everybody == asked(last_tenth(events)[0].cases)


def test_households_are_eight_users_of_the_first_fold_that_know_only_each_other() -> None:
    events = many(120)
    tasks = households(events, seed=0)
    permuted = np.random.default_rng(0).permutation(120)
    first_fold = [user for user in np.argsort(permuted).tolist() if permuted[user] % 6 == 0]
    assert [{case.user for case in task.cases} for task in tasks] == [set(first_fold[:8]), set(first_fold[8:16])]
    for task in tasks:
        assert set(task.train.users.tolist()) == {case.user for case in task.cases}
        assert len(task.train) == 8 * 9
        assert task.train.n_items == events.n_items


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_split_shows_what_is_to_be_found(protocol: str) -> None:
    for task in tasks_of(protocol, many(120), 0):  # type: ignore[arg-type]
        learned = set(pairs(task.train))
        for case in task.cases:
            assert not {(case.user, item) for item in case.relevant.tolist()} & learned
            assert not set(case.relevant.tolist()) & set(case.history.tolist())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_seed_gives_one_split(protocol: str) -> None:
    def split(seed: int) -> list[object]:
        return [(pairs(task.train), asked(task.cases)) for task in tasks_of(protocol, many(120), seed)]  # type: ignore[arg-type]

    assert split(5) == split(5)
    assert (split(5) == split(6)) == (protocol in ("leave-last", "last-tenth"))


def test_nothing_to_ask_is_bad_input() -> None:
    disliked = events_of([[0, 1]], 2, [[2, 2]])
    with pytest.raises(BadInput, match="last-tenth"):
        tasks_of("last-tenth", disliked, 0)
    with pytest.raises(BadInput, match="households"):
        tasks_of("households", many(20), 0)


def test_by_time_cuts_all_users_at_one_moment() -> None:
    events = events_of([[0, 1, 2], [1, 3], [2]], 4)
    bounce = Events(events.users, events.items, events.ratings, np.array([1, 1, 0.1, 1, 1, 1], dtype=np.float32), 3, 4)
    at = np.array([0, 50, 95, 10, 100, np.nan])
    [task] = by_time(bounce, at, bounce.weights >= 0.5, 90.0)
    assert asked(task.cases) == {1: ([1], [3])}
    assert task.cases[0].weights is not None
    assert task.cases[0].weights.tolist() == [1]
    assert pairs(task.train) == [(0, 0), (0, 1), (1, 1), (2, 2)]
    [nothing] = by_time(events, np.full(6, np.nan), np.ones(6, dtype=bool), 0.0)
    assert nothing.cases == []


def recbole_task() -> tuple[Events, Task]:
    events = many(40, n_each=25)
    low = events_of([list(range(30))], 30, [[5.9] * 30])
    both = Events(
        np.concatenate([events.users, low.users + 40]), np.concatenate([events.items, low.items]),
        np.concatenate([events.ratings, low.ratings]), np.concatenate([events.weights, low.weights]), 41, 30,
    )  # fmt: skip
    return both, random_8_1_1(both, seed=0)[0]


def test_random_8_1_1_leaves_out_low_ratings_and_rounds_as_recbole() -> None:
    _, task = recbole_task()
    sizes = np.bincount(task.train.users, minlength=41)
    # Of 25 rows, 2 are to be found, 2 are only masked, and the other 21 learned from.
    assert sizes.tolist() == [21] * 40 + [0]
    assert [(len(case.history), len(case.relevant)) for case in task.cases] == [(23, 2)] * 40


def test_random_8_1_1_wants_ten_rows_of_every_user_and_item() -> None:
    # Without item 10, which only one user has, that user has 9.
    [task] = random_8_1_1(events_of([list(range(10))] * 11 + [[*range(9), 10]], 11), seed=0)
    assert {case.user for case in task.cases} == set(range(11))
    assert 10 not in task.train.items
    # A share of less than a row gets one.
    assert all((len(case.history), len(case.relevant)) == (9, 1) for case in task.cases)


def test_what_is_only_masked_weighs_nothing() -> None:
    _, task = recbole_task()
    weigh = learned_alone(task.train)
    for case in task.cases:
        counted = case.history[weigh(case) > 0]
        assert sorted(counted.tolist()) == sorted(task.train.items[task.train.users == case.user].tolist())
