"""The next-item model against its definition, computed the long way, and on worlds whose right answer is known."""

from dataclasses import replace

import numpy as np
import pytest

from app.learn.cold_items import MIN_WARM, predict_cold
from app.learn.collaborative import NextItem
from app.learn.events import Events, recency
from app.learn.next_item import Parameters, bytes_needed, item_to_item, largest_solve, learn, moments, predictor
from tests.learn.invented import case_of, events_of, two_tastes

FEW = Parameters(n_before=6, n_next=3, rank=8, ridge=2.0, item_ridge=5.0)


def random_events(n_users: int = 25, n_items: int = 1_100, length: int = 15) -> Events:
    """More items than one block of rows holds."""
    chance = np.random.default_rng(3)
    histories = [chance.choice(n_items, size=length, replace=False).tolist() for _ in range(n_users)]
    events = events_of(histories, n_items)
    return Events(events.users, events.items, events.ratings, chance.uniform(0.2, 1.5, len(events)).astype(np.float32), n_users, n_items)


def long_way(events: Events, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
    """H and Y, a row for each moment."""
    before, after = [], []
    for user in range(events.n_users):
        items, weights = events.items[events.users == user], events.weights[events.users == user].astype(np.float64)
        for moment in range(1, len(items)):
            h, y = np.zeros(events.n_items), np.zeros(events.n_items)
            for k in range(1, min(parameters.n_before, moment) + 1):
                h[items[moment - k]] += k**-parameters.order_decay * weights[moment - k]
            for f in range(min(parameters.n_next, len(items) - moment)):
                y[items[moment + f]] += (f + 1) ** -parameters.next_decay * weights[moment + f]
            before.append(h)
            after.append(y)
    return np.array(before), np.array(after)


def test_the_moments_are_those_of_the_definition() -> None:
    events = random_events()
    before, after = long_way(events, FEW)
    gram, cross = moments(events, FEW)
    np.testing.assert_allclose(gram, before.T @ before, atol=1e-10)
    np.testing.assert_allclose(cross, before.T @ after, atol=1e-10)


def test_item_to_item_is_ease() -> None:
    events = random_events()
    seen = np.zeros((events.n_users, events.n_items))
    seen[events.users, events.items] = events.weights
    inverse = np.linalg.inv(seen.T @ seen + 5.0 * np.eye(events.n_items))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    found = item_to_item(events, 5.0)
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_where_nothing_has_an_order_only_what_is_watched_together_is_left() -> None:
    events = replace(two_tastes(), n_items=39)
    shuffled = np.random.default_rng(5).permutation(len(events))
    shuffled = shuffled[np.argsort(events.users[shuffled], kind="stable")]
    unordered = replace(events, has_order=np.zeros(len(events), dtype=bool))
    whole = predictor(unordered, FEW)
    np.testing.assert_allclose(whole, item_to_item(events, FEW.item_ridge), atol=1e-12)
    first, second = learn(unordered, FEW), learn(unordered.rows(shuffled), FEW)
    np.testing.assert_allclose(first.history @ first.target.T, second.history @ second.target.T, atol=1e-4)


def test_one_event_of_each_with_an_order_is_none() -> None:
    events = replace(two_tastes(), n_items=39)
    is_last = np.append(events.users[1:] != events.users[:-1], True)
    np.testing.assert_allclose(predictor(replace(events, has_order=is_last), FEW), item_to_item(events, FEW.item_ridge), atol=1e-12)
    assert np.abs(learn(replace(events, has_order=is_last), FEW).history).max() > 0


def test_the_fewer_have_an_order_the_more_counts_what_is_watched_together() -> None:
    events = random_events(n_items=200)
    together = item_to_item(events, FEW.item_ridge)

    def likeness(share: float) -> float:
        found = predictor(replace(events, has_order=events.users >= (1 - share) * events.n_users), FEW)
        return float(np.corrcoef(found.ravel(), together.ravel())[0, 1])

    assert likeness(1.0) < likeness(0.4) < likeness(0.1) < likeness(0.0)


def test_recency_of_what_has_no_order_is_the_mean_of_what_it_could_be() -> None:
    np.testing.assert_allclose(recency(4, 0, 1.0), [1 / 4, 1 / 3, 1 / 2, 1])
    np.testing.assert_allclose(recency(4, 3, 1.0), [13 / 36] * 3 + [1])
    np.testing.assert_allclose(recency(3, 3, 1.0), [11 / 18] * 3)


def test_at_full_rank_the_vectors_are_the_whole_predictor() -> None:
    events = two_tastes()
    warm = Events(events.users, events.items, events.ratings, events.weights, events.n_users, 39)
    vectors = learn(warm, Parameters(n_before=6, n_next=3, rank=39))
    whole = predictor(warm, Parameters(n_before=6, n_next=3))
    found = vectors.history @ vectors.target.T
    scale = float((found * whole).sum() / (whole**2).sum())
    np.testing.assert_allclose(found / scale, whole, atol=1e-3 * abs(whole).max())


def test_scores_of_a_unit_taste_have_a_root_mean_square_of_one() -> None:
    vectors = learn(random_events(), FEW)
    warm = vectors.target[vectors.n_events > 0]
    tastes = np.random.default_rng(0).standard_normal((20, warm.shape[1]))
    tastes /= np.linalg.norm(tastes, axis=1, keepdims=True)
    np.testing.assert_allclose(np.sqrt(((tastes @ warm.T) ** 2).mean(axis=1)), 1, rtol=1e-4)


def test_the_same_events_give_the_same_vectors() -> None:
    first, second = learn(random_events(), FEW), learn(random_events(), FEW)
    np.testing.assert_array_equal(first.history, second.history)
    np.testing.assert_array_equal(first.target, second.target)


@pytest.mark.parametrize("rank", [None, 4])
def test_what_always_follows_is_what_comes_next(rank: int | None) -> None:
    # Items 0..9 in a ring: everybody goes on from somewhere in it.
    events = events_of([[(start + step) % 10 for step in range(6)] for start in range(10) for _ in range(5)], 12)
    recommender = NextItem(rank, Parameters(n_before=6, n_next=1, rank=4, ridge=1.0, item_share=0.0))
    recommender.fit(events)
    lists = recommender.recommend([case_of(0, [start, (start + 1) % 10]) for start in range(10)], 1)
    hits = sum(int(found[0] == (start + 2) % 10) for start, found in enumerate(lists.tolist()))
    assert hits == 10 if rank is None else hits >= 6


def test_an_event_of_no_weight_is_no_event() -> None:
    events = two_tastes()
    weights = np.where(events.items % 2 == 0, events.weights, 0).astype(np.float32)
    vectors = learn(Events(events.users, events.items, events.ratings, weights, events.n_users, events.n_items), FEW)
    assert set(np.flatnonzero(vectors.n_events) % 2) == {0}
    assert not vectors.target[1::2].any()


def test_nothing_watched_gives_no_vectors() -> None:
    vectors = learn(events_of([[]], 5), FEW)
    assert vectors.target.shape[0] == 5
    assert not vectors.target.any()


def test_what_fits_into_memory_is_what_it_says_it_needs() -> None:
    for n_items in (10, 3_416, 20_000):
        assert largest_solve(bytes_needed(n_items)) in (n_items - 1, n_items)


def test_a_cold_item_lies_where_those_of_its_text_lie() -> None:
    chance = np.random.default_rng(5)
    n_items, sides = 4 * MIN_WARM, np.arange(4 * MIN_WARM) % 2
    text = np.eye(2, dtype=np.float32)[sides] + 0.1 * chance.standard_normal((n_items, 2)).astype(np.float32)
    target = np.array([[5, 0], [0, 5]], dtype=np.float32)[sides]
    n_events = np.where(np.arange(n_items) < n_items - 20, 30, 0)
    cold = n_events == 0
    target[cold] = 0
    has_text = np.ones(n_items, dtype=bool)
    has_text[-1] = False
    found = predict_cold(text, has_text, target.copy(), target, n_events)
    assert found.is_predicted.sum() == 19
    assert not found.is_predicted[-1]
    predicted = np.flatnonzero(found.is_predicted)
    assert (found.target[predicted].argmax(axis=1) == sides[predicted]).all()
    np.testing.assert_array_equal(found.target[~cold], target[~cold])


def test_with_too_few_watched_nothing_is_predicted() -> None:
    target = np.ones((MIN_WARM, 2), dtype=np.float32)
    n_events = np.array([1] * (MIN_WARM - 1) + [0])
    found = predict_cold(np.ones((MIN_WARM, 3), dtype=np.float32), np.ones(MIN_WARM, dtype=bool), target, target, n_events)
    assert not found.is_predicted.any()
