"""Lists are the same on every machine: ties, signs and empty places."""

import numpy as np

from app.learn.ranking import first, ranked
from tests.learn.invented import case_of


def test_of_equal_scores_the_smaller_position_comes_first() -> None:
    scores = np.array([[1, 3, 1, 3, 1], [-1, 0, -0.0, -2, -1]], dtype=np.float32)
    assert first(scores, 3).tolist() == [[1, 3, 0], [1, 2, 0]]
    assert first(scores, 9).tolist() == [[1, 3, 0, 2, 4], [1, 2, 0, 4, 3]]


def test_first_is_what_a_stable_sort_says() -> None:
    scores = np.random.default_rng(0).integers(-5, 5, (50, 200)).astype(np.float32)
    assert (first(scores, 20) == np.argsort(-scores, axis=1, kind="stable")[:, :20]).all()


def test_what_was_seen_is_masked_and_places_without_an_item_are_minus_one() -> None:
    otherwise = np.array([1, 2, 3], dtype=np.float32)
    cases = [case_of(0, [0]), case_of(1, []), case_of(2, [0, 1, 2])]
    scores = np.array([[9, 5, 7], [0, 0, 0], [1, 1, 1]], dtype=np.float32)
    assert ranked(lambda _: scores, otherwise, cases, 4).tolist() == [[2, 1, -1, -1], [2, 1, 0, -1], [-1, -1, -1, -1]]


def test_many_cases_are_ranked_in_batches_like_one() -> None:
    scores = np.random.default_rng(0).random((1100, 30)).astype(np.float32)
    cases = [case_of(user, [user % 30]) for user in range(1100)]
    found = ranked(lambda batch: scores[[case.user for case in batch]], np.zeros(30, dtype=np.float32), cases, 5)
    alone = [ranked(lambda batch: scores[[case.user for case in batch]], np.zeros(30, dtype=np.float32), [case], 5)[0] for case in cases]
    assert (found == np.array(alone)).all()
