"""GET /recommendations over the demo household."""

import pytest
from fastapi.testclient import TestClient

from app.types import Server

pytestmark = pytest.mark.usefixtures("demo_server")


def ask(client: TestClient, user: str, **parameters: object) -> dict:
    answer = client.get("/recommendations", params={"server_id": "demo", "user_id": user, **parameters})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_answer_has_the_fields_of_the_contract(client: TestClient) -> None:
    answer = ask(client, "mara", limit=3)
    assert set(answer) == {"recommendation_id", "server_id", "user_id", "source", "degraded", "items", "next_offset"}
    assert (answer["server_id"], answer["user_id"], answer["source"], answer["degraded"]) == ("demo", "mara", "personal", [])
    assert answer["next_offset"] == 3
    for rank, item in enumerate(answer["items"], start=1):
        assert item["rank"] == rank
        assert set(item) == {
            "rank", "item_id", "type", "name", "year", "genres", "community_rating", "runtime_minutes", "images", "provider_ids",
            "score", "sources", "based_on", "reason",
        }  # fmt: skip
        assert item["based_on"]
        assert item["reason"].startswith("Because you watched ")


@pytest.mark.parametrize("user", ["mara", "okafors", "jonas", "ines"])
def test_score_falls_with_rank_and_nothing_comes_twice(client: TestClient, user: str) -> None:
    items = ask(client, user, limit=100)["items"]
    scores = [item["score"] for item in items]
    assert scores == sorted(scores, reverse=True)
    assert len({item["item_id"] for item in items}) == len(items)


def test_pages_never_repeat_and_together_are_the_whole_library(client: TestClient) -> None:
    seen: list[str] = []
    offset: int | None = 0
    while offset is not None:
        page = ask(client, "ines", limit=37, offset=offset)
        seen += [item["item_id"] for item in page["items"]]
        offset = page["next_offset"]
    assert len(seen) == len(set(seen)) == 320 - 2


def test_what_was_watched_does_not_come_unless_it_is_asked_for(client: TestClient) -> None:
    fresh = {item["item_id"] for item in ask(client, "mara", limit=100)["items"]}
    again = {item["item_id"] for item in ask(client, "mara", limit=100, include_seen=True)["items"]}
    assert "film-heat-1995" not in fresh
    assert "film-heat-1995" in again


def test_a_child_gets_nothing_outside_its_libraries_and_limit(client: TestClient) -> None:
    items = ask(client, "okafors", limit=100)["items"]
    assert items
    assert not {"Thriller", "Horror", "Crime"} & {genre for item in items for genre in item["genres"]}


def test_filters_hold(client: TestClient) -> None:
    items = ask(client, "mara", limit=50, type="movie", genres="thriller, Crime", year_from=1990, year_to=2010, max_runtime_minutes=130)[
        "items"
    ]
    assert items
    for item in items:
        assert item["type"] == "movie"
        assert {"Thriller", "Crime"} & set(item["genres"])
        assert 1990 <= item["year"] <= 2010
        assert item["runtime_minutes"] <= 130
    excluded = ask(client, "mara", limit=50, exclude_genres="Thriller", exclude_ids=items[0]["item_id"])["items"]
    assert all("Thriller" not in item["genres"] and item["item_id"] != items[0]["item_id"] for item in excluded)


def test_a_library_can_be_asked_for(client: TestClient) -> None:
    items = ask(client, "jonas", limit=100, library_id="family")["items"]
    assert items
    assert all(item["item_id"].startswith("film-") for item in items)
    unknown = client.get("/recommendations", params={"server_id": "demo", "user_id": "jonas", "library_id": "nowhere"})
    assert unknown.status_code == 404


def test_explain_false_leaves_the_reasons_out(client: TestClient) -> None:
    assert not {"based_on", "reason"} & set(ask(client, "mara", limit=1, explain=False)["items"][0])


def test_reasons_name_only_what_was_watched(client: TestClient, demo_server: Server) -> None:
    watched = {item["item_id"] for item in ask(client, "jonas", limit=100, include_seen=True)["items"]} - {
        item["item_id"] for item in ask(client, "jonas", limit=100)["items"]
    }
    named = {reason["item_id"] for item in ask(client, "jonas", limit=20)["items"] for reason in item["based_on"]}
    assert named
    assert all(one.startswith(("series-", "film-")) for one in named)
    assert not named & {item["item_id"] for item in ask(client, "jonas", limit=100)["items"]}
    assert watched


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"server_id": "demo"}, 422),
        ({"server_id": "demo", "user_id": "nobody"}, 404),
        ({"server_id": "nowhere", "user_id": "mara"}, 404),
        ({"server_id": "demo", "user_id": "mara", "limit": 0}, 422),
        ({"server_id": "demo", "user_id": "mara", "limit": 101}, 422),
        ({"server_id": "demo", "user_id": "mara", "offset": 10**30}, 422),
        ({"server_id": "demo", "user_id": "mara", "type": "episode"}, 422),
        ({"server_id": "demo", "user_id": "ma\x00ra"}, 422),
        ({"server_id": "demo", "user_id": "mara", "genres": "a\x00"}, 422),
        ({"server_id": "demo", "user_id": "mara", "exclude_ids": ",".join(map(str, range(300)))}, 422),
    ],
)
def test_bad_questions_get_a_problem_that_says_why(client: TestClient, parameters: dict, status: int) -> None:
    answer = client.get("/recommendations", params=parameters)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
