"""The order in which good candidates are shown."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.recommend.select import FRESH_HALF_LIFE_DAYS, SCREEN, Floats, Selection, select, vary
from app.types import Candidate, Server

NOW = datetime(2026, 6, 1, 20, tzinfo=UTC)
Varied = tuple[Floats, Floats, list[str], list[list[str]], Selection, list[int], list[float]]
WHATEVER = settings(deadline=None, derandomize=True, database=None)
PLAIN = Selection(variety=0.0, balance=0.0, franchise_cap=None, genre_cap=None, freshness=0.0)


def unit(vectors: Any) -> Floats:
    found = np.asarray(vectors, dtype=np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=-1, keepdims=True), dtype=np.float32)


def order_of(
    scores: Sequence[float],
    selection: Selection,
    *,
    vectors: Floats | None = None,
    franchises: Sequence[str] = (),
    genres: Sequence[Sequence[str]] = (),
    facets: Sequence[int] = (),
    shares: Sequence[float] = (),
) -> list[int]:
    n = len(scores)
    given_vectors = np.zeros((n, 0), dtype=np.float32) if vectors is None else vectors
    varied = np.array(scores, dtype=np.float32), given_vectors, franchises or [""] * n, genres or [()] * n, selection
    return vary(*varied, facets or [-1] * n, shares)


def candidate(
    number: int, score: float, *, name: str = "", days_old: float | None = None, vector: Sequence[float] | None = None
) -> Candidate:
    """As retrieval finds it, a vector as the bytes that PostgreSQL sends."""
    sent = None if vector is None else len(vector).to_bytes(2, "big") + bytes(2) + np.array(vector, dtype=">f2").tobytes()
    return Candidate(
        item_id=number, external_id=f"i{number}", kind="movie", name=name or f"{chr(97 + number % 26) * 3} of {chr(97 + number // 26)}",
        year=None, genres=[], community_rating=None, runtime_seconds=None, images={}, provider_ids={},
        added_at=None if days_old is None else NOW - timedelta(days=days_old), similarity=score, nearest=None, own_score=score, score=score,
        facet=None, collab=None, two_tower=None, is_near=True, is_collab=False, is_two_tower=False,
        is_popular=False, is_titled=False, vector=sent, n_others=None,
        n_lately=None, based_on=(),
    )  # fmt: skip


def shown(candidates: Sequence[Candidate], selection: Selection) -> list[int]:
    return [one.item_id for one in select(candidates, selection, NOW)]


def test_without_variety_and_caps_the_order_is_that_of_the_scores() -> None:
    scores = np.random.default_rng(0).standard_normal(200)
    assert order_of(scores.tolist(), PLAIN) == np.argsort(-scores.astype(np.float32), kind="stable").tolist()


def test_equal_scores_keep_the_order_in_which_they_came() -> None:
    assert order_of([1.0, 2.0, 1.0, 2.0, 1.0], PLAIN) == [1, 3, 0, 2, 4]
    assert shown([candidate(number, 0.5) for number in range(10)], PLAIN) == list(range(10))


def test_of_two_near_ties_the_one_unlike_what_was_chosen_comes_first() -> None:
    vectors = unit([[1, 0], [1, 0.01], [0, 1]])
    assert order_of([1.0, 0.99, 0.98], Selection(variety=0.1), vectors=vectors) == [0, 2, 1]


def test_what_fits_much_better_comes_first_although_it_is_alike() -> None:
    vectors = unit([[1, 0], [1, 0.01], [0, 1]])
    assert order_of([1.0, 0.99, 0.5], Selection(variety=0.1), vectors=vectors) == [0, 1, 2]


def test_the_best_always_comes_first() -> None:
    vectors = unit(np.random.default_rng(1).standard_normal((50, 8)))
    scores = np.random.default_rng(2).uniform(size=50)
    assert order_of(scores.tolist(), Selection(variety=5.0), vectors=vectors)[0] == int(np.argmax(scores))


def test_more_variety_brings_more_different_items_to_the_first_screen() -> None:
    random = np.random.default_rng(3)
    near = unit(np.eye(8)[0] + 0.1 * random.standard_normal((40, 8)))
    far = unit(random.standard_normal((40, 8)))
    scores = np.concatenate([np.linspace(1.0, 0.9, 40), np.linspace(0.85, 0.6, 40)])
    vectors = np.vstack([near, far])

    def n_far(variety: float) -> int:
        return sum(number >= 40 for number in order_of(scores.tolist(), Selection(variety=variety), vectors=vectors)[:SCREEN])

    assert n_far(0.0) == 0 < n_far(0.3) <= n_far(1.0)


def test_an_item_without_a_vector_is_like_nothing() -> None:
    found = [candidate(0, 1.0, vector=[1, 0]), candidate(1, 0.99, vector=[1, 0]), candidate(2, 0.98)]
    assert shown(found, Selection(variety=0.1, freshness=0.0)) == [0, 2, 1]


def test_places_keep_their_falling_scores_whoever_stands_there() -> None:
    found = [candidate(number, 1 - number / 100, vector=[1, number // 32]) for number in range(64)]
    selected = select(found, Selection(variety=0.5), NOW)
    assert [one.item_id for one in selected] != [one.item_id for one in found]
    assert [one.score for one in selected] == [one.score for one in found]
    assert all(one.own_score == found[one.item_id].own_score for one in selected)


def test_nothing_selected_from_nothing() -> None:
    assert select([], Selection(), NOW) == []


def two_interests(n: int = 40) -> tuple[list[float], list[int]]:
    """(scores, facets): all of the first fit better than any of the second, though not by much."""
    return [*np.linspace(1.0, 0.9, n), *np.linspace(0.85, 0.75, n)], [0] * n + [1] * n


@pytest.mark.parametrize("share", [0.5, 0.3, 0.2])
def test_an_interest_gets_about_its_share_of_the_first_screen(share: float) -> None:
    scores, facets = two_interests()
    balanced = order_of(scores, replace(PLAIN, balance=0.2), facets=facets, shares=[1 - share, share])
    assert sum(facets[number] for number in balanced[:SCREEN]) == pytest.approx(share * SCREEN, abs=1)


def test_without_balance_the_interest_that_fits_better_takes_all() -> None:
    scores, facets = two_interests()
    assert order_of(scores, PLAIN, facets=facets, shares=[0.5, 0.5]) == list(range(80))
    assert order_of(scores, replace(PLAIN, balance=0.2), facets=facets) == list(range(80))


def test_balance_lifts_nothing_over_what_fits_much_better() -> None:
    scores = [*np.linspace(5.0, 4.0, 20), *np.linspace(0.5, 0.0, 20)]
    assert order_of(scores, replace(PLAIN, balance=0.03), facets=[0] * 20 + [1] * 20, shares=[0.5, 0.5]) == list(range(40))


def of_franchise(order: Sequence[int], franchises: Sequence[str], name: str) -> list[int]:
    """How many of it stand on each screen."""
    return [sum(franchises[number] == name for number in order[start : start + SCREEN]) for start in range(0, len(order), SCREEN)]


def test_a_franchise_takes_its_share_of_each_screen() -> None:
    franchises = ["bond"] * 10 + [f"film {number}" for number in range(90)]
    order = order_of(np.linspace(1, 0, 100).tolist(), Selection(variety=0.0, franchise_cap=2), franchises=franchises)
    assert of_franchise(order, franchises, "bond") == [2, 2, 2, 2, 2]
    assert order[:2] == [0, 1]
    assert order[20:22] == [2, 3]


def test_every_franchise_has_a_share_of_its_own() -> None:
    franchises = [f"series {number % 10}" for number in range(60)]
    order = order_of(np.linspace(1, 0, 60).tolist(), Selection(variety=0.0, franchise_cap=2), franchises=franchises)
    assert all(max(Counter(franchises[number] for number in order[start : start + SCREEN]).values()) == 2 for start in (0, 20, 40))


def test_where_nothing_else_is_left_the_cap_gives_way() -> None:
    franchises = ["bond"] * 30 + ["alien", "jaws"]
    order = order_of(np.linspace(1, 0, 32).tolist(), Selection(variety=0.0, franchise_cap=1), franchises=franchises)
    assert order[:3] == [0, 30, 31]
    assert order[3:] == list(range(1, 30))


def test_what_belongs_to_no_franchise_is_not_capped() -> None:
    assert order_of([3.0, 2.0, 1.0], Selection(variety=0.0, franchise_cap=1)) == [0, 1, 2]


def test_a_genre_that_has_its_share_waits() -> None:
    genres = [("Horror",)] * 30 + [("Comedy",)] * 5 + [("Drama",)] * 5 + [()] * 10
    order = order_of(np.linspace(1, 0, 50).tolist(), Selection(variety=0.0, genre_cap=0.25), genres=genres)
    first = Counter(genres[number] for number in order[:SCREEN])
    assert first == {("Horror",): 5, ("Comedy",): 5, ("Drama",): 5, (): 5}


def test_a_title_with_a_genre_to_spare_does_not_wait() -> None:
    genres = [("Horror",)] * 20 + [("Horror", "Comedy")] + [("Drama",)] * 20
    order = order_of(np.linspace(1, 0, 41).tolist(), Selection(variety=0.0, genre_cap=0.25), genres=genres)
    assert order[:6] == [0, 1, 2, 3, 4, 20]


def test_sequels_are_known_by_their_names() -> None:
    names = ["Rocky", "Rocky II", "Rocky III", "Rocky IV", "Rocky V", *["Alien", "Jaws", "Heat", "Brazil"]]
    found = [candidate(number, 1 - number / 100, name=name) for number, name in enumerate(names)]
    assert shown(found, Selection(variety=0.0, freshness=0.0)) == [0, 1, 5, 6, 7, 8, 2, 3, 4]


def test_what_was_just_added_is_lifted_over_a_near_tie_and_no_further() -> None:
    fresh = Selection(variety=0.0, freshness=0.05)
    assert shown([candidate(0, 0.80), candidate(1, 0.76, days_old=0)], fresh) == [1, 0]
    assert shown([candidate(0, 0.80), candidate(1, 0.74, days_old=0)], fresh) == [0, 1]


def test_the_lift_halves_every_fortnight() -> None:
    fresh = Selection(variety=0.0, freshness=0.08)
    for halvings, lift in enumerate([0.08, 0.04, 0.02, 0.01]):
        days = halvings * FRESH_HALF_LIFE_DAYS
        assert shown([candidate(0, 0.5), candidate(1, 0.5 - lift + 0.001, days_old=days)], fresh) == [1, 0]
        assert shown([candidate(0, 0.5), candidate(1, 0.5 - lift - 0.001, days_old=days)], fresh) == [0, 1]


def test_an_unknown_day_lifts_nothing_and_one_to_come_no_more_than_today() -> None:
    fresh = Selection(variety=0.0, freshness=0.05)
    assert shown([candidate(0, 0.80), candidate(1, 0.79)], fresh) == [0, 1]
    assert shown([candidate(0, 0.80), candidate(1, 0.74, days_old=-400)], fresh) == [0, 1]


def test_a_server_sets_and_a_request_turns_off() -> None:
    settings = {"variety": 0.7, "balance": 0.1, "franchise_cap": None, "genre_cap": 0.5, "freshness": 0.2, "of a later version": 1}
    server = Server(1, "home", "Home", "api", settings)
    chosen = Selection(variety=0.7, balance=0.1, franchise_cap=None, genre_cap=0.5, freshness=0.2)
    assert Selection.of(server) == chosen
    assert Selection.of(server, is_varied=False) == replace(PLAIN, freshness=0.2)
    assert Selection.of(server, is_fresh=False) == replace(chosen, freshness=0.0)
    assert Selection.of(Server(1, "home", "Home", "api", {})) == Selection()


@st.composite
def _worlds(draw: st.DrawFn) -> Varied:
    n = draw(st.integers(0, 70))
    scores = np.array(draw(st.lists(st.floats(-10, 10, width=32), min_size=n, max_size=n)), dtype=np.float32)
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    vectors = random.standard_normal((n, draw(st.integers(0, 4)))).astype(np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    vectors[random.random(n) < 0.2] = 0
    names = draw(st.lists(st.one_of(st.sampled_from(["", "rocky", "alien"]), st.text(max_size=5)), min_size=n, max_size=n))
    genres = draw(st.lists(st.lists(st.sampled_from(["a", "b", "c"]), max_size=3), min_size=n, max_size=n))
    selection = Selection(
        variety=draw(st.floats(0, 10)), freshness=0.0,
        balance=draw(st.floats(0, 10)), franchise_cap=draw(st.none() | st.integers(1, 20)), genre_cap=draw(st.none() | st.floats(0.01, 1)),
    )  # fmt: skip
    shares = draw(st.lists(st.floats(0, 1), max_size=3))
    facets = draw(st.lists(st.integers(-1, len(shares) - 1), min_size=n, max_size=n))
    return scores, vectors, names, genres, selection, facets, shares


@WHATEVER
@given(_worlds())
def test_every_candidate_is_shown_once_whatever_comes(world: Varied) -> None:
    shown_first = vary(*world)
    assert sorted(shown_first) == list(range(len(world[0])))
    assert vary(*world) == shown_first


@WHATEVER
@given(st.lists(st.tuples(st.floats(-2, 2), st.none() | st.floats(-1e4, 1e4), st.booleans()), max_size=70))
def test_any_candidates_are_all_shown(rows: list[tuple[float, float | None, bool]]) -> None:
    found = [
        candidate(number, score, days_old=days, vector=[1, number] if has_vector else None)
        for number, (score, days, has_vector) in enumerate(rows)
    ]
    assert sorted(shown(found, Selection())) == list(range(len(rows)))
