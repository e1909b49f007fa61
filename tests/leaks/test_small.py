"""Leaks and gaps that were found by asking at random, each as small as it gets."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
from fastapi.testclient import TestClient
from sqlalchemy import text

from app.db import Engine, spaces
from app.types import Server
from tests.api.rows import recommended
from tests.db.household import House, episode, film, play, series, user


def test_the_name_of_a_version_that_is_closed_is_not_shown_with_one_that_is_open(
    client: TestClient, engine: Engine, server: Server
) -> None:
    house = House(engine, server.id)
    house.items(
        film("a", "Uncut", genres=["Horror"], official_rating="R", library_id="adults", provider_ids={"tmdb": "1"}),
        film("b", "For all", genres=["Family"], official_rating="G", library_id="children", provider_ids={"tmdb": "1"}),
    )
    house.users(user("kid", library_ids=["children"], max_parental_age=6))
    [item] = recommended(client, server, "kid")["items"]
    assert (item["item_id"], item["name"], item["genres"]) == ("b", "For all", ["Family"])


def test_a_series_whose_episode_has_no_known_length_is_continued(client: TestClient, engine: Engine, server: Server) -> None:
    house = House(engine, server.id)
    house.items(series("s"), episode("e1", "s", 1), episode("e2", "s", 2))
    house.users(user("ada"))
    # Within a week it is there.
    house.plays(play("ada", "e1", started_at=(datetime.now(UTC) - timedelta(days=10)).isoformat()))
    assert row_titles(client, server, "ada") == {"continue": "Continue watching"}


def test_a_play_that_was_not_completed_is_not_finished(client: TestClient, engine: Engine, make_server: Callable[..., Server]) -> None:
    server = make_server(in_progress="open")
    house = House(engine, server.id)
    house.items(film("heat"))
    house.users(user("ada"))
    house.plays(play("ada", "heat", completed=False, played_seconds=60, started_at=(datetime.now(UTC) - timedelta(days=1)).isoformat()))
    assert [item["item_id"] for item in recommended(client, server, "ada")["items"]] == ["heat"]


def test_an_interest_whose_titles_are_closed_now_is_not_named(client: TestClient, engine: Engine, server: Server) -> None:
    house = House(engine, server.id)
    plant_two_tastes(house, engine, server)
    house.users(user("kid", blocked_tags=["gore"]))
    answer = client.get("/users/kid/taste", params={"server_id": server.external_id})
    assert [facet["label"] for facet in answer.json()["facets"]] == ["Kind"]


def test_hidden_gems_are_found_by_a_taste_that_is_not_stored_yet(client: TestClient, engine: Engine, server: Server) -> None:
    house = House(engine, server.id)
    house.items(*(film(f"f{number}", community_rating=8.0, vote_count=10) for number in range(9)))
    house.users(user("ada"))
    plant_vectors(engine, server, {f"f{number}": 0 for number in range(9)})
    house.plays(play("ada", "f0", completed=True, started_at=datetime.now(UTC).isoformat()))
    # One a row: most of the gems are in no other.
    answer = client.get("/home", params={"server_id": server.external_id, "user_id": "ada", "limit": 1})
    assert "hidden-gems" in [row["id"] for row in answer.json()["rows"]]


def plant_two_tastes(house: House, engine: Engine, server: Server) -> None:
    """Of films with one tag and of films with another."""
    tags = {f"f{number}": ["gore", "kind"][number % 2] for number in range(12)}
    house.items(*(film(name, tags=[tag]) for name, tag in tags.items()))
    house.users(user("kid"))
    house.plays(*(play("kid", name, completed=True, started_at=datetime.now(UTC).isoformat()) for name in tags))
    plant_vectors(engine, server, {name: ["gore", "kind"].index(tag) for name, tag in tags.items()})


def plant_vectors(engine: Engine, server: Server, axes: dict[str, int]) -> None:
    """A text space in which each film lies on an axis."""
    with engine.begin() as connection:
        sql = "SELECT item_id, external_id FROM entries WHERE server_id = :server_id ORDER BY id"
        item_ids, names = zip(*connection.execute(text(sql), {"server_id": server.id}).all(), strict=True)
        space = spaces.create_space(connection, server.id, "text", "planted", "planted", 1, 4, len(names))
        spaces.set_centre(connection, space, np.zeros(4, dtype=np.float32), "items")
        ones, digests = np.ones(len(names), dtype=np.float32), np.zeros(len(names), dtype="V32")
        spaces.write_vectors(
            connection, space, np.array(item_ids), np.eye(4, dtype=np.float32)[[axes[name] for name in names]], ones, digests
        )
        spaces.go_live(connection, space, datetime.now(UTC))


def row_titles(client: TestClient, server: Server, name: str) -> dict[str, str]:
    answer = client.get("/home", params={"server_id": server.external_id, "user_id": name})
    return {row["id"]: row["title"] for row in answer.json()["rows"]}
