"""GET /users/{user_id}/taste: what a person is taken to like at this moment, and which titles say so."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from app.db import Engine, spaces
from app.types import Server
from tests.api.conftest import MakeKey, bearer
from tests.api.rows import send
from tests.db.household import film, play, signal, user

DIMENSION = 8
GENRES = ("Horror", "Comedy", "Western")
PER_GENRE = 10


def ask(client: TestClient, server: Server, path: str, **parameters: Any) -> Any:
    answer = client.get(path, params={"server_id": server.external_id, **parameters})
    assert answer.status_code == 200, answer.text
    return answer.json()


def ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


def place(engine: Engine, server: Server, vectors: Mapping[str, Sequence[float]]) -> None:
    """A live text space in which the titles with these ids have these vectors, stretched to unit length."""
    matrix = np.array(list(vectors.values()), dtype=np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    sql = "SELECT external_id, item_id FROM entries WHERE server_id = :server_id"
    with engine.begin() as connection:
        ids = {row.external_id: row.item_id for row in connection.execute(text(sql), {"server_id": server.id})}
        item_ids = np.array([ids[name] for name in vectors], dtype=np.int64)
        space = spaces.create_space(connection, server.id, "text", "planted", "planted", 1, matrix.shape[1], len(matrix))
        spaces.set_centre(connection, space, np.zeros(matrix.shape[1], dtype=np.float32), "items")
        ones, digests = np.ones(len(matrix), dtype=np.float32), np.zeros(len(matrix), dtype="V32")
        spaces.write_vectors(connection, space, item_ids, matrix, ones, digests)
        spaces.go_live(connection, space, datetime.now(UTC))


def beside(axis: int, number: int) -> Sequence[float]:
    """One of many that lie close to an axis, no two alike."""
    return list(np.eye(DIMENSION)[axis] + 0.15 * np.random.default_rng((axis, number)).standard_normal(DIMENSION))


def taste(client: TestClient, server: Server, user_id: str = "ada") -> Any:
    return ask(client, server, f"/users/{user_id}/taste")


def named(answer: Any) -> list[str]:
    return [item["item_id"] for facet in answer["facets"] for item in facet["items"]]


def watch(client: TestClient, server: Server, user_id: str, *titles: str) -> None:
    """To the end, the last of them latest."""
    days = range(10 + len(titles), 10, -1)
    plays = [play(user_id, title, started_at=ago(one), percent=100) for title, one in zip(titles, days, strict=True)]
    assert send(client, server, "plays", plays)["rejected"] == []


@pytest.fixture
def library(client: TestClient, engine: Engine, server: Server) -> Server:
    """Ten films of each genre, apart in the space as they are by name, each genre in a library of its own; for ada and bo."""
    numbered = [(axis, genre, number) for axis, genre in enumerate(GENRES) for number in range(PER_GENRE)]
    films = [
        film(f"{genre}-{number}".lower(), genres=[genre], library_id=genre.lower(), year=1970 + 15 * axis)
        for axis, genre, number in numbered
    ]
    send(client, server, "items", films)
    send(client, server, "users", [user("ada"), user("bo")])
    place(engine, server, {f"{genre}-{number}".lower(): beside(axis, number) for axis, genre, number in numbered})
    return server


HORROR, COMEDY, WESTERN = ([f"{genre.lower()}-{number}" for number in range(PER_GENRE)] for genre in GENRES)


def test_each_interest_has_a_name_a_share_and_the_titles_that_made_it(client: TestClient, library: Server) -> None:
    watch(client, library, "ada", *HORROR[:6], *COMEDY[:5])
    answer = taste(client, library)
    assert set(answer) == {"facets", "computed_at"}
    assert datetime.fromisoformat(answer["computed_at"]).tzinfo is not None
    assert {facet["label"]: {item["item_id"] for item in facet["items"]} for facet in answer["facets"]} == {
        "Comedy, 1980s": set(COMEDY[:5]),
        "Horror, 1970s": set(HORROR[:6]),
    }
    shares = [facet["weight"] for facet in answer["facets"]]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1, abs=0.001)
    for facet in answer["facets"]:
        weights = [item["weight"] for item in facet["items"]]
        assert weights == sorted(weights, reverse=True)
        assert weights[-1] > 0
        assert all(item["name"] == f"Film {item['item_id']}" for item in facet["items"])


def test_who_watched_a_little_has_one_interest(client: TestClient, library: Server) -> None:
    watch(client, library, "ada", *HORROR[:2])
    [facet] = taste(client, library)["facets"]
    assert (facet["label"], facet["weight"], {item["item_id"] for item in facet["items"]}) == ("Horror, 1970s", 1.0, set(HORROR[:2]))


def test_a_play_changes_the_next_answer(client: TestClient, library: Server) -> None:
    watch(client, library, "ada", *HORROR[:6])
    assert [facet["label"] for facet in taste(client, library)["facets"]] == ["Horror, 1970s"]
    watch(client, library, "ada", *WESTERN[:4])
    assert {facet["label"] for facet in taste(client, library)["facets"]} == {"Horror, 1970s", "Western, 2000s"}
    watch(client, library, "ada", WESTERN[4])
    assert WESTERN[4] in named(taste(client, library))


def test_the_demo_household_has_the_tastes_that_its_habits_say(client: TestClient, demo_server: Server) -> None:
    labels = {name: [facet["label"] for facet in taste(client, demo_server, name)["facets"]] for name in ("mara", "okafors", "jonas")}
    assert all(all(of_one) for of_one in labels.values()), labels
    assert "thriller" in " ".join(labels["mara"]).lower()
    assert "family" in " ".join(labels["okafors"]).lower()
    assert "series" in " ".join(labels["jonas"]).lower()


def test_without_a_play_there_is_no_interest(client: TestClient, library: Server) -> None:
    assert taste(client, library)["facets"] == []


def test_who_only_ever_disliked_has_no_interest(client: TestClient, library: Server) -> None:
    broken_off = play("ada", HORROR[0], started_at=ago(30), percent=3)
    send(client, library, "plays", [broken_off])
    refusals = [("dislike", None), ("hide", None), ("rating", 1.0)]
    send(client, library, "signals", [signal("ada", HORROR[number + 1], *said) for number, said in enumerate(refusals)])
    assert taste(client, library)["facets"] == []


def test_what_was_disliked_is_no_part_of_an_interest(client: TestClient, library: Server) -> None:
    watch(client, library, "ada", *HORROR[:5])
    send(client, library, "signals", [signal("ada", HORROR[0], "dislike"), signal("ada", HORROR[1], "rating", 2.0)])
    assert set(named(taste(client, library))) == set(HORROR[2:5])


def test_who_opted_out_has_no_taste_and_none_was_computed(client: TestClient, library: Server) -> None:
    watch(client, library, "ada", *HORROR[:6])
    send(client, library, "users", [user("ada", opted_out=True)])
    assert taste(client, library) == {"facets": [], "computed_at": None}


def test_without_a_text_space_no_taste_was_computed(client: TestClient, server: Server) -> None:
    send(client, server, "items", [film("heat")])
    send(client, server, "users", [user("ada")])
    watch(client, server, "ada", "heat")
    assert taste(client, server) == {"facets": [], "computed_at": None}


def test_a_hidden_title_is_not_named_however_much_it_was_liked(client: TestClient, library: Server) -> None:
    watch(client, library, "ada", *HORROR[:5])
    send(client, library, "signals", [signal("ada", HORROR[4], "favourite"), signal("ada", HORROR[4], "rating", 10.0)])
    assert named(taste(client, library))[0] == HORROR[4]
    send(client, library, "signals", [signal("ada", HORROR[4], "hide")])
    assert set(named(taste(client, library))) == set(HORROR[:4])


def test_what_may_no_longer_be_opened_is_not_named(client: TestClient, library: Server) -> None:
    watch(client, library, "ada", *HORROR[:6], *COMEDY[:5])
    send(client, library, "users", [user("ada", library_ids=["comedy"])])
    assert set(named(taste(client, library))) == set(COMEDY[:5])


def test_what_is_gone_is_not_named(client: TestClient, engine: Engine, library: Server) -> None:
    watch(client, library, "ada", *HORROR[:3])
    with engine.begin() as connection:
        values = {"server_id": library.id, "gone": HORROR[0]}
        sql = "UPDATE entries SET deleted_at = now() WHERE server_id = :server_id AND external_id = :gone"
        connection.execute(text(sql), values)
    assert set(named(taste(client, library))) == set(HORROR[1:3])


def test_a_title_is_named_by_a_version_that_this_person_may_open(client: TestClient, engine: Engine, server: Server) -> None:
    send(client, server, "items", [film(name, "Twice", library_id=name, provider_ids={"tmdb": "9"}) for name in ("dvd", "uhd")])
    send(client, server, "users", [user("ada", library_ids=["uhd"]), user("bo", library_ids=["dvd"])])
    place(engine, server, {"dvd": beside(0, 0)})
    watch(client, server, "ada", "dvd")
    watch(client, server, "bo", "uhd")
    assert (named(taste(client, server, "ada")), named(taste(client, server, "bo"))) == (["uhd"], ["dvd"])


def test_the_taste_of_somebody_else_says_nothing_of_mine(client: TestClient, library: Server) -> None:
    watch(client, library, "ada", *HORROR[:6])
    watch(client, library, "bo", *COMEDY[:6])
    assert set(named(taste(client, library, "ada"))) == set(HORROR[:6])
    assert set(named(taste(client, library, "bo"))) == set(COMEDY[:6])


@pytest.mark.parametrize(("user_id", "status"), [("nobody", 404), ("gone", 403), ("a\x00", 422), ("x" * 257, 422), ("x" * 256, 404)])
def test_who_is_unknown_or_disabled_gets_a_problem(client: TestClient, library: Server, user_id: str, status: int) -> None:
    send(client, library, "users", [user("gone", is_disabled=True)])
    answer = client.get(f"/users/{user_id.replace(chr(0), '%00')}/taste", params={"server_id": library.external_id})
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]


def test_the_key_of_another_server_learns_nothing(client: TestClient, library: Server, make_key: MakeKey, demo_server: Server) -> None:
    header = bearer(make_key(("read",), demo_server))
    assert client.get("/users/ada/taste", params={"server_id": library.external_id}, headers=header).status_code == 404
