"""What holds for every recommender, and what each finds in a planted world."""

from collections.abc import Callable

import numpy as np
import pytest

from app.learn.baselines import ItemKnn, Popularity, RecentPopularity, UserKnn, by_recency_and_rating, text_centred, text_flat_mean
from app.learn.ease import Ease, ease, ease_recency
from app.learn.events import Events, Recommender
from app.learn.factors import Bpr, Ials
from tests.learn.invented import case_of, events_of, two_tastes

N_ITEMS = 40


def side_vectors() -> np.ndarray:
    """Texts of the two sides of `two_tastes` have a direction in common, and one of their own."""
    raw = np.random.default_rng(0).normal(0, 0.1, (N_ITEMS, 8)).astype(np.float32)
    raw[:, 0] += 3
    raw[np.arange(N_ITEMS), 1 + np.arange(N_ITEMS) % 2] += 1
    return raw / np.linalg.norm(raw, axis=1, keepdims=True)


EVERY: dict[str, Callable[[], Recommender]] = {
    "popularity": Popularity,
    "recent popularity": RecentPopularity,
    "item-knn": ItemKnn,
    "user-knn": UserKnn,
    "ials": lambda: Ials(n_factors=4, regularisation=0.1),
    "bpr": lambda: Bpr(n_factors=4, rate=0.05),
    "ease": lambda: ease("leave-last"),
    "ease of liked": lambda: ease("last-tenth"),
    "ease (recency)": ease_recency,
    "text (flat mean)": lambda: text_flat_mean(side_vectors()),
    "text (centred)": lambda: text_centred(side_vectors()),
}
PERSONAL = [name for name in EVERY if "popularity" not in name]


@pytest.fixture(scope="module", params=EVERY)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def fitted(name: str) -> Recommender:
    recommender = EVERY[name]()
    recommender.fit(learned())
    return recommender


def learned() -> Events:
    """Users 4 and 5 are held out altogether."""
    world = two_tastes()
    return world.of_users(~np.isin(np.arange(world.n_users), [4, 5]))


def history_of(user: int) -> list[int]:
    world = two_tastes()
    return world.items[world.users == user].tolist()


def test_nothing_of_the_history_is_recommended_nor_anything_twice(fitted: Recommender) -> None:
    cases = [case_of(user, history_of(user)) for user in range(60)]
    for case, found in zip(cases, fitted.recommend(cases, 20), strict=True):
        assert not set(found.tolist()) & set(case.history.tolist())
        assert len(set(found.tolist())) == 20
        assert -1 not in found


def test_a_list_is_full_as_long_as_there_are_items_and_then_padded(fitted: Recommender) -> None:
    [found] = fitted.recommend([case_of(0, history_of(0))], 50)
    assert found.shape == (50,)
    n_left = N_ITEMS - len(history_of(0))
    assert (found[:n_left] >= 0).all()
    assert (found[n_left:] == -1).all()
    [nothing] = fitted.recommend([case_of(0, list(range(N_ITEMS)))], 3)
    assert nothing.tolist() == [-1, -1, -1]


def test_the_same_answers_come_every_time(name: str, fitted: Recommender) -> None:
    again = EVERY[name]()
    again.fit(learned())
    cases = [case_of(user, history_of(user)) for user in range(20)]
    assert (again.recommend(cases, 20) == fitted.recommend(cases, 20)).all()


def test_an_answer_does_not_depend_on_who_else_is_asked(fitted: Recommender) -> None:
    cases = [case_of(user, history_of(user)) for user in (3, 4, 5)]
    together = fitted.recommend(cases, 10)
    assert [fitted.recommend([case], 10)[0].tolist() for case in cases] == together.tolist()


def test_an_empty_history_gets_the_popular(name: str, fitted: Recommender) -> None:
    [found] = fitted.recommend([case_of(4, [])], 10)
    popular = Popularity()
    popular.fit(learned())
    if name != "recent popularity":
        assert found.tolist() == popular.recommend([case_of(4, [])], 10)[0].tolist()
    assert len(set(found.tolist())) == 10


def test_an_item_nobody_watched_does_no_harm(fitted: Recommender) -> None:
    [found] = fitted.recommend([case_of(4, [N_ITEMS - 1])], 10)
    assert N_ITEMS - 1 not in found
    assert len(set(found.tolist())) == 10


def test_a_world_of_one_user_and_one_item_does_no_harm(name: str) -> None:
    if name.startswith("text"):
        pytest.skip("its vectors are of another world")
    recommender = EVERY[name]()
    recommender.fit(events_of([[1], []], 3))
    assert {*recommender.recommend([case_of(1, [1])], 3)[0].tolist()} == {0, 2, -1}


@pytest.mark.parametrize("personal", PERSONAL)
@pytest.mark.parametrize("user", [2, 3, 4, 5], ids=["even", "odd", "even, not learned from", "odd, not learned from"])
def test_two_tastes_are_told_apart(personal: str, user: int) -> None:
    recommender = EVERY[personal]()
    recommender.fit(learned())
    [found] = recommender.recommend([case_of(user, history_of(user))], 6)
    # Means of raw text find what is common to all texts; half of them right is luck.
    n_right = sum(item % 2 == user % 2 for item in found.tolist())
    assert n_right >= (5 if personal in ("text (flat mean)", "bpr") else 6)


def test_popularity_counts_and_ties_go_to_the_smaller_position() -> None:
    recommender = Popularity()
    recommender.fit(events_of([[2, 3], [3, 1], [3]], 5))
    assert recommender.recommend([case_of(0, [])], 5)[0].tolist() == [3, 1, 2, 0, 4]


def test_what_was_not_watched_at_all_is_not_learned_from() -> None:
    events = events_of([[2, 3], [2, 1]], 4)
    opened = Events(events.users, events.items, events.ratings, np.array([0, 1, 0, 1], dtype=np.float32), 2, 4)
    recommender = Popularity()
    recommender.fit(opened)
    assert recommender.recommend([case_of(0, [])], 4)[0].tolist() == [1, 3, 0, 2]


def test_recent_popularity_sees_the_end_of_each_history_alone() -> None:
    old, new = list(range(30)), [40, 41]
    recommender = RecentPopularity()
    recommender.fit(events_of([old + new, old[::-1] + new], 50))
    found = recommender.recommend([case_of(0, [])], 40)[0].tolist()
    assert found[:10] == [*range(12, 18), 40, 41, 0, 1]


def test_ease_is_the_closed_form_of_its_paper() -> None:
    histories = [[0, 1], [0, 1, 2], [1, 2], [0, 3]]
    recommender = Ease("ease", ridge=0.5)
    recommender.fit(events_of(histories, 5))
    x = np.zeros((4, 5))
    for user, history in enumerate(histories):
        x[user, history] = 1
    inverse = np.linalg.inv(x.T @ x + 0.5 * np.eye(5))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    assert recommender.score([case_of(0, [0, 2])])[0] == pytest.approx(weights[0] + weights[2], abs=1e-5)


def test_items_that_the_same_users_watched_tie_exactly() -> None:
    generator = np.random.default_rng(2)
    items = np.flatnonzero(generator.random(300) < 0.5)
    recommender = Ease("ease", ridge=50)
    # Three users and 300 items: most items have many twins.
    recommender.fit(events_of([generator.permutation(300)[:150].tolist() for _ in range(2)] + [items.tolist()], 300))
    scores = recommender.score([case_of(0, [0, 1, 2, 3])])[0]
    assert len(np.unique(scores[4:])) <= 2**3


def test_ease_of_liked_rows_neither_learns_nor_adds_the_others() -> None:
    liked_alone = Ease("ease", ridge=0.5, min_rating=8)
    liked_alone.fit(events_of([[0, 1], [0, 2, 1], [3, 4]], 5, [[10, 8], [9, 2, 8], [10, float("nan")]]))
    without = Ease("ease", ridge=0.5)
    without.fit(events_of([[0, 1], [0, 1], [3, 4]], 5))
    asked, same = case_of(0, [3, 0], ratings=[7, 10]), case_of(0, [0])
    assert liked_alone.score([asked])[0] == pytest.approx(without.score([same])[0], abs=1e-6)


def test_ease_with_recency_follows_what_was_watched_last() -> None:
    world, drift = two_tastes(), [0, 2, 4, 6, 1, 3]
    flat, recent = Ease("ease", ridge=20), Ease("ease (recency)", ridge=20, weigh=by_recency_and_rating)
    for recommender in (flat, recent):
        recommender.fit(world)
    assert flat.recommend([case_of(4, drift)], 3)[0].tolist()[0] % 2 == 0
    assert recent.recommend([case_of(4, drift)], 3)[0].tolist()[0] % 2 == 1


def test_recency_and_rating_weigh_together() -> None:
    weights = by_recency_and_rating(case_of(0, [1, 2, 3], ratings=[10, 5, float("nan")]))
    assert weights.tolist() == pytest.approx([10 * 3**-0.8, 5 * 2**-0.8, 7.2])


def test_user_knn_does_not_count_a_user_as_their_own_neighbour() -> None:
    recommender = UserKnn()
    recommender.fit(events_of([[0, 1, 4], [0, 1, 2], [3]], 5))
    assert recommender.recommend([case_of(0, [0, 1])], 1)[0].tolist() == [2]
