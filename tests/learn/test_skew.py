"""Distributions counted and compared."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import entropy

from app.learn.skew import MIN_ROWS, MIN_SLATES, Trained, compare, count_in, trained_from, verdict

EDGES = np.array([0.0, 1.0, 2.0], dtype=np.float32)
N = 4000


def normal(seed: int, shift: float = 0.0) -> Any:
    return np.random.default_rng(seed).normal(shift, 1.0, N).astype(np.float32)


def deciles(values: Any) -> Any:
    return np.quantile(values, np.arange(0.1, 1, 0.1)).astype(np.float32)


def test_a_bin_ends_with_its_edge_and_what_is_missing_has_one_of_its_own() -> None:
    values = np.array([-5, 0, 0.5, 1, 1.5, 2, 2.5, np.inf, -np.inf, np.nan, np.nan], dtype=np.float32)
    assert count_in(EDGES, values).tolist() == [3, 2, 2, 2, 2]
    assert count_in(EDGES, np.empty(0, dtype=np.float32)).tolist() == [0] * 5
    assert count_in(EDGES[:0], values).tolist() == [9, 2]


def test_psi_and_kl_are_what_their_formulas_say() -> None:
    trained, served = np.array([1000, 2000, 500, 0, 10]), np.array([2000, 900, 700, 30, 0])
    skew = compare(Trained("x", EDGES, trained), served, MIN_SLATES)
    p, q = (served + 0.5) / (served + 0.5).sum(), (trained + 0.5) / (trained + 0.5).sum()
    assert skew.kl == pytest.approx(entropy(p, q))
    assert skew.psi == pytest.approx(entropy(p, q) + entropy(q, p))
    assert skew.n_served == 3630


@pytest.mark.parametrize(("shift", "expected"), [(0.0, "stable"), (0.4, "moderate"), (1.0, "shifted")])
def test_a_shift_is_told_by_its_size(shift: float, expected: str) -> None:
    values = normal(0)
    edges = deciles(values)
    skew = compare(Trained("x", edges, count_in(edges, values)), count_in(edges, normal(1, shift)), MIN_SLATES)
    assert skew.verdict == expected


def test_what_goes_missing_is_a_shift() -> None:
    values, served = normal(0), normal(1)
    served[: N // 2] = np.nan
    edges = deciles(values)
    assert compare(Trained("x", edges, count_in(edges, values)), count_in(edges, served), MIN_SLATES).verdict == "shifted"


@pytest.mark.parametrize(
    ("n_trained", "n_served", "n_slates"),
    [(MIN_ROWS - 1, MIN_ROWS, MIN_SLATES), (MIN_ROWS, MIN_ROWS - 1, MIN_SLATES), (MIN_ROWS, MIN_ROWS, MIN_SLATES - 1)],
)
def test_too_few_say_nothing(n_trained: int, n_served: int, n_slates: int) -> None:
    skew = compare(Trained("x", EDGES[:0], np.array([n_trained, 0])), np.array([0, n_served]), n_slates)
    assert (skew.n_served, skew.psi, skew.kl, skew.verdict) == (n_served, None, None, "too few")


def test_the_verdict_changes_above_its_thresholds() -> None:
    assert [verdict(psi) for psi in (None, 0.0, 0.1, 0.11, 0.25, 0.26)] == [
        "too few",
        "stable",
        "stable",
        "moderate",
        "moderate",
        "shifted",
    ]


def feature(**more: Any) -> dict[str, Any]:
    return {"name": "x", "gain": 1.0, "edges": [0.5], "counts": [1, 2], "n_missing": 3} | more


def test_a_card_says_how_features_were_distributed_where_they_would_have_been_shown() -> None:
    [over_all] = trained_from({"features": [feature()]})
    [shown] = trained_from({"features": [feature(shown_counts=[4, 5], shown_n_missing=6)]})
    assert over_all.counts.tolist() == [1, 2, 3]
    assert (shown.name, shown.edges.tolist(), shown.counts.tolist()) == ("x", [0.5], [4, 5, 6])
    assert trained_from({}) == []


@pytest.mark.parametrize("fault", [{"counts": [1]}, {"edges": ["a"]}, {"shown_counts": [1, 2]}, {"n_missing": None}])
def test_a_card_that_cannot_be_read_is_told(fault: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        trained_from({"features": [feature(**fault)]})
