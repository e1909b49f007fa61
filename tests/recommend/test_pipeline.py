"""From a play to the next answer, and what is answered when something is missing."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.connect.bodies import ITEMS, PLAYS, SIGNALS, USERS, Reader
from app.db import Engine, ingest
from app.errors import UnknownUser, UserDisabled
from app.recommend.pipeline import recommend
from app.types import Filters, Server, Slate, unseen
from jobs.embed_items import embed_items
from jobs.refresh_tastes import refresh_stale, refresh_tastes, refresh_user
from tests.conftest import MODEL

SPACE_FILMS = [
    ("s1", "Beyond Saturn", "astronauts on a long voyage through deep space"),
    ("s2", "The Airlock", "a crew in orbit, a spaceship in danger"),
    ("s3", "Red Dust", "settlers on Mars, rockets and astronauts"),
    ("s4", "Signal from Vega", "scientists hear aliens from a distant star"),
]
KITCHEN_FILMS = [
    ("k1", "A Pinch of Salt", "a chef opens a restaurant in Paris, cooking and love"),
    ("k2", "The Pastry War", "bakers compete, cakes and bread"),
    ("k3", "Slow Simmer", "a family restaurant, recipes of a grandmother"),
    ("k4", "Market Day", "a cook buys vegetables, food and friendship"),
]


def read(reader: Reader[Any], bodies: Sequence[dict[str, Any]]) -> list[Any]:
    rows, _, rejected = reader.read(bodies)
    assert not rejected
    return rows


class Household:
    def __init__(self, engine: Engine, server: Server) -> None:
        self.engine, self.server = engine, server

    def send(self, *, items: Sequence[Any] = (), users: Sequence[Any] = (), plays: Sequence[Any] = (), signals: Sequence[Any] = ()) -> None:
        with self.engine.begin() as connection:
            ingest.ingest_items(connection, self.server.id, read(ITEMS, items))
            ingest.ingest_users(connection, self.server.id, read(USERS, users))
            ingest.ingest_plays(connection, self.server.id, "api", read(PLAYS, plays))
            ingest.ingest_signals(connection, self.server.id, "api", read(SIGNALS, signals))

    def ask(self, user: str, **filters: Any) -> Slate:
        with self.engine.begin() as connection:
            now = datetime.now(UTC)
            return recommend(connection, self.server, user, Filters(**filters), limit=20, offset=0, explain=True, now=now, slate_id=uuid4())

    def names(self, user: str, **filters: Any) -> list[str]:
        return [item.candidate.external_id for item in self.ask(user, **filters).items]


def film(item_id: str, name: str, about: str, **more: Any) -> dict[str, Any]:
    return {"item_id": item_id, "type": "movie", "name": name, "overview": about, "runtime_seconds": 6000, "library_id": "films", **more}


def play(user: str, item: str, days_ago: float = 1.0, percent: float = 100.0) -> dict[str, Any]:
    started = datetime.now(UTC) - timedelta(days=days_ago)
    return {"play_id": f"{user} {item}", "user_id": user, "item_id": item, "started_at": started.isoformat(), "percent": percent}


@pytest.fixture
def household(engine: Engine, server: Server) -> Household:
    made = Household(engine, server)
    made.send(
        items=[film(*one) for one in SPACE_FILMS + KITCHEN_FILMS],
        users=[{"user_id": "ada", "name": "Ada"}, {"user_id": "bo", "name": "Bo"}],
    )
    return made


@pytest.fixture
def embedded(household: Household, engine: Engine, now: datetime) -> Household:
    embed_items(engine, household.server, MODEL, now, unseen)
    return household


def test_a_play_changes_the_next_answer_at_once(embedded: Household) -> None:
    assert embedded.ask("ada").source != "personal"
    embedded.send(plays=[play("ada", "s1", 2)])
    assert embedded.ask("ada").source == "personal"
    assert set(embedded.names("ada")[:3]) == {"s2", "s3", "s4"}
    embedded.send(plays=[play("ada", "k1", 0.2), play("ada", "k2", 0.1), play("ada", "k3", 0.05)])
    assert embedded.names("ada")[0] == "k4"


def test_a_refreshed_taste_equals_the_one_computed_in_the_request(embedded: Household, engine: Engine, now: datetime) -> None:
    embedded.send(plays=[play("ada", "s1"), play("ada", "k2", 3)])
    before = [(item.candidate.external_id, round(item.score, 3)) for item in embedded.ask("ada").items]
    assert refresh_stale(engine, embedded.server.id, now, unseen) == 1
    assert refresh_stale(engine, embedded.server.id, now, unseen) == 0
    assert [(item.candidate.external_id, round(item.score, 3)) for item in embedded.ask("ada").items] == before


def test_one_users_taste_can_be_computed_alone(embedded: Household, engine: Engine, now: datetime) -> None:
    embedded.send(plays=[play("ada", "s1"), play("bo", "k1")])
    from app.db.servers import find_user_id, list_users

    with engine.begin() as connection:
        ada = find_user_id(connection, embedded.server.id, "ada")
    assert ada is not None
    assert refresh_user(engine, embedded.server.id, ada, now) == 1
    with engine.begin() as connection:
        assert {user.external_id: user.has_taste for user in list_users(connection, embedded.server.id)} == {"ada": True, "bo": False}


def test_without_a_text_space_the_household_speaks(household: Household, engine: Engine, now: datetime) -> None:
    household.send(plays=[play("bo", "k3"), play("bo", "k4")])
    refresh_tastes(engine, household.server.id, now, unseen)
    slate = household.ask("ada")
    assert (slate.source, slate.degraded) == ("household", ("no_text_space",))
    assert {item.candidate.external_id for item in slate.items[:2]} == {"k3", "k4"}
    assert slate.items[0].reason == "Watched in this household"


def test_with_nothing_known_the_newest_come_first(household: Household) -> None:
    household.send(
        items=[
            film("new", "Brand New", "just in", added_at="2026-11-01T10:00:00Z"),
            film("old", "Old", "long here", added_at="2020-01-01T10:00:00Z"),
        ]
    )
    slate = household.ask("ada")
    assert slate.source == "new"
    assert [item.candidate.external_id for item in slate.items[:2]] == ["new", "old"]


def test_an_empty_library_answers_none(engine: Engine, make_server: Callable[..., Server]) -> None:
    empty = Household(engine, make_server())
    empty.send(users=[{"user_id": "ada", "name": "Ada"}])
    slate = empty.ask("ada")
    assert (slate.source, slate.items, slate.next_offset) == ("none", [], None)


def test_an_item_that_has_no_vector_yet_fills_the_list(embedded: Household) -> None:
    embedded.send(items=[film("late", "Came Late", "not embedded yet")], plays=[play("ada", "s1")])
    slate = embedded.ask("ada")
    assert len(slate.items) == 8
    assert slate.items[-1].candidate.external_id == "late"
    assert "text" not in slate.items[-1].sources


@pytest.mark.parametrize(
    "said",
    [{"kind": "hide"}, {"kind": "dislike"}, {"kind": "watched"}, {"kind": "rating", "value": 9}],
)
def test_what_was_hidden_disliked_or_seen_elsewhere_does_not_come(embedded: Household, said: dict[str, Any]) -> None:
    embedded.send(plays=[play("ada", "s1")], signals=[{"user_id": "ada", "item_id": "s2", **said}])
    assert "s2" not in embedded.names("ada")
    assert "s2" in embedded.names("bo")


def test_hidden_stays_away_even_when_seen_ones_are_asked_for(embedded: Household) -> None:
    embedded.send(plays=[play("ada", "s1")], signals=[{"user_id": "ada", "item_id": "s2", "kind": "hide"}])
    names = embedded.names("ada", include_seen=True)
    assert "s1" in names
    assert "s2" not in names
    embedded.send(signals=[{"user_id": "ada", "item_id": "s2", "kind": "hide", "value": False}])
    assert "s2" in embedded.names("ada")


def test_another_version_of_what_was_seen_does_not_come(embedded: Household) -> None:
    versions = [film(name, "Twice", "the same film", year=1999, provider_ids={"tmdb": "9"}) for name in ("dvd", "uhd")]
    embedded.send(items=versions, plays=[play("ada", "dvd")])
    assert not {"dvd", "uhd"} & set(embedded.names("ada"))
    assert len({"dvd", "uhd"} & set(embedded.names("bo"))) == 1


LIMITED = [
    ({"library_ids": ["children"]}, {"ok"}),
    ({"library_ids": []}, set()),
    ({"max_parental_age": 12}, {"ok", "toy"}),
    ({"blocked_tags": ["Scary"]}, {"ok", "adult", "toy", "unrated"}),
    ({"allowed_tags": ["gentle"]}, {"ok"}),
]


@pytest.mark.parametrize(("limits", "expected"), LIMITED)
def test_only_what_the_user_may_open_comes(
    engine: Engine, server: Server, now: datetime, limits: dict[str, Any], expected: set[str]
) -> None:
    made = Household(engine, server)
    made.send(
        items=[
            film("ok", "Fine", "x", official_rating="G", library_id="children", tags=["gentle"]),
            film("toy", "Toys", "x", official_rating="PG", tags=[]),
            film("adult", "Grown", "x", official_rating="R"),
            film("ghost", "Ghost", "x", official_rating="R", tags=["scary"]),
            film("unrated", "No Rating", "x"),
        ],
        users=[{"user_id": "kid", "name": "Kid", **limits}],
    )
    assert set(made.names("kid")) == expected
    embed_items(engine, server, MODEL, now, unseen)
    made.send(plays=[play("kid", "adult")])
    slate = made.ask("kid")
    assert {item.candidate.external_id for item in slate.items} == expected - {"adult"}
    named = {reason.item_id for item in slate.items for reason in item.candidate.based_on}
    assert named <= expected


def test_what_a_missing_row_means_is_the_servers_choice(engine: Engine, make_server: Callable[..., Server]) -> None:
    made = Household(engine, make_server(unrated="show", without_library="show"))
    made.send(
        items=[film("unrated", "No Rating", "x"), {"item_id": "loose", "type": "movie", "name": "Loose", "official_rating": "G"}],
        users=[{"user_id": "kid", "name": "Kid", "max_parental_age": 6, "library_ids": ["films"]}],
    )
    assert set(made.names("kid")) == {"unrated", "loose"}


def test_the_id_answered_is_a_version_that_this_user_may_open(engine: Engine, server: Server) -> None:
    made = Household(engine, server)
    made.send(
        items=[film(name, "Twice", "x", library_id=name, provider_ids={"tmdb": "9"}) for name in ("a", "b")],
        users=[{"user_id": "only-b", "name": "B", "library_ids": ["b"]}],
    )
    assert made.names("only-b") == ["b"]


def test_who_opted_out_is_answered_without_their_history_but_never_what_they_saw(
    embedded: Household, engine: Engine, now: datetime
) -> None:
    embedded.send(users=[{"user_id": "ada", "name": "Ada", "opted_out": True}], plays=[play("ada", "s1")])
    refresh_tastes(engine, embedded.server.id, now, unseen)
    slate = embedded.ask("ada")
    assert slate.source != "personal"
    assert "s1" not in [item.candidate.external_id for item in slate.items]


def test_a_disabled_user_and_one_only_named_by_a_play_get_no_answer(embedded: Household) -> None:
    embedded.send(users=[{"user_id": "gone", "name": "Gone", "is_disabled": True}], plays=[play("ghost", "s1")])
    with pytest.raises(UserDisabled):
        embedded.ask("gone")
    with pytest.raises(UnknownUser):
        embedded.ask("ghost")
