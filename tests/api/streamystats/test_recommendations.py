"""GET /api/recommendations, as clients of Streamystats ask it: selectors, parameters, shapes, and whose list it is."""

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.streamystats.attic import Attic, headers
from tests.planted import planted

ID = re.compile(r"[0-9a-f]{32}")
FIELDS = {
    "id", "name", "type", "productionYear", "runtimeTicks", "genres", "communityRating", "primaryImageTag", "primaryImageThumbTag",
    "primaryImageLogoTag", "backdropImageTags", "seriesId", "seriesPrimaryImageTag", "parentBackdropItemId", "parentBackdropImageTags",
    "parentThumbItemId", "parentThumbImageTag",
}  # fmt: skip


def ask(tv: TestClient, attic: Attic, who: str = "ann", **parameters: Any) -> Any:
    query = {"jellyfinServerId": attic.jellyfin_id, **parameters}
    answer = tv.get("/api/recommendations", params=query, headers=headers(attic.tokens[who]))
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(answer: Any) -> list[str]:
    return [*answer["data"]["movies"], *answer["data"]["series"]]


def test_the_full_answer_has_every_field(tv: TestClient, attic: Attic) -> None:
    answer = ask(tv, attic, limit=5)
    assert answer["server"] == {"id": attic.server.id, "name": attic.server.name}
    assert answer["user"] == {"id": attic.user_id("ann"), "name": "User 0"}
    assert answer["params"] == {
        "serverId": attic.server.id, "serverName": attic.server.name, "limit": 5, "type": "all", "range": "all", "start": None,
        "end": None, "includeBasedOn": True, "includeReasons": True, "targetUserId": None, "format": "full",
    }  # fmt: skip
    assert len(answer["data"]) == 5
    for one in answer["data"]:
        assert set(one) == {"item", "similarity", "basedOn", "reason"}
        assert all(set(title) == FIELDS and ID.fullmatch(title["id"]) for title in (one["item"], *one["basedOn"]))
        assert one["reason"]
        assert 0 <= one["similarity"] <= 1
        item = attic.fake.library.items[one["item"]["id"]]
        assert (one["item"]["name"], one["item"]["type"], one["item"]["productionYear"]) == (item.name, item.type, item.year)
        assert one["item"]["genres"] == item.genres
        assert one["item"]["primaryImageTag"] == f"p{item.id[:6]}"
        assert one["item"]["backdropImageTags"] == [f"b{item.id[:6]}"]
        assert one["item"]["runtimeTicks"] == (item.runtime_seconds and item.runtime_seconds * 10_000_000)
    similarities = [one["similarity"] for one in answer["data"]]
    assert similarities == sorted(similarities, reverse=True)
    assert any(one["basedOn"] for one in answer["data"])


@pytest.mark.parametrize("type", ["Movie", "Series", "all"])
def test_ids_are_told_by_kind_and_no_list_is_ever_missing(tv: TestClient, attic: Attic, type: str) -> None:
    answer = ask(tv, attic, type=type, format="ids", limit=100)
    assert set(answer) == {"data"}
    assert set(answer["data"]) == {"movies", "series", "total"}
    assert answer["data"]["total"] == len(ids(answer)) > 0
    assert all(ID.fullmatch(one) for one in ids(answer))
    items = attic.fake.library.items
    assert {items[one].type for one in answer["data"]["movies"]} == ({"Movie"} if type != "Series" else set())
    assert {items[one].type for one in answer["data"]["series"]} <= ({"Series"} if type != "Movie" else set())


def test_nobody_is_shown_what_they_saw_or_what_their_policy_hides(tv: TestClient, attic: Attic) -> None:
    for who in ("ann", "child"):
        told = set(ids(ask(tv, attic, who, format="ids", limit=100)))
        assert told
        assert told <= attic.seen_by(who) - attic.played_by(who)
        full = ask(tv, attic, who, limit=100)["data"]
        based_on = {one["id"] for entry in full for one in entry["basedOn"]}
        assert based_on <= attic.seen_by(who) & attic.titles_of(who, lambda _: True)


def test_what_is_left_out_is_left_out_and_its_lists_stay(tv: TestClient, attic: Attic) -> None:
    bare = ask(tv, attic, includeBasedOn="false", includeReasons="0")["data"]
    assert all(one["basedOn"] == [] and "reason" not in one for one in bare)
    usual = ask(tv, attic, includeBasedOn="perhaps", includeReasons="1")["data"]
    assert [one["item"] for one in usual] == [one["item"] for one in bare]
    assert all("reason" in one for one in usual)


@pytest.mark.parametrize(
    ("sent", "n_most"),
    [("", 20), ("0", 20), ("many", 20), ("3", 3), ("-4", 1), ("999", 100), ("9" * 5000, 100)],
    ids=lambda value: str(value)[:9],
)
def test_a_limit_that_is_none_is_twenty_and_others_are_clamped(tv: TestClient, attic: Attic, sent: str, n_most: int) -> None:
    answer = ask(tv, attic, limit=sent)
    assert answer["params"]["limit"] == n_most
    assert len(answer["data"]) <= n_most


SELECTORS = ("jellyfinServerId", "serverId", "serverName", "serverUrl")


def selector(attic: Attic, name: str) -> str:
    return {
        "jellyfinServerId": attic.jellyfin_id, "serverId": str(attic.server.id), "serverName": attic.server.name.upper(),
        "serverUrl": attic.fake.url.removeprefix("http://") + "/",
    }[name]  # fmt: skip


@pytest.mark.parametrize("name", SELECTORS)
def test_each_selector_finds_the_server_and_the_first_that_fits_counts(tv: TestClient, attic: Attic, name: str) -> None:
    nobodys = dict.fromkeys(SELECTORS, "999999999999999999") | {"serverId": "99999999999999999999"}
    for others in ({}, nobodys, dict.fromkeys(SELECTORS, "")):
        query = others | {name: selector(attic, name), "limit": "1"}
        answer = tv.get("/api/recommendations", params=query, headers=headers(attic.tokens["ann"]))
        assert answer.status_code == 200, answer.text
        assert answer.json()["server"]["id"] == attic.server.id


def test_an_address_is_not_found_out_letter_by_letter(tv: TestClient, attic: Attic) -> None:
    for part in ("h", "http", "http://", "127", "127.0.0.", ":", "/", "%"):
        assert tv.get("/api/recommendations", params={"serverUrl": part}).status_code in (400, 404), part


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({}, "Server identifier required. Use one of: serverId, serverName, serverUrl, or jellyfinServerId"),
        ({"serverId": "one"}, "Server identifier required. Use one of: serverId, serverName, serverUrl, or jellyfinServerId"),
        ({"serverName": "\x00"}, "Server identifier required. Use one of: serverId, serverName, serverUrl, or jellyfinServerId"),
        ({"serverId": "1", "type": "movie"}, "Invalid 'type'. Must be Movie, Series, or all."),
        ({"serverId": "1", "range": "1d"}, "Invalid 'range'. Must be 7d, 30d, 90d, thisMonth, or all."),
        ({"serverId": "1", "format": "xml"}, "Invalid 'format'. Must be full or ids."),
        ({"serverId": "1", "start": "yesterday"}, "Invalid 'start'. Must be an ISO timestamp."),
        ({"serverId": "1", "end": "0001-01-01T00:00:00+23:59"}, "Invalid 'end'. Must be an ISO timestamp."),
        ({"serverId": "1", "start": "2026-02-01", "end": "2026-01-01T00:00:00Z"}, "'start' must be <= 'end'."),
    ],
)
def test_bad_parameters_are_told_before_anything_else(tv: TestClient, query: dict[str, str], said: str) -> None:
    answer = tv.get("/api/recommendations", params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
    assert answer.json()["error"] == said


@pytest.mark.parametrize("name", SELECTORS)
def test_an_unknown_server_is_told_before_a_missing_token(tv: TestClient, attic: Attic, name: str) -> None:
    assert tv.get("/api/recommendations", params={name: selector(attic, name)}).status_code == 401
    answer = tv.get("/api/recommendations", params={name: "9" * 18})
    assert (answer.status_code, answer.json()["error"]) == (404, "Server not found")


def test_ranges_are_read_and_told_back(tv: TestClient, attic: Attic) -> None:
    said = ask(tv, attic, range="7d", start="2026-01-01T00:00:00+02:00", end="2026-01-31")["params"]
    assert (said["range"], said["start"], said["end"]) == ("7d", "2025-12-31T22:00:00+00:00", "2026-01-31T00:00:00+00:00")


@pytest.mark.parametrize("who", ["cold", "late"])
def test_who_watched_nothing_or_is_not_synced_yet_gets_empty_lists(tv: TestClient, attic: Attic, who: str) -> None:
    assert ask(tv, attic, who, format="ids") == {"data": {"movies": [], "series": [], "total": 0}}
    assert ask(tv, attic, who)["data"] == []


def test_an_administrator_asks_for_others_and_nobody_else_does(tv: TestClient, attic: Attic) -> None:
    own, hers = (ids(ask(tv, attic, who, format="ids")) for who in ("admin", "ann"))
    dashed = "-".join((attic.user_id("ann")[:8], attic.user_id("ann")[8:]))
    for target in (attic.user_id("ann"), dashed):
        assert ids(ask(tv, attic, "admin", format="ids", targetUserId=target)) == hers != own
    assert ask(tv, attic, "admin", targetUserId=attic.user_id("ann"))["user"] == {"id": attic.user_id("ann"), "name": None}
    for target in ("nobody", "0" * 32, "\x00"):
        assert ask(tv, attic, "admin", targetUserId=target)["data"] == []
    answer = ask(tv, attic, "child", targetUserId=attic.user_id("ann"))
    assert answer["user"]["id"] == attic.user_id("child")
    assert {one["item"]["id"] for one in answer["data"]} <= attic.seen_by("child")


def test_passwords_are_not_taken(tv: TestClient, attic: Attic) -> None:
    answer = tv.post("/api/recommendations", params={"serverId": attic.server.id}, json={"username": "a", "password": planted("password")})
    assert answer.status_code == 403
    assert "passwords" in answer.json()["message"]
