"""What clients of Streamystats do, written to its contract alone: nothing here knows Palate. Over real HTTP, as they ask.

Each client makes its own requests in its own words, reads the answer as strictly as it does, and takes the ids to the Jellyfin.
"""

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pytest

HEX = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Setting:
    """What a person enters and has: the address of the recommendations, their Jellyfin's address and id, their token and id there."""

    url: str
    jellyfin_url: str
    jellyfin_id: str
    token: str
    user_id: str


@pytest.fixture(params=["", "/recs"], ids=["at the root", "under a path"])
def setting(request: pytest.FixtureRequest, open_door: Mapping[str, Setting]) -> Setting:
    found: Setting = open_door[request.param]
    return found


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    # Some give up after eight seconds; none follows a redirect with its token.
    with httpx.Client(timeout=8, follow_redirects=False) as client:
        yield client


def plain(setting: Setting) -> dict[str, str]:
    return {"Authorization": f'MediaBrowser Token="{setting.token}"'}


def opened_in_jellyfin(http: httpx.Client, setting: Setting, ids: list[str]) -> list[str]:
    """A client shows what its Jellyfin has of what it was told."""
    assert all(HEX.fullmatch(one) for one in ids)
    if not ids:
        return []
    answer = http.get(f"{setting.jellyfin_url}/Items", params={"ids": ",".join(ids), "userId": setting.user_id}, headers=plain(setting))
    assert answer.status_code == 200, answer.text
    return [item["Id"] for item in answer.json()["Items"]]


def test_streamyfin_shows_its_home(http: httpx.Client, setting: Setting) -> None:
    base = re.sub(r"/$", "", setting.url + "/")

    def get(path: str, **query: str) -> Any:
        answer = http.get(f"{base}/api{path}", params={"jellyfinServerId": setting.jellyfin_id} | query, headers=plain(setting))
        assert answer.status_code == 200, answer.text
        return answer.json()

    for kind, name in (("Movie", "movies"), ("Series", "series")):
        asked = {"limit": "20", "type": kind, "format": "ids", "includeBasedOn": "false", "includeReasons": "false"}
        told = get("/recommendations", **asked)["data"]
        assert isinstance(told["movies"], list)
        assert isinstance(told["series"], list)
        assert 0 < len(told[name]) <= 20
        assert set(opened_in_jellyfin(http, setting, told[name])) == set(told[name])
    lists = get("/watchlists/promoted", includePreview="false")["data"]
    assert lists
    for one in lists:
        assert isinstance(one["id"], int)
        items = get(f"/watchlists/{one['id']}", format="ids")["data"]["items"]
        assert set(opened_in_jellyfin(http, setting, items)) == set(items) != set()


def test_streamyfin_searches_in_five_calls_at_once(http: httpx.Client, setting: Setting) -> None:
    def search(kind: str) -> Any:
        query = {"q": "movie 1", "limit": "10", "format": "ids", "type": kind}
        answer = http.get(f"{setting.url}/api/search", params=query, headers=plain(setting))
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    http.get(f"{setting.url}/api/recommendations", params={"jellyfinServerId": setting.jellyfin_id}, headers=plain(setting))
    with ThreadPoolExecutor(5) as threads:
        answers = list(threads.map(search, ["movies", "series", "episodes", "actors", "movies"]))
    ids = [one for answer in answers for name in ("movies", "series", "episodes", "actors", "audio") for one in answer[name]]
    assert set(opened_in_jellyfin(http, setting, ids)) == set(ids) != set()


def test_streamyfin_shows_its_tab_of_lists_and_offers_no_change(http: httpx.Client, setting: Setting) -> None:
    named = {"jellyfinServerId": setting.jellyfin_id}
    lists = http.get(f"{setting.url}/api/watchlists", params=named, headers=plain(setting)).json()["data"]
    # It asks for each of the user's own whenever a title is opened, and lets only those be changed.
    assert lists
    assert [one for one in lists if one["userId"] == setting.user_id] == []
    one = lists[0]
    whole = http.get(f"{setting.url}/api/watchlists/{one['id']}", params=named | {"format": "full", "sort": "name"}, headers=plain(setting))
    assert [entry["item"]["id"] for entry in whole.json()["data"]["items"]] == [entry["itemId"] for entry in whole.json()["data"]["items"]]
    assert len(whole.json()["data"]["items"]) == one["itemCount"]
    for method, path in (("POST", ""), ("PATCH", f"/{one['id']}"), ("DELETE", f"/{one['id']}"), ("POST", f"/{one['id']}/items")):
        answer = http.request(method, f"{setting.url}/api/watchlists{path}", json={"name": "Mine"}, headers=plain(setting))
        assert (answer.status_code, bool(answer.json()["error"])) == (403, True)


def test_wholphin_tries_the_address_and_shows_rows_in_our_order(http: httpx.Client, setting: Setting) -> None:
    values = {"Client": "Wholphin", "Version": "0.4", "DeviceId": "tv,1", "Device": 'Living room "TV"', "Token": setting.token}
    sent = {"Authorization": "MediaBrowser " + ", ".join(f'{name}="{quote(value)}"' for name, value in values.items())}

    def get(limit: int, kind: str) -> list[str]:
        query = f"jellyfinServerId={setting.jellyfin_id}&format=ids&type={kind}&limit={limit}&includeBasedOn=false&includeReasons=false"
        answer = http.get(f"{setting.url}/api/recommendations?{query}", headers=sent)
        assert 200 <= answer.status_code < 300, answer.text
        # It fails on a list that is null.
        return [*answer.json()["data"]["movies"], *answer.json()["data"]["series"]]

    [first] = get(1, "Movie")
    assert get(20, "Movie")[0] == first


def test_dart_wants_both_kinds_and_exactly_200(http: httpx.Client, setting: Setting) -> None:
    query = {"jellyfinServerId": setting.jellyfin_id, "type": "all", "limit": "20", "format": "ids"}
    answer = http.get(f"{setting.url}/api/recommendations", params=query, headers=plain(setting))
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert data["total"] == len(data["movies"]) + len(data["series"]) == 20


def test_nexus_finds_the_service_and_reads_reasons(http: httpx.Client, setting: Setting) -> None:
    assert http.get(f"{setting.url}/api/health").json()["status"] == "ok"
    query = {"serverUrl": setting.jellyfin_url, "type": "Movie", "limit": "12", "includeReasons": "true"}
    answer = http.get(f"{setting.url}/api/recommendations", params=query, headers=plain(setting))
    assert answer.status_code == 200
    assert answer.json()["user"]["id"] == setting.user_id
    for one in answer.json()["data"]:
        assert isinstance(one["reason"], str)
        assert isinstance(one["basedOn"], list)
        assert isinstance(one["similarity"], float)
    found = http.get(
        f"{setting.url}/api/search", params={"q": "movie", "serverUrl": setting.jellyfin_url, "limit": "20"}, headers=plain(setting)
    )
    assert all(one["id"] and one["title"] for one in found.json()["data"]["items"])
    assert http.get(f"{setting.url}/api/recommendations", params=query).status_code == 401


def test_maintainerr_is_told_the_version_and_refused_the_rest(http: httpx.Client, setting: Setting) -> None:
    assert http.get(f"{setting.url}/api/version").json()["currentVersion"]
    for path in (f"/api/get-item-details/{'0' * 32}?serverId=1", "/api/servers", "/api/watchlists"):
        answer = http.get(setting.url + path, headers={"Authorization": "Bearer planted-secret-of-a-client"})
        assert answer.status_code in (401, 403)
        assert isinstance(answer.json()["error"], str)


def test_a_page_in_a_browser_may_ask(http: httpx.Client, setting: Setting) -> None:
    preflight = {"Origin": "https://web.example", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    allowed = http.options(f"{setting.url}//api/recommendations/", headers=preflight)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (204, "*")
    query = {"jellyfinServerId": setting.jellyfin_id, "format": "ids"}
    answer = http.get(f"{setting.url}//api/recommendations/", params=query, headers=plain(setting) | {"Origin": "https://web.example"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
