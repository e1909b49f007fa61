"""Two models as one space say what both say."""

import numpy as np

from app.learn.blocks import Text, joined
from app.learn.next_item import ItemVectors

N = 80


def block(seed: int, rank: int, known: slice, scale: float = 1.0) -> ItemVectors:
    random = np.random.default_rng(seed)
    history, target = (np.zeros((N, rank), dtype=np.float32) for _ in range(2))
    history[known], target[known] = (random.standard_normal((known.stop - known.start, rank)) for _ in range(2))
    n_events = np.zeros(N, dtype=np.int64)
    n_events[known] = 30
    return ItemVectors(history * np.float32(scale), target, n_events)


def scores(history: np.ndarray, target: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    found = history @ target.T
    return np.asarray(found / np.sqrt((found**2).mean()))


def test_one_block_stays_as_it_is() -> None:
    one = block(1, 4, slice(0, 60))
    found = joined([(one, 0.3)], None)
    np.testing.assert_array_equal(found.history, one.history)
    np.testing.assert_array_equal(found.target, one.target)
    assert found.is_kept.sum() == 60


def test_the_scores_are_the_weighted_sum_of_each_blocks_however_long_its_vectors_are() -> None:
    first, second = block(1, 4, slice(0, N)), block(2, 9, slice(0, N))
    long = block(2, 9, slice(0, N), scale=700.0)

    def lengthless(one: ItemVectors) -> np.ndarray:  # type: ignore[type-arg]
        return np.asarray(one.history / np.sqrt((one.history**2).sum(axis=1).mean()) @ one.target.T)

    wanted = lengthless(first) + 0.4 * lengthless(second)
    for other in (second, long):
        found = joined([(first, 1.0), (other, 0.4)], None)
        assert found.target.shape == (N, 13)
        np.testing.assert_allclose(scores(found.history, found.target), wanted / np.sqrt((wanted**2).mean()), atol=1e-4)
        assert abs(np.sqrt((found.history**2).mean()) - 1) < 1e-3


def test_an_item_is_predicted_where_no_block_knows_it_and_each_block_predicts_what_it_lacks() -> None:
    text = np.random.default_rng(3).standard_normal((N, 6)).astype(np.float32)
    is_known = np.ones(N, dtype=np.bool_)
    is_known[-1] = False
    found = joined([(block(1, 4, slice(0, 60)), 1.0), (block(2, 5, slice(10, 70)), 0.5)], Text(text, is_known))
    assert np.flatnonzero(found.is_predicted).tolist() == list(range(70, N - 1))
    assert found.is_kept.tolist() == [True] * (N - 1) + [False]
    assert found.target[65, :4].any()
    assert found.target[5, 4:].any()
    assert not found.target[-1].any()
