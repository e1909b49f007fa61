"""GET /api/search, as clients of Streamystats ask it."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.streamystats.attic import Attic, headers

IDS = {"movies", "series", "episodes", "seasons", "audio", "actors", "directors", "writers"}
FULL = {"items", "users", "watchlists", "activities", "sessions", "actors"}


def ask(tv: TestClient, attic: Attic, q: str, who: str = "ann", status: int = 200, **parameters: Any) -> Any:
    query = {"q": q, "jellyfinServerId": attic.jellyfin_id, **parameters}
    answer = tv.get("/api/search", params=query, headers=headers(attic.tokens[who]))
    assert answer.status_code == status, answer.text
    return answer.json()


def test_films_and_series_are_found_also_those_that_were_seen(tv: TestClient, attic: Attic) -> None:
    items = attic.fake.library.items
    seen = attic.played_by("ann") - attic.titles_of("ann", lambda state: state.likes is False)
    unseen = attic.seen_by("ann") - attic.titles_of("ann", lambda _: True)
    for kind, name, among in (("Movie", "movies", seen), ("Movie", "movies", unseen), ("Series", "series", unseen)):
        one = next(items[key] for key in sorted(among) if items[key].type == kind)
        answer = ask(tv, attic, one.name, format="ids", type=name)["data"]
        assert set(answer) == IDS | {"total"}
        assert one.id in answer[name]
        assert answer["total"] == len(answer[name])
        assert all(answer[other] == [] for other in IDS - {name})


def test_both_kinds_are_found_where_none_is_named_and_else_that_one(tv: TestClient, attic: Attic) -> None:
    one = "1"
    for sought in ({}, {"type": "all"}, {"type": "media"}, {"type": "whatever"}):
        answer = ask(tv, attic, one, format="ids", limit=100, **sought)["data"]
        assert answer["movies"]
        assert answer["series"]
    for sought, other in (("movies", "series"), ("series", "movies")):
        answer = ask(tv, attic, one, format="ids", limit=100, type=sought)["data"]
        assert answer[sought]
        assert answer[other] == []


@pytest.mark.parametrize("type", ["episodes", "actors", "directors", "writers", "people", "audio", "users", "watchlists", "sessions"])
def test_of_what_is_not_searched_the_lists_are_empty(tv: TestClient, attic: Attic, type: str) -> None:
    answer = ask(tv, attic, "Movie", format="ids", type=type)["data"]
    assert answer == {name: [] for name in IDS} | {"total": 0}
    assert ask(tv, attic, "Movie", type=type)["data"] == {name: [] for name in FULL} | {"total": 0}


def test_a_full_answer_says_what_each_is(tv: TestClient, attic: Attic) -> None:
    one = next(item for item in attic.fake.library.items.values() if item.type == "Movie")
    answer = ask(tv, attic, one.name, type="movies", format="table", limit=3)["data"]
    assert set(answer) == FULL | {"total"}
    assert answer["total"] == len(answer["items"]) <= 3
    found = next(item for item in answer["items"] if item["id"] == one.id)
    assert (found["type"], found["subtype"], found["title"], found["subtitle"]) == ("item", "Movie", one.name, str(one.year))
    assert found["imageTag"] == f"p{one.id[:6]}"
    assert {"imageId", "href", "metadata", "rank"} <= set(found)


@pytest.mark.parametrize("q", ["", "   ", "\x00"])
@pytest.mark.parametrize(("format", "lists"), [("ids", IDS), ("full", FULL)])
def test_a_blank_question_is_an_error_with_its_lists(tv: TestClient, attic: Attic, q: str, format: str, lists: set[str]) -> None:
    answer = ask(tv, attic, q, status=400, format=format)
    assert answer == {"error": "Search query is required", "data": {name: [] for name in lists} | {"total": 0}}
    # Who it is that asks is checked first.
    assert tv.get("/api/search", params={"q": q}).status_code == 401


def test_nobody_finds_what_their_policy_hides(tv: TestClient, attic: Attic) -> None:
    for q in ("Movie", "Series", "e"):
        found = ask(tv, attic, q, "child", format="ids", limit=100)["data"]
        assert set() != {*found["movies"], *found["series"]} <= attic.seen_by("child")
    assert ask(tv, attic, "Movie", "late", format="ids")["data"]["total"] == 0


@pytest.mark.parametrize("q", ["%", "_", "\\", "'; DROP TABLE items; --", "x" * 5000, "\ud83d\ude00", "<script>"])
def test_odd_questions_are_answered(tv: TestClient, attic: Attic, q: str) -> None:
    assert ask(tv, attic, q.encode("utf-16", "surrogatepass").decode("utf-16"), format="ids")["data"]["actors"] == []
