"""The interests inside a taste, found again where they were planted."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from app.taste.facets import MAX_FACETS, MAX_ITEMS, MIN_ITEMS, Facet, Floats, facets_of

DIMENSION = 16

Ints = npt.NDArray[np.int64]


def unit(vectors: Any) -> Floats:
    found = np.asarray(vectors, dtype=np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=-1, keepdims=True), dtype=np.float32)


def planted(sizes: Sequence[int], seed: int, noise: float = 0.4) -> tuple[Floats, Ints]:
    """(vectors, the cluster of each): clusters around the first axes, in a shuffled order."""
    random = np.random.default_rng(seed)
    clusters = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    scattered = noise * random.standard_normal((len(clusters), DIMENSION)) / np.sqrt(DIMENSION)
    return unit(np.eye(DIMENSION)[clusters] + scattered), clusters


def falling(n: int) -> Floats:
    """As weights fall from the newest item on."""
    return np.asarray(np.arange(1, n + 1) ** -0.5, dtype=np.float32)


def found(vectors: Floats, weights: Floats | None = None) -> list[Facet]:
    return facets_of(vectors, np.arange(len(vectors)), falling(len(vectors)) if weights is None else weights)


def groups(facets: Sequence[Facet]) -> set[frozenset[int]]:
    return {frozenset(facet.members.tolist()) for facet in facets}


def same(first: Sequence[Facet], second: Sequence[Facet]) -> bool:
    return len(first) == len(second) and all(
        one.vector.tobytes() == other.vector.tobytes() and one.members.tolist() == other.members.tolist() and one.share == other.share
        for one, other in zip(first, second, strict=True)
    )


SIZES = [(12, 12), (40, 8), (10, 10, 10), (24, 12, 6), (8, 8, 8, 8, 8), (20, 15, 10, 8, 6)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sizes", SIZES)
def test_planted_interests_are_found_and_nothing_else(sizes: tuple[int, ...], seed: int) -> None:
    vectors, clusters = planted(sizes, seed)
    facets = found(vectors)
    assert groups(facets) == {frozenset(np.flatnonzero(clusters == number).tolist()) for number in range(len(sizes))}
    for facet in facets:
        [cluster] = set(clusters[facet.members].tolist())
        assert facet.vector[cluster] > 0.95
        assert np.linalg.norm(facet.vector) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [8, 20, 60, 150])
def test_one_interest_is_no_facet(n: int, seed: int) -> None:
    assert found(planted([n], seed)[0]) == []


def test_more_interests_than_facets_leave_as_many_as_there_may_be() -> None:
    assert len(found(planted([12] * (MAX_FACETS + 2), 0)[0])) == MAX_FACETS


@pytest.mark.parametrize("sizes", SIZES)
def test_the_same_items_give_the_same_facets(sizes: tuple[int, ...]) -> None:
    vectors, _ = planted(sizes, 3)
    assert same(found(vectors), found(vectors.copy()))


@pytest.mark.parametrize("sizes", SIZES)
def test_items_that_weigh_the_same_may_come_in_any_order(sizes: tuple[int, ...]) -> None:
    vectors, clusters = planted(sizes, 4)
    expected = {frozenset(np.flatnonzero(clusters == number).tolist()) for number in range(len(sizes))}
    weights = np.ones(len(vectors), dtype=np.float32)
    for seed in range(10):
        order = np.random.default_rng(seed).permutation(len(vectors))
        facets = facets_of(vectors, order, weights)
        assert {frozenset(order[facet.members].tolist()) for facet in facets} == expected
        assert sorted(facet.share for facet in facets) == pytest.approx(sorted(size / len(vectors) for size in sizes))


def test_the_rows_of_the_matrix_may_stand_in_any_order() -> None:
    vectors, _ = planted([12, 12, 12], 5)
    order = np.random.default_rng(6).permutation(len(vectors))
    assert same(found(vectors), facets_of(vectors[order], np.argsort(order), falling(len(vectors))))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sizes", SIZES)
def test_shares_add_up_and_fall_and_the_heaviest_members_come_first(sizes: tuple[int, ...], seed: int) -> None:
    vectors, _ = planted(sizes, seed)
    weights = falling(len(vectors))
    facets = found(vectors)
    shares = [facet.share for facet in facets]
    assert sum(shares) == pytest.approx(1, abs=1e-5)
    assert shares == sorted(shares, reverse=True)
    assert sorted(number for facet in facets for number in facet.members.tolist()) == list(range(len(vectors)))
    for facet in facets:
        assert facet.share == pytest.approx(weights[facet.members].sum() / weights.sum(), abs=1e-5)
        assert weights[facet.members].tolist() == sorted(weights[facet.members].tolist(), reverse=True)


def test_only_the_heaviest_items_are_clustered() -> None:
    vectors, _ = planted([60, 60], 7)
    facets = found(vectors)
    assert max(number for facet in facets for number in facet.members.tolist()) == MAX_ITEMS - 1
    assert same(facets, found(vectors[:MAX_ITEMS]))


@pytest.mark.parametrize("tiny", [1, 2, MIN_ITEMS - 1])
def test_a_few_items_of_another_kind_make_no_facet(tiny: int) -> None:
    for seed in range(5):
        vectors, _ = planted([30, tiny], seed)
        assert found(vectors) == []


def outliers_first(sizes: Sequence[int], tiny: int, seed: int) -> tuple[Floats, Ints]:
    """Clusters of these sizes, and before them, so that they weigh most, some items of another kind."""
    vectors, clusters = planted([*sizes, tiny], seed)
    order = np.argsort(clusters != len(sizes), kind="stable")
    return vectors[order], clusters[order]


@pytest.mark.parametrize("tiny", [1, 2, MIN_ITEMS - 1])
def test_a_few_items_of_another_kind_hide_no_interest_however_new_they_are(tiny: int) -> None:
    """Two interests of twenty films each, and one odd film last night: the two are still there."""
    for seed in range(5):
        vectors, clusters = outliers_first([20, 20], tiny, seed)
        kept = [max(np.bincount(clusters[facet.members], minlength=2)[:2], default=0) for facet in found(vectors)]
        assert sorted(kept) == [20, 20], f"seed {seed}"


@pytest.mark.parametrize("n", [0, 1, 2, 2 * MIN_ITEMS - 1])
def test_too_few_items_have_no_facets(n: int) -> None:
    assert found(np.eye(DIMENSION, dtype=np.float32)[:n]) == []


@pytest.mark.parametrize("n", [8, 30, 150])
def test_identical_items_are_one_interest(n: int) -> None:
    assert found(np.tile(unit(np.arange(1, DIMENSION + 1)), (n, 1))) == []


def test_two_points_of_many_identical_items_are_two_interests() -> None:
    vectors = np.repeat(np.eye(DIMENSION, dtype=np.float32)[:2], 10, axis=0)
    assert groups(found(vectors)) == {frozenset(range(10)), frozenset(range(10, 20))}


def test_opposites_are_two_interests() -> None:
    vectors = np.repeat(np.array([[1, 0], [-1, 0]], dtype=np.float32), 6, axis=0)
    assert len(found(vectors, np.ones(12, dtype=np.float32))) == 2


def test_vectors_of_no_length_are_no_interest() -> None:
    assert found(np.zeros((20, DIMENSION), dtype=np.float32)) == []


def test_among_others_vectors_of_no_length_spoil_no_number() -> None:
    vectors, _ = planted([12, 12], 8)
    for facet in found(np.vstack([vectors, np.zeros((5, DIMENSION), dtype=np.float32)])):
        assert np.isfinite(facet.vector).all()
        assert np.linalg.norm(facet.vector) == pytest.approx(1, abs=1e-5)


def test_tiny_and_huge_weights_are_weights() -> None:
    vectors, _ = planted([12, 12], 9)
    expected = groups(found(vectors))
    for scale in (1e-12, 1e12):
        assert groups(found(vectors, falling(24) * np.float32(scale))) == expected
