"""Two towers: their losses against the formulas, and what they find in worlds whose right answer is known."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from app.learn.events import Events, Floats, Ints
from app.learn.item_content import Content, content_of
from app.learn.stretches import batches, n_batches
from app.learn.towers import bpr_losses, kernel, left_out, softmax_losses
from app.learn.two_tower import Parameters, TwoTower, learn
from app.learn.whitening import whitened
from tests.learn.invented import case_of, events_of, two_tastes

pytestmark = pytest.mark.usefixtures("one_thread")

N_ITEMS = 40
SMALL = Parameters(dimension=8, n_before=8, n_moments=6, n_stretches=2, batch=20, n_epochs=4, min_steps=60, n_drawn=20)
LOSSES = pytest.mark.parametrize("parameters", [SMALL, replace(SMALL, loss="bpr", min_steps=150)], ids=["softmax", "bpr"])


class Stopped(Exception):
    pass


def content() -> Content:
    """Even films are comedies, odd ones dramas."""
    return content_of([{"genres": ["Comedy" if item % 2 == 0 else "Drama"], "people": []} for item in range(N_ITEMS)])


def no_content(n_items: int) -> Content:
    return Content(csr_matrix((n_items, 0), dtype=np.float32), np.zeros((n_items, 0), dtype=np.float32))


def history_of(world: Events, user: int) -> list[int]:
    return world.items[world.users == user].tolist()


@LOSSES
@pytest.mark.parametrize("user", [2, 3, 4, 5], ids=["even", "odd", "even, not learned from", "odd, not learned from"])
def test_two_tastes_are_told_apart(parameters: Parameters, user: int) -> None:
    world = two_tastes()
    recommender = TwoTower(no_content(N_ITEMS), parameters)
    recommender.fit(world.of_users(~np.isin(np.arange(world.n_users), [4, 5])))
    [found] = recommender.recommend([case_of(user, history_of(world, user))], 6)
    assert all(item % 2 == user % 2 for item in found.tolist())


def test_what_follows_is_found_before_what_is_only_watched_by_the_same_people() -> None:
    generator = np.random.default_rng(1)
    starts = generator.integers(30, size=80)
    world = events_of([((start + np.arange(12)) % 30).tolist() for start in starts], 30)
    recommender = TwoTower(no_content(30), replace(SMALL, min_steps=200, dimension=16))
    recommender.fit(world)
    found = recommender.recommend([case_of(0, [2, 3, 4, 5]), case_of(1, [17, 18, 19])], 1)
    assert found.tolist() == [[6], [20]]


def test_where_nothing_has_an_order_what_goes_together_is_learned() -> None:
    world = two_tastes()
    unordered = replace(world, has_order=np.zeros(len(world), dtype=np.bool_))
    recommender = TwoTower(no_content(N_ITEMS), SMALL)
    recommender.fit(unordered)
    [found] = recommender.recommend([replace(case_of(2, history_of(world, 2)), n_unordered=12)], 6)
    assert all(item % 2 == 0 for item in found.tolist())


@LOSSES
def test_an_item_that_nobody_watched_stands_near_those_of_its_genre(parameters: Parameters) -> None:
    found = learn(two_tastes(), content(), parameters)
    assert found.n_events[N_ITEMS - 1] == 0
    target = found.target / np.linalg.norm(found.target, axis=1, keepdims=True)
    near = target[:-1] @ target[-1]
    assert near[1::2].mean() > near[::2].mean() + 0.3
    tastes = [found.history[history_of(two_tastes(), user)].sum(axis=0) for user in (2, 3)]
    assert tastes[1] @ found.target[-1] > 0 > tastes[0] @ found.target[-1]


def test_an_item_of_which_nothing_is_known_has_no_vector() -> None:
    found = learn(two_tastes(), no_content(N_ITEMS), SMALL)
    assert not found.history[-1].any()
    assert not found.target[-1].any()
    assert found.target[:-1].any(axis=1).all()


def test_a_text_alone_places_a_new_item() -> None:
    raw = np.random.default_rng(0).normal(0, 0.1, (N_ITEMS, 4)).astype(np.float32)
    raw[np.arange(N_ITEMS), np.arange(N_ITEMS) % 2] += 1
    text = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    text[3] = 0
    found = learn(two_tastes(), Content(csr_matrix((N_ITEMS, 0), dtype=np.float32), text), SMALL)
    near = found.target[:-1] @ found.target[-1]
    assert near[1::2].mean() > near[::2].mean()


def test_nobody_watched_anything() -> None:
    empty = events_of([[], []], 3)
    found = learn(empty, no_content(3), SMALL)
    assert not found.target.any()
    assert not found.history.any()


def test_one_user_and_one_item_do_no_harm() -> None:
    recommender = TwoTower(no_content(3), SMALL)
    recommender.fit(events_of([[1], []], 3))
    assert {*recommender.recommend([case_of(1, [1])], 3)[0].tolist()} == {0, 2, -1}


def test_the_same_seed_gives_the_same_vectors_and_another_gives_others() -> None:
    first, again, other = (learn(two_tastes(), content(), replace(SMALL, seed=seed)) for seed in (3, 3, 4))
    assert (first.target == again.target).all()
    assert (first.history == again.history).all()
    assert not np.allclose(first.target, other.target)


def test_what_was_stopped_and_goes_on_ends_as_what_was_not(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise Stopped

    checkpoint, whole = tmp_path / "towers.pt", learn(two_tastes(), content(), SMALL)
    with pytest.raises(Stopped):
        learn(two_tastes(), content(), SMALL, stop, checkpoint)
    begun: list[int] = []
    resumed = learn(two_tastes(), content(), SMALL, lambda done, total: begun.append(done), checkpoint)
    assert begun[0] == 2
    assert (resumed.target == whole.target).all()
    assert (resumed.history == whole.history).all()


def test_a_checkpoint_of_another_training_is_not_gone_on_with(tmp_path: Path) -> None:
    checkpoint = tmp_path / "towers.pt"
    learn(two_tastes(), content(), SMALL, checkpoint=checkpoint)
    others = two_tastes(n_users=50)
    assert (learn(others, content(), SMALL, checkpoint=checkpoint).target == learn(others, content(), SMALL).target).all()


def test_the_softmax_is_corrected_for_how_often_each_item_is_drawn_and_leaves_out_what_is_no_negative() -> None:
    chance = np.random.default_rng(0)
    scores, expected = chance.normal(size=(3, 5)).astype(np.float32), chance.uniform(0.1, 3, 5).astype(np.float32)
    # The first three columns are what the three moments want: the first and the third want the same. The last two are drawn.
    columns, wanted = np.array([7, 2, 7, 4, 2]), np.array([7, 2, 7])
    theirs = np.zeros((3, 5), dtype=bool)
    theirs[0, 3] = True
    counted = np.array([[1, 1, 0, 0, 1], [1, 1, 1, 1, 0], [0, 1, 1, 1, 1]], dtype=bool)
    exp = np.where(counted, np.exp(scores) / expected, 0)
    by_hand = -np.log(exp[range(3), range(3)] / exp.sum(axis=1))
    masked = left_out(torch.from_numpy(columns), torch.from_numpy(wanted), torch.from_numpy(theirs))
    assert (masked.numpy() == ~counted).all()
    found = softmax_losses(torch.from_numpy(scores), torch.arange(3), torch.from_numpy(expected).log(), masked)
    np.testing.assert_allclose(found.numpy(), by_hand, rtol=1e-5)


def test_the_correction_makes_a_batch_speak_for_all_items() -> None:
    """Items drawn by a known popularity, each counted by one over it: the mean of the sums is the sum over all items."""
    chance = np.random.default_rng(1)
    scores, share = chance.normal(size=50), chance.dirichlet(np.ones(50))
    drawn = chance.choice(50, p=share, size=(4000, 200))
    sums = np.exp(scores[drawn] - np.log(200 * share[drawn])).sum(axis=1)
    assert sums.mean() == pytest.approx(np.exp(scores).sum(), rel=0.03)


def test_bpr_is_the_loss_of_its_paper() -> None:
    wanted, other = np.array([0.5, -1.0]), np.array([0.2, 1.5])
    by_hand = -np.log(1 / (1 + np.exp(-(wanted - other))))
    np.testing.assert_allclose(bpr_losses(torch.from_numpy(wanted), torch.from_numpy(other)).numpy(), by_hand)


def test_a_taste_at_a_moment_is_what_serving_computes() -> None:
    weights = kernel(n_before=3, n_moments=2, order_decay=0.9).numpy()
    ages = np.array([1.0, 2, 3, 4]) ** -0.9
    np.testing.assert_allclose(weights, [[ages[2], ages[1], ages[0], 0, 0], [ages[3], ages[2], ages[1], ages[0], 0]], rtol=1e-6)


def shown(world: Events, **cut: int) -> list[tuple[Ints, Floats]]:
    chosen = {"n_before": 3, "n_moments": 4, "n_stretches": 9, "size": 2} | cut
    return [(batch.items, batch.counts) for batch in batches(world, np.random.default_rng(0), **chosen)]


def test_stretches_cover_each_history_once() -> None:
    world = events_of([[5, 6, 7, 8, 9, 10, 11], [1], [2, 3], []], 12)
    found = shown(world)
    assert len(found) == n_batches(world, n_moments=4, n_stretches=9, size=2)
    wanted = [item for items, counts in found for item in items[:, 3:][counts > 0].tolist()]
    assert sorted(wanted) == [3, 6, 7, 8, 9, 10, 11]
    assert all(
        row[3:][count > 0].tolist() == sorted(row[3:][count > 0].tolist())
        for items, counts in found
        for row, count in zip(items, counts, strict=True)
    )


def test_of_a_long_history_some_stretches_are_taken() -> None:
    world = events_of([list(range(100))], 100)
    found = shown(world, n_stretches=3)
    assert sum(len(items) for items, _ in found) == 3
    assert all((counts > 0).all() for _, counts in found)


def test_names_that_few_items_have_are_left_out() -> None:
    bodies = [{"genres": ["Drama", "Drama"], "people": [{"name": "A"}, {"name": "B"}]}] * 3 + [
        {"genres": None},
        {"people": [{"name": "C"}]},
    ]
    names = content_of(bodies).names.toarray()
    np.testing.assert_allclose(names, [[1, 0.5**0.5, 0.5**0.5]] * 3 + [[0, 0, 0]] * 2)


def test_whitened_vectors_score_as_before_on_one_scale() -> None:
    chance = np.random.default_rng(2)
    history, target = chance.normal(size=(60, 5)), chance.normal(size=(60, 5)) @ chance.normal(size=(5, 5))
    is_counted = np.arange(60) < 50
    new_history, new_target = whitened(history, target, is_counted)
    np.testing.assert_allclose(new_target[is_counted].T @ new_target[is_counted] / 50, np.eye(5), atol=1e-4)
    old, new = history @ target.T, new_history @ new_target.T
    np.testing.assert_allclose(new / np.abs(new).max(), old / np.abs(old).max(), atol=1e-4)


def test_torch_is_loaded_only_where_something_is_learned() -> None:
    code = "import sys, app.learn.two_tower, jobs.evaluate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
