"""Figures worked out by hand."""

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from app.learn.metrics import (
    AGES,
    accuracy,
    coverage,
    history_slices,
    interval,
    intra_list_distance,
    ndcg_of_graded,
    novelty,
    recall_by_age,
)
from tests.learn.invented import case_of, events_of


def lists(*rows: list[int]) -> np.ndarray:
    return np.array([row + [-1] * (20 - len(row)) for row in rows], dtype=np.int64)


def test_ndcg_counts_hits_by_rank_against_as_many_as_could_be() -> None:
    figures = accuracy(lists([7, 1, 8, 2], [3, 4]), [case_of(0, [], [7, 8, 9]), case_of(1, [], [5])], 10)
    # 1 / log2(2) + 1 / log2(4), of 1 / log2(2) + 1 / log2(3) + 1 / log2(4).
    assert figures.ndcg_10.tolist() == pytest.approx([1.5 / 2.1309298, 0])
    assert figures.recall_20.tolist() == pytest.approx([2 / 3, 0])
    assert figures.hr_10.tolist() == [1, 0]
    assert figures.mrr_20.tolist() == [1, 0]


def test_ten_hits_are_all_that_can_be_wanted_of_ten_places_but_recall_divides_by_all() -> None:
    figures = accuracy(lists(list(range(20))), [case_of(0, [], list(range(40)))], 50)
    assert (figures.ndcg_10[0], figures.recall_20[0]) == (pytest.approx(1), 0.5)


def test_what_comes_after_the_tenth_place_counts_for_recall_and_reciprocal_rank_alone() -> None:
    figures = accuracy(lists(list(range(20))), [case_of(0, [], [15])], 50)
    assert (figures.ndcg_10[0], figures.hr_10[0], figures.recall_20[0]) == (0, 0, 1)
    assert figures.mrr_20[0] == pytest.approx(1 / 16)


def test_an_empty_place_is_no_hit_of_the_case_before() -> None:
    # Row 1, item -1 has the number of row 0's last item.
    figures = accuracy(lists([0], []), [case_of(0, [], [9]), case_of(1, [], [1])], 10)
    assert figures.recall_20.tolist() == [0, 0]


def test_accuracy_of_some_cases() -> None:
    figures = accuracy(lists([1], [2], [3]), [case_of(0, [], [1]), case_of(1, [], [1]), case_of(2, [], [3])], 10)
    assert figures.of_cases(np.array([True, False, True])).hr_10.tolist() == [1, 1]


def test_coverage_is_the_share_of_items_in_anybodys_first_ten() -> None:
    assert coverage(lists([0, 1], [1, 2]), 10) == 0.3
    assert coverage(lists(list(range(20))), 40) == 0.25


def test_novelty_is_the_information_of_having_watched_it() -> None:
    train = events_of([[0, 1], [0], [0], []], 3)
    # Three users, and one more who watched everything: 4 of 4, 2 of 4, 1 of 4.
    assert novelty(lists([0, 1, 2], [2], []), train).tolist()[:2] == pytest.approx([1, 2])
    assert np.isnan(novelty(lists([]), train)).all()


def test_distance_within_a_list_is_the_mean_over_its_pairs() -> None:
    vectors = np.array([[1, 0], [0, 1], [1, 0], [-1, 0]], dtype=np.float32)
    found = intra_list_distance(lists([0, 1], [0, 2], [0, 3], [0, 1, 2], [1]), vectors)
    assert found.tolist()[:4] == pytest.approx([1, 0, 2, 2 / 3])
    assert np.isnan(found[4])


def test_an_item_without_a_vector_is_far_from_all() -> None:
    vectors = np.array([[1, 0], [0, 0]], dtype=np.float32)
    assert intra_list_distance(lists([0, 1]), vectors)[0] == pytest.approx(1)


def test_an_interval_is_that_of_the_mean() -> None:
    values = np.random.default_rng(0).normal(0.3, 0.2, 1000)
    low, high = interval(values, seed=1)
    half = 1.96 * values.std() / np.sqrt(1000)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.0015)
    assert interval(values, seed=1) == (low, high)
    assert interval(np.full(5, 0.25), seed=1) == (0.25, 0.25)


def test_an_interval_of_paired_differences_is_narrower_than_the_two_apart() -> None:
    generator = np.random.default_rng(0)
    one = generator.random(500)
    other = one + 0.01 + generator.normal(0, 0.01, 500)
    low, high = interval(other - one, seed=1)
    assert 0 < low < 0.01 < high
    assert interval(one, seed=1)[1] > interval(other, seed=1)[0]


def test_histories_fall_into_slices_by_length() -> None:
    lengths = [0, 1, 9, 10, 199, 200, 5000]
    slices = history_slices([case_of(user, list(range(length))) for user, length in enumerate(lengths)])
    assert {label: np.flatnonzero(chosen).tolist() for label, chosen in slices.items()} == {
        "0": [0], "1-9": [1, 2], "10-19": [3], "100-199": [4], "200+": [5, 6],
    }  # fmt: skip


def test_recall_by_age_counts_each_relevant_item_where_it_belongs() -> None:
    cases = [case_of(0, [], [0, 1, 2]), case_of(1, [], [2, 3])]
    lists = np.array([[0, 2, -1], [3, 0, -1]])
    ages = np.array([0.0, 29.9, 400.0, np.nan])
    assert recall_by_age(lists, cases, ages, AGES) == {
        "unknown": (1, 1.0), "under 30 days": (2, 0.5), "1 to 4 years": (2, 0.5),
    }  # fmt: skip


def test_graded_ndcg_is_scikit_learns_and_of_equal_scores_the_least_worth_stands_above() -> None:
    random = np.random.default_rng(0)
    worth, scores = random.integers(0, 4, size=(50, 30)).astype(float), random.standard_normal((50, 30))
    worth[:, 0] = 1
    assert ndcg_of_graded(worth, scores).mean() == pytest.approx(ndcg_score(worth, scores, k=10))
    assert ndcg_of_graded(np.eye(1, 30), np.zeros((1, 30))).tolist() == [0]
    assert ndcg_of_graded(np.array([[0.0, 1.0]]), np.array([[0.0, 1.0]])).tolist() == [1]
