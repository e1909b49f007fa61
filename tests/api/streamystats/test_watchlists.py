"""The rows of a home page as promoted watch-lists, each person's own."""

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.api.held_answers import HeldAnswers
from app.api.streamystats_lists import NUMBERS, number_of
from app.db import Engine
from tests.api.streamystats.attic import Attic, headers
from tests.api.streamystats.test_recommendations import FIELDS, ID
from tests.api.test_degraded import counted, fallback, searches, set_fault

LIST = {
    "id", "serverId", "userId", "name", "description", "isPublic", "isPromoted", "allowedItemType", "defaultSortOrder", "createdAt",
    "updatedAt", "itemCount",
}  # fmt: skip
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def ask(tv: TestClient, attic: Attic, path: str, who: str = "ann", status: int = 200, **parameters: Any) -> Any:
    query = {"jellyfinServerId": attic.jellyfin_id, **parameters}
    answer = tv.get(f"/api/watchlists{path}", params=query, headers=headers(attic.tokens[who]))
    assert answer.status_code == status, answer.text
    return answer.json()


def items_of(tv: TestClient, attic: Attic, number: int, who: str = "ann", **parameters: Any) -> list[str]:
    answer = ask(tv, attic, f"/{number}", who, format="ids", **parameters)["data"]
    assert set(answer) == {"id", "name", "items"}
    assert answer["id"] == number
    return list(answer["items"])


def test_the_promoted_lists_are_the_rows_of_the_home_page(tv: TestClient, attic: Attic, client: TestClient) -> None:
    query = {"server_id": attic.server.external_id, "user_id": attic.user_id("ann"), "limit": 20}
    rows = client.get("/home", params=query).json()["rows"]
    answer = ask(tv, attic, "/promoted")
    assert set(answer) == {"server", "data", "total"}
    assert answer["server"] == {"id": attic.server.id, "name": attic.server.name}
    assert [(one["id"], one["name"], one["itemCount"]) for one in answer["data"]] == [
        (number_of(row["id"]), row["title"], len(row["items"])) for row in rows
    ]
    assert answer["total"] == len(rows) > 3
    for one, row in zip(answer["data"], rows, strict=True):
        assert set(one) == LIST | {"previewItems"}
        assert (one["isPromoted"], one["serverId"]) == (True, attic.server.id)
        # Not theirs to change: a client would offer to.
        assert one["userId"] == "0" * 32
        assert DATE.fullmatch(one["createdAt"])
        assert DATE.fullmatch(one["updatedAt"])
        assert [shown["id"] for shown in one["previewItems"]] == [item["item_id"] for item in row["items"]][:4]
        assert all(set(shown) == {"id", "name", "type", "primaryImageTag"} for shown in one["previewItems"])
        assert items_of(tv, attic, one["id"]) == [item["item_id"] for item in row["items"]]


def test_lists_by_a_damaged_text_space_are_counted(tv: TestClient, attic: Attic, client: TestClient, engine: Engine) -> None:
    series = (fallback("text_space_incomplete"), searches("home"))
    before = counted(client, *series)
    set_fault(engine, attic.server, "text_space_incomplete")
    client.app.state.held_answers = HeldAnswers()  # type: ignore[attr-defined]
    ask(tv, attic, "/promoted")
    set_fault(engine, attic.server, None)
    assert [now - then for now, then in zip(counted(client, *series), before, strict=True)] == [1, 1]


def test_lists_come_without_previews_by_number_or_cut(tv: TestClient, attic: Attic) -> None:
    numbers = [one["id"] for one in ask(tv, attic, "/promoted", includePreview="false")["data"]]
    assert ask(tv, attic, "/promoted", format="ids") == {"data": {"watchlists": [str(one) for one in numbers], "total": len(numbers)}}
    assert ask(tv, attic, "/promoted", format="ids", limit=2)["data"] == {"watchlists": [str(one) for one in numbers[:2]], "total": 2}
    bare = ask(tv, attic, "")
    assert set(bare) == {"data"}
    assert [one["id"] for one in bare["data"]] == numbers
    assert all(set(one) == LIST for one in [*bare["data"], *ask(tv, attic, "/promoted", includePreview="false")["data"]])


def test_a_whole_list_has_titles_with_every_field(tv: TestClient, attic: Attic) -> None:
    answer = ask(tv, attic, f"/{NUMBERS['popular']}")["data"]
    assert set(answer) == LIST | {"items"}
    assert answer["itemCount"] == len(answer["items"]) > 0
    for place, one in enumerate(answer["items"]):
        assert set(one) == {"id", "watchlistId", "itemId", "position", "addedAt", "item"}
        assert (one["watchlistId"], one["itemId"], one["position"]) == (answer["id"], one["item"]["id"], place)
        assert set(one["item"]) == FIELDS
        assert ID.fullmatch(one["itemId"])
        assert DATE.fullmatch(one["addedAt"])
    assert len({one["id"] for one in answer["items"]}) == len(answer["items"])


def test_a_list_is_of_one_kind_or_in_another_order_where_that_is_asked_for(tv: TestClient, attic: Attic) -> None:
    number, items = NUMBERS["new"], attic.fake.library.items
    usual = items_of(tv, attic, number)
    for kind in ("Movie", "Series", "Episode"):
        assert items_of(tv, attic, number, type=kind) == [one for one in usual if items[one].type == kind]
    assert items_of(tv, attic, number, sort="name") == sorted(usual, key=lambda one: items[one].name.casefold())
    assert items_of(tv, attic, number, sort="dateAdded") == sorted(usual, key=lambda one: items[one].created_at, reverse=True)
    years = [items[one].year or 0 for one in items_of(tv, attic, number, sort="releaseDate")]
    assert years == sorted(years, reverse=True)
    assert items_of(tv, attic, number, sort="custom", type="all") == usual


def test_everybody_has_their_own_lists_of_what_they_may_see(tv: TestClient, attic: Attic) -> None:
    for who in ("ann", "child", "cold"):
        numbers = [one["id"] for one in ask(tv, attic, "", who)["data"]]
        told = {item for number in numbers for item in items_of(tv, attic, number, who)}
        assert told
        assert told <= attic.seen_by(who)
    assert ask(tv, attic, "", "late") == {"data": []}
    assert ask(tv, attic, "/promoted", "late")["data"] == []


def test_who_is_new_finds_what_is_popular_and_new_among_the_lists(tv: TestClient, attic: Attic) -> None:
    assert {one["id"] for one in ask(tv, attic, "", "cold")["data"]} == {NUMBERS["new"], NUMBERS["popular"]}


@pytest.mark.parametrize(
    ("number", "status"), [("0", 404), ("99", 404), ("9" * 40, 404), ("05", 404), ("x", 400), ("5;", 400), ("-1", 400), ("٥", 400)]
)
def test_a_number_that_no_list_has_is_told_so(tv: TestClient, attic: Attic, number: str, status: int) -> None:
    answer = ask(tv, attic, f"/{number}", status=status)
    assert answer["error"] == ("Watchlist not found" if status == 404 else "Invalid watchlist ID")
    assert ask(tv, attic, "/5", "late", 404)["error"] == "Watchlist not found"


CHANGES = [
    ("POST", ""), ("PATCH", "/5"), ("DELETE", "/5"), ("PUT", "/5"), ("POST", "/5/items"), ("DELETE", "/5/items/" + "0" * 32),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_nothing_can_be_changed(tv: TestClient, attic: Attic, method: str, path: str) -> None:
    before = ask(tv, attic, "")
    for sent in (headers(attic.tokens["admin"]), headers(attic.tokens["ann"]), {}):
        answer = tv.request(method, f"/api/watchlists{path}", json={"itemId": "0" * 32, "name": "Mine"}, headers=sent)
        assert answer.status_code == 403
        assert set(answer.json()) == {"error", "message"}
    assert ask(tv, attic, "") == before
