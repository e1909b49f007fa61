"""The second stage from moments of the past to an answer: trained, promoted, served, and the same on both sides."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from app.db import Engine, events, models, spaces
from app.db.descriptions import describe_items
from app.db.servers import find_user_id, put_server
from app.errors import NothingToLearn
from app.learn.features import NAMES, features_of
from app.learn.second_stage import SecondStage, read_second_stage
from app.learn.skew import trained_from
from app.recommend import promotion
from app.recommend.rankers import Rankers
from app.taste.recipes import recipe_of
from app.types import Server, unseen
from jobs.compare_models import compare
from jobs.lists import NEXT, Retrieval, Vectors, lists_of
from jobs.moments import N_MOMENTS, moments_of
from jobs.past import Learning, read_past
from jobs.train_ranker import train_ranker
from jobs.watched import watched_in
from tests.db.household import play
from tests.jobs.street import FEW, N_FILMS, SMALL, Street
from tests.jobs.town import Town


@pytest.fixture(scope="module")
def street(engine: Engine) -> Street:
    """Trained once; tests don't change it but where they say so."""
    with engine.begin() as connection:
        server, _ = put_server(connection, "street", "Street", "api", {})
    made = Street(engine, server, datetime.fromisoformat("2026-06-01T20:00:00+00:00"))
    made.learn()
    return made


@pytest.fixture(scope="module")
def trained(street: Street, engine: Engine) -> Iterator[int]:
    done = street.train()
    assert done.went_live
    yield done.model_id
    with engine.begin() as connection:
        promotion.rollback(connection, street.server, street.now)


@pytest.fixture
def rankers(serve_engine: Engine, trained: int) -> Iterator[Rankers[SecondStage]]:
    found = Rankers(serve_engine, read_second_stage)
    found.warm(30)
    yield found
    found.stop()


def position(rows: npt.NDArray[Any], user_id: int | None) -> int:
    """Of this user among those of the events."""
    return int(np.searchsorted(np.unique(rows["user_id"]), user_id))


def following(street: Street, who: str) -> str:
    """The film after the last that this person watched."""
    with street.engine.begin() as connection:
        user_id = find_user_id(connection, street.server.id, who)
        rows = events.read_engagement(connection, street.server.id)
        names = {item_id: one.description.year for item_id, one in describe_items(connection, street.server.id).items()}
    watched = watched_in(rows)
    mine = watched.events.items[watched.events.users == position(rows, user_id)]
    year = names[int(watched.item_ids[mine[-1]])]
    assert year is not None
    return f"f{(int(year) - 1990 + 1) % N_FILMS}"


def test_the_ranker_is_better_than_fused_scores_and_says_so(street: Street, engine: Engine, trained: int) -> None:
    with engine.begin() as connection:
        model = models.get_model(connection, street.server.id, trained)
    against = model.metrics["against"]["fused"]
    assert model.status == "live"
    assert against["ci95"][0] > 0.1
    assert model.metrics["ndcg@10"] > 0.6
    assert model.metrics["recall_of_candidates"] == 1
    assert model.data_window["n_users"] == 90
    assert [feature.name for feature in trained_from(model.card)] == list(NAMES)


def test_the_next_in_line_is_served_first(street: Street, rankers: Rankers[SecondStage], trained: int) -> None:
    people = [f"u{number}" for number in range(12)]
    first = 0
    for who in people:
        slate = street.ask(who, rankers)
        assert slate.model_id == trained
        assert slate.degraded == ()
        names = [item.candidate.external_id for item in slate.items]
        assert len(names) == len(set(names)) == 20
        first += following(street, who) in names[:2]
        assert [item.score for item in slate.items] == sorted((item.score for item in slate.items), reverse=True)
        assert slate.features is not None
        assert slate.features.shape == (20, len(NAMES))
    assert first >= 9


def test_pages_neither_repeat_nor_leave_out(street: Street, rankers: Rankers[SecondStage]) -> None:
    pages = [street.ask("u3", rankers, limit=7, offset=offset) for offset in (0, 7, 14)]
    names = [item.candidate.external_id for page in pages for item in page.items]
    assert names == [item.candidate.external_id for item in street.ask("u3", rankers, limit=21).items][: len(names)]
    assert len(set(names)) == len(names)
    assert [item.rank for item in pages[1].items] == list(range(8, 8 + len(pages[1].items)))


def test_filters_hold_and_reasons_are_told(street: Street, rankers: Rankers[SecondStage]) -> None:
    slate = street.ask("u5", rankers, genres=["genre 1"])
    assert slate.items
    assert all(item.candidate.genres == ["Genre 1"] for item in slate.items)
    assert all(item.reason for item in slate.items)
    assert any(item.candidate.based_on for item in slate.items)


def test_without_a_ranker_at_hand_fused_scores_serve_and_the_answer_says_so(street: Street, serve_engine: Engine, trained: int) -> None:
    def refuse(_name: str, _content: bytes) -> SecondStage:
        raise ValueError("not today")

    broken = Rankers(serve_engine, refuse)
    broken.warm(30)
    slate = street.ask("u5", broken)
    broken.stop()
    assert slate.model_id is None
    assert slate.degraded == ("no_ranker",)
    assert len(slate.items) == 20


def test_a_row_served_equals_the_row_rebuilt_for_that_moment(street: Street, engine: Engine, rankers: Rankers[SecondStage]) -> None:
    slate = street.ask("u7", rankers)
    chosen = slate.items[2]
    # What is begun now is rebuilt from what was known before it.
    street.house.tell("plays", [play("u7", chosen.candidate.external_id, "now", started_at=street.now.isoformat(), percent=100)])
    with engine.begin() as connection:
        rows = events.read_engagement(connection, street.server.id)
        user = position(rows, find_user_id(connection, street.server.id, "u7"))
        live = {space.kind: space for space in spaces.live_spaces(connection, street.server.id)}
        collab, text = spaces.read_learned_vectors(connection, live["collab"]), spaces.read_vectors(connection, live["text"])
        said = describe_items(connection, street.server.id)
    watched = watched_in(rows, np.array(sorted(said), dtype=np.int64))
    ids = watched.item_ids.tolist()
    nothing = np.zeros((len(ids), collab["target"].shape[1]), dtype=np.float32)
    history, target, is_known = nothing.copy(), nothing.copy(), np.isin(watched.item_ids, collab["item_id"])
    history[is_known], target[is_known] = collab["history"], collab["target"]
    prior, popularity = (np.array([getattr(said[one], name) for one in ids], dtype=np.float32) for name in ("prior", "popularity"))
    everything, read = np.ones(len(ids), dtype=np.bool_), text["target"].astype(np.float32)
    retrieval = Retrieval(
        Vectors.halved(history, target, is_known, 0.2), Vectors.none(len(ids)), Vectors.halved(read, read, everything, 1.0),
        prior, popularity, everything, recipe_of(street.server, "collab"), recipe_of(street.server, "text"),
    )  # fmt: skip
    begun = np.flatnonzero((watched.events.users == user) & (watched.begun_at == street.now.timestamp()))
    [offered] = lists_of(watched, retrieval, begun)
    assert offered.listed.item_ids[offered.place] == chosen.candidate.item_id
    held = rankers.of(street.server.id, slate.model_id)
    assert held is not None
    assert slate.features is not None
    served, rebuilt = slate.features[2], features_of(held[1].facts, offered.listed)[offered.place]
    same = np.isclose(served, rebuilt, rtol=2e-3, atol=2e-3, equal_nan=True)
    # How often it was shown is known to the log alone.
    assert [name for name, is_same in zip(NAMES, same, strict=True) if not is_same and name != "times_shown"] == []


def test_moments_know_nothing_of_what_came_after(street: Street, engine: Engine) -> None:
    past = read_past(engine, street.server, street.now, unseen, Learning(FEW))
    begun = past.watched.begun_at
    first = begun[past.moments.chosen].min()
    assert begun[past.moments.is_before].max() < first
    assert (np.diff(begun[past.moments.chosen]) >= 0).all()
    assert past.facts.n_users[:-1].sum() == past.moments.is_before.sum()


def test_what_was_watched_later_is_to_be_found_too_and_the_next_title_above_all(street: Street, engine: Engine) -> None:
    past = read_past(engine, street.server, street.now, unseen, Learning(FEW))
    events_, chosen = past.watched.events, past.moments.chosen
    seen = set()
    for row, (_, offered) in zip(chosen.tolist(), past.lists(chosen), strict=True):
        end = np.searchsorted(events_.users, events_.users[row], "right")
        worth = dict(zip(past.watched.item_ids[events_.items[row:end]].tolist(), past.watched.grades[row:end].tolist(), strict=True))
        worth[int(past.watched.item_ids[events_.items[row]])] = NEXT
        assert offered.grades.tolist() == [worth.get(item_id, 0) for item_id in offered.listed.item_ids.tolist()]
        seen |= set(offered.grades.tolist())
    assert {0, 2, NEXT} <= seen


def test_what_was_rated_no_better_than_usual_is_worth_less_and_what_was_broken_off_nothing(street: Street, engine: Engine) -> None:
    watched = read_past(engine, street.server, street.now, unseen, Learning(FEW)).watched
    rated = replace(watched.history, rating=np.resize([np.nan, 7.0, 8.0], len(watched.begun_at)))
    wanted = np.arange(len(watched.begun_at)) >= 3
    assert replace(watched, history=rated, is_wanted=wanted).grades[:6].tolist() == [0, 0, 0, 2, 1, 2]


def test_without_times_the_last_of_everybody_are_the_moments(street: Street, engine: Engine) -> None:
    past = read_past(engine, street.server, street.now, unseen, Learning(FEW))
    untimed = replace(past.watched, begun_at=np.full(len(past.watched.begun_at), np.nan))
    found = moments_of(untimed)
    n_left = np.bincount(past.watched.events.users[found.is_before], minlength=90)
    n_all = np.bincount(past.watched.events.users, minlength=90)
    assert (n_all - n_left == N_MOMENTS).all()
    assert not found.is_before[found.chosen].any()


def test_two_models_are_compared_on_the_same_moments(street: Street, engine: Engine, trained: int) -> None:
    found = compare(engine, street.server, trained, None, street.now, unseen)
    assert found["first"]["n_cases"] == found["second"]["n_cases"] == found["n_cases"]
    assert found["ndcg@10"] == pytest.approx(found["first"]["ndcg@10"] - found["second"]["ndcg@10"])
    assert found["ci95"][0] > 0
    again = street.train()
    same = compare(engine, street.server, again.model_id, trained, street.now, unseen)
    assert same["ndcg@10"] == pytest.approx(0, abs=0.05)


def test_a_neural_ranker_is_trained_and_compared_as_any_other(street: Street, engine: Engine, trained: int) -> None:
    done = train_ranker(engine, street.server, street.now, unseen, ranker="dlrm", learning=Learning(FEW))
    with engine.begin() as connection:
        model = models.get_model(connection, street.server.id, done.model_id)
        if done.went_live:
            promotion.rollback(connection, street.server, street.now)
    assert model.name == "dlrm"
    assert model.metrics["against"]["fused"]["ci95"][0] > 0
    found = compare(engine, street.server, done.model_id, None, street.now, unseen)
    assert found["n_cases"] == model.metrics["n_cases"]
    assert found["ci95"][0] > 0


def test_where_little_was_watched_nothing_is_trained(engine: Engine, make_server: Callable[..., Server], now: datetime) -> None:
    town = Town(engine, make_server(), now)
    with pytest.raises(NothingToLearn):
        train_ranker(engine, town.server, now, unseen, parameters=SMALL, learning=Learning(FEW))
