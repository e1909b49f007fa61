"""An answer is repeated while nothing that it depends on has changed, and never after."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import text

from app.api import repeats
from app.api.held_answers import Held, HeldAnswers
from app.db import Engine, models, spaces, tastes
from app.db.bench import item_ids_of
from app.db.servers import put_server
from app.types import Server
from tests.api.conftest import MakeClient, MakeKey, bearer
from tests.api.home_page import Page, titled
from tests.api.test_taste import ago, beside, place
from tests.db.household import play, signal, user
from tests.db.trained import BETTER, delete_trained, trained

FILMS = [f"f{number}" for number in range(8)]
PATHS = ("/recommendations", "/home", "/items/f0/similar")


class House(Page):
    """Asked with the tag that was given last."""

    def ask(self, path: str, tag: str | None = None, **parameters: Any) -> Response:
        parameters = {"server_id": self.server.external_id, "user_id": "ada"} | parameters
        return self.client.get(path, params=parameters, headers={"If-None-Match": tag} if tag else None)

    def tags(self) -> dict[str, str]:
        """Of answers that may be repeated, each asked for twice."""
        tags = {path: self.ask(path).headers["etag"] for path in PATHS}
        assert {path: self.ask(path, tag).status_code for path, tag in tags.items()} == dict.fromkeys(PATHS, 304)
        return tags

    def place(self, offset: int = 0) -> None:
        place(self.engine, self.server, {name: beside(0, n + offset) for n, name in enumerate(FILMS)})

    def put_server(self, **settings: Any) -> None:
        body = {"name": "Repeated", "settings": settings}
        assert self.client.put(f"/servers/{self.server.external_id}", json=body).is_success

    def embed(self) -> None:
        """Another vector for a title in the live space, as after a changed overview."""
        with self.engine.begin() as connection:
            space = spaces.live_space(connection, self.server.id, "text")
            assert space is not None
            item_id = item_ids_of(connection, self.server.id)["f7"]
            ones, digests = np.ones(1, dtype=np.float32), np.zeros(1, dtype="V32")
            spaces.write_vectors(connection, space, np.array([item_id]), np.eye(8, dtype=np.float32)[:1], ones, digests)

    def learn(self) -> None:
        with self.engine.begin() as connection:
            space = spaces.create_space(connection, self.server.id, "collab", "planted", "planted", 1, 8, 1)
            item_id = item_ids_of(connection, self.server.id)["f7"]
            one = np.eye(8, dtype=np.float32)[:1]
            spaces.write_learned_vectors(connection, space, np.array([item_id]), one, one, np.array([False]))
            spaces.go_live(connection, space, datetime.now(UTC))

    def promote(self) -> None:
        with self.engine.begin() as connection:
            models.promote(connection, self.server.id, trained(connection, self.server, fused=BETTER), None, datetime.now(UTC))

    def roll_back(self) -> None:
        with self.engine.begin() as connection:
            models.rollback(connection, self.server.id, datetime.now(UTC))

    def erase(self, who: str) -> None:
        assert self.client.delete(f"/users/{who}", params={"server_id": self.server.external_id}).is_success

    def count(self) -> None:
        with self.engine.begin() as connection:
            tastes.write_statistics(connection, self.server.id)


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No period ends between two requests of a test: one is as long as the clock has run, and more."""
    monkeypatch.setattr(repeats, "KEPT_SECONDS", 10**10)


@pytest.fixture
def house(client: TestClient, engine: Engine, server: Server) -> House:
    """Ada watched three of eight films, which have vectors, Bo one, Cy another."""
    house = House(client, engine, server)
    house.send("items", *(titled(name, runtime_seconds=6000, library_id="films", official_rating="PG") for name in FILMS))
    house.send("users", user("ada"), user("bo"), user("cy"))
    watched = [("ada", "f0", 100), ("ada", "f1", 100), ("ada", "f2", 40), ("bo", "f3", 100), ("cy", "f4", 100)]
    house.send("plays", *(play(who, name, started_at=ago(3), percent=percent) for who, name, percent in watched))
    house.place()
    house.refresh()
    return house


CAUSES: dict[str, Callable[[House], object]] = {
    "a play": lambda house: house.send("plays", play("ada", "f3", percent=100)),
    "a play told further": lambda house: house.send("plays", play("ada", "f2", started_at=ago(3), percent=100)),
    "a rating": lambda house: house.send("signals", signal("ada", "f0", "rating", 2)),
    "a hide by signal": lambda house: house.send("signals", signal("ada", "f4", "hide")),
    "a new title": lambda house: house.send("items", titled("f9", library_id="films")),
    "a renamed title": lambda house: house.send("items", titled("f5", library_id="films", official_rating="PG", overview="x")),
    "a title of another rating": lambda house: house.send("items", titled("f5", library_id="films", official_rating="R")),
    "fewer libraries": lambda house: house.send("users", user("ada", library_ids=["none"])),
    "a parental limit": lambda house: house.send("users", user("ada", max_parental_age=6)),
    "a blocked tag": lambda house: house.send("users", user("ada", blocked_tags=["x"])),
    "an opt-out": lambda house: house.send("users", user("ada", opted_out=True)),
    "a setting": lambda house: house.put_server(unrated="show"),
    "another vector": House.embed,
    "another text space": lambda house: house.place(20),
    "a space learned from plays": House.learn,
    "a promoted ranker": House.promote,
    "an erased neighbour": lambda house: house.erase("bo"),
    "a neighbour's opt-out": lambda house: house.send("users", user("bo", opted_out=True)),
    "tastes computed anew": House.refresh,
}


def content(answer: Response) -> Any:
    return {name: value for name, value in answer.json().items() if name != "recommendation_id"}


def check_made_anew(house: House, tags: dict[str, str]) -> None:
    """Neither the caller's answers nor those in memory are taken for the present ones."""
    for path, tag in tags.items():
        answer = house.ask(path, tag)
        assert answer.status_code != 304, path
        assert answer.headers.get("etag") != tag
        house.client.app.state.held_answers = HeldAnswers()
        assert content(answer) == content(house.ask(path)), path


@pytest.mark.parametrize("cause", CAUSES)
def test_nothing_is_repeated_after(house: House, cause: str) -> None:
    tags = house.tags()
    CAUSES[cause](house)
    check_made_anew(house, tags)
    delete_trained(house.engine)


def test_nothing_is_repeated_after_a_hide_or_an_unhide(house: House) -> None:
    for method, is_shown in (("POST", False), ("DELETE", True)):
        tags = house.tags()
        assert house.client.request(method, "/users/ada/hidden/f5", params={"server_id": house.server.external_id}).is_success
        assert ('"f5"' in house.ask("/recommendations").text) is is_shown
        check_made_anew(house, tags)
        house.refresh()


def test_nothing_is_repeated_after_a_rollback(house: House) -> None:
    house.promote()
    tags = house.tags()
    house.roll_back()
    check_made_anew(house, tags)
    delete_trained(house.engine)


def test_nothing_is_repeated_after_new_statistics(house: House) -> None:
    house.send("plays", play("bo", "f6", percent=100))
    tags = house.tags()
    house.count()
    check_made_anew(house, tags)


def test_nobody_is_answered_by_their_tag_after_they_were_erased_or_disabled(house: House) -> None:
    tags = house.tags()
    house.send("users", user("ada", is_disabled=True))
    assert {house.ask(path, tag).status_code for path, tag in tags.items()} == {403}
    house.erase("ada")
    assert {house.ask(path, tag).status_code for path, tag in tags.items()} == {404}


def test_a_neighbours_play_changes_what_counts_neighbours_and_nothing_else(house: House) -> None:
    house.send("users", user("dee"))
    tags = house.tags()
    newcomer = house.ask("/recommendations", user_id="dee")
    house.send("plays", play("cy", "f3", percent=100))
    assert house.ask("/recommendations", tags["/recommendations"]).status_code == 304
    assert house.ask("/home", tags["/home"]).status_code == 200
    answer = house.ask("/recommendations", newcomer.headers["etag"], user_id="dee")
    before, after = ({one["item_id"]: one["reason"] for one in asked.json()["items"]} for asked in (newcomer, answer))
    assert {name for name in FILMS if before[name] != after[name]} == {"f3"}


def test_among_many_what_others_watched_is_told_after_a_while_and_what_one_watched_oneself_at_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.send("users", *(user(f"guest {number}") for number in range(50)))
    monkeypatch.setattr(repeats, "MANY_KEPT_SECONDS", 10**10)
    tag = house.ask("/home").headers["etag"]
    house.send("plays", play("cy", "f3", percent=100))
    assert house.ask("/home", tag).status_code == 304
    monkeypatch.setattr(repeats, "MANY_KEPT_SECONDS", 1)
    assert house.ask("/home", tag).status_code == 200
    monkeypatch.setattr(repeats, "MANY_KEPT_SECONDS", 10**10)
    tag = house.ask("/home").headers["etag"]
    house.send("plays", play("ada", "f5", percent=100))
    assert house.ask("/home", tag).status_code == 200


def test_a_repeat_is_one_query(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    tags, asked, execute = house.tags(), [], psycopg.Cursor.execute

    def note(cursor: Any, query: Any, *values: Any, **options: Any) -> Any:
        asked.append((query, cursor.connection.autocommit))
        return execute(cursor, query, *values, **options)

    monkeypatch.setattr(psycopg.Cursor, "execute", note)
    for tag in (tags["/home"], None):
        asked.clear()
        assert house.ask("/home", tag).status_code == (304 if tag else 200)
        # Nor is there one before and after it for a transaction.
        [(query, is_alone)] = asked
        assert "server_version" in query
        assert is_alone


def test_an_answer_in_memory_is_given_whole_and_logged_once(house: House) -> None:
    first, again = house.ask("/recommendations"), house.ask("/recommendations")
    assert again.content == first.content
    assert again.headers["etag"].startswith('W/"')
    assert (again.headers["cache-control"], again.headers["vary"]) == ("private, no-cache", "Authorization")
    unmodified = house.ask("/recommendations", f'"other", {first.headers["etag"]}')
    assert (unmodified.status_code, unmodified.content) == (304, b"")
    assert unmodified.headers["etag"] == first.headers["etag"]
    # Other words of the question are another question.
    assert house.ask("/recommendations", first.headers["etag"], limit=2).status_code == 200


def test_an_answer_is_no_key_and_a_tag_neither(house: House, make_key: MakeKey, make_client: MakeClient) -> None:
    tag = house.ask("/home").headers["etag"]
    stranger = make_key(server=put_other(house.engine))
    anonymous = TestClient(house.client.app)
    parameters = {"server_id": house.server.external_id, "user_id": "ada"}
    for headers, status in (({}, 401), (bearer("wrong"), 401), (bearer(stranger), 404), (bearer(make_key(["ingest"])), 403)):
        assert anonymous.get("/home", params=parameters, headers=headers | {"If-None-Match": tag}).status_code == status


def put_other(engine: Engine) -> Server:
    with engine.begin() as connection:
        return put_server(connection, "somebody else's", "Other", "api", {})[0]


def test_answers_are_not_repeated_while_a_taste_is_computed_or_something_is_missing(house: House) -> None:
    house.send("plays", play("ada", "f5", percent=100))
    assert "etag" not in house.ask("/recommendations").headers
    assert "etag" not in house.ask("/home").headers
    house.refresh()
    assert "etag" in house.ask("/recommendations").headers
    with house.engine.begin() as connection:
        connection.execute(text("UPDATE spaces SET status = 'retired' WHERE server_id = :id"), {"id": house.server.id})
    for path in ("/recommendations", "/home", "/items/f0/similar"):
        degraded = house.ask(path)
        assert degraded.json()["degraded"] == ["no_text_space"], path
        assert "etag" not in degraded.headers, path


def test_a_taste_that_falls_due_and_a_time_that_passes_end_a_repeat(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    tags = house.tags()
    sql = "UPDATE tastes SET due_at = :due WHERE server_id = :id"
    with house.engine.begin() as connection:
        connection.execute(text(sql), {"id": house.server.id, "due": datetime.now(UTC) + timedelta(seconds=60)})
    tags = house.tags()

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + later

    monkeypatch.setattr(repeats, "datetime", Later)
    later = timedelta(seconds=61)
    answer = house.ask("/recommendations", tags["/recommendations"])
    assert (answer.status_code, answer.headers.get("etag")) == (200, None)
    later = timedelta(seconds=repeats.KEPT_SECONDS)
    assert house.ask("/items/f0/similar", tags["/items/f0/similar"]).status_code == 200


def test_what_is_held_is_bounded_by_number_and_bytes() -> None:
    few = HeldAnswers(max_answers=2)
    for name in (b"a", b"b", b"a", b"c"):
        few.put(name, Held("tag", b"x", "s", None))
        few.get(b"a")
    assert (few.get(b"b"), len(few)) == (None, 2)
    assert few.get(b"a") is not None
    small = HeldAnswers(max_bytes=2_500)
    for name in (b"a", b"b", b"c"):
        small.put(name, Held("tag", b"x" * 100, "s", None))
    assert (len(small), small.n_bytes) == (2, 2_200)
    small.put(b"d", Held("tag", b"x" * 2_000, "s", None))
    assert (len(small), small.n_bytes) == (0, 0)
