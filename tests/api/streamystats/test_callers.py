"""Who asks, over HTTP: each with their own token, however many and however often, and nobody with another's."""

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.api import rate_limits
from app.connect.jellyfin_user_token import UserTokens
from tests.api.conftest import MakeClient, bearer
from tests.api.streamystats.attic import Attic, Clock, headers
from tests.connect.fake_jellyfin.server import KEY


@pytest.fixture
def televisions(other_attic: Attic) -> Iterator[list[str]]:
    """Tokens of twenty devices, of three people."""
    people = {uuid.uuid4().hex: other_attic.user_id(("ann", "child", "cold")[number % 3]) for number in range(20)}
    other_attic.fake.user_tokens |= people
    yield list(people)
    for token in people:
        del other_attic.fake.user_tokens[token]


def test_twenty_televisions_that_ask_all_at_once_ask_jellyfin_once_a_token_and_minute(
    make_client: MakeClient, other_attic: Attic, televisions: list[str], clock: Clock
) -> None:
    tv = make_client()
    tv.app.state.user_tokens = UserTokens(clock=clock)  # type: ignore[attr-defined]
    server = {"jellyfinServerId": other_attic.jellyfin_id}
    # As a Streamyfin on a television asks each minute: two rows, which lists there are, and of five what is in them.
    row = server | {"limit": "20", "format": "ids", "includeBasedOn": "false", "includeReasons": "false"}
    asked = [("recommendations", row | {"type": kind}) for kind in ("Movie", "Series")]
    asked += [("watchlists/promoted", server | {"includePreview": "false"})]

    def ask(one: tuple[str, str, dict[str, str]]) -> Any:
        answer = tv.get(f"/api/{one[1]}", params=one[2], headers=headers(one[0]))
        assert answer.status_code == 200, one
        return answer.json()["data"]

    for seconds in (0, 59, 2):
        clock.now += seconds
        n_asked = len(other_attic.fake.asked)
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(ask, [(token, path, query) for path, query in asked for token in televisions]))
            lists = [(token, one["id"]) for token, found in zip(televisions, answers[-20:], strict=True) for one in found[:5]]
            assert len(lists) > 60
            list(pool.map(ask, [(token, f"watchlists/{number}", server | {"format": "ids"}) for token, number in lists]))
        found = [(one.path, one.headers["authorization"]) for one in other_attic.fake.asked[n_asked:]]
        expected = [] if seconds == 59 else [("/Users/Me", headers(token)["Authorization"]) for token in televisions]
        assert sorted(found) == sorted(expected)


def test_a_jellyfin_that_is_down_takes_nobodys_rows_away(make_client: MakeClient, other_attic: Attic, clock: Clock) -> None:
    tv = make_client()
    tv.app.state.user_tokens = UserTokens(clock=clock)  # type: ignore[attr-defined]
    query = {"jellyfinServerId": other_attic.jellyfin_id, "format": "ids"}

    def ask(who: str) -> Any:
        return tv.get("/api/recommendations", params=query, headers=headers(other_attic.tokens[who]))

    before = ask("ann").json()
    other_attic.fake.dies_at = 0
    clock.now += 90
    started = time.monotonic()
    try:
        assert ask("ann").json() == before
        assert ask("child").status_code == 401
    finally:
        other_attic.fake.dies_at = None
    assert time.monotonic() - started < 5


def test_no_key_and_no_other_servers_token_is_a_users(tv: TestClient, attic: Attic, other_attic: Attic, admin_key: str) -> None:
    for sent in ({}, bearer(admin_key), headers(KEY), headers("0" * 32), headers(other_attic.tokens["admin"]), headers(admin_key)):
        for path in (
            "/api/recommendations",
            "/api/watchlists/promoted",
            "/api/watchlists",
            "/api/watchlists/5",
            "/api/search?q=a",
            "/api/servers",
        ):
            answer = tv.get(path, params={"jellyfinServerId": attic.jellyfin_id, "q": "a"}, headers=sent)
            assert (answer.status_code, answer.json()["error"]) == (401, "Unauthorized"), path


def test_without_a_selector_a_token_goes_where_it_was_good(make_client: MakeClient, attic: Attic, other_attic: Attic) -> None:
    tv, token = make_client(), headers(other_attic.tokens["ann"])
    # Two servers are connected: to try it at each would show it to both.
    n_asked = len(attic.fake.asked)
    assert tv.get("/api/watchlists", headers=token).status_code == 401
    assert tv.get("/api/recommendations", params={"jellyfinServerId": other_attic.jellyfin_id}, headers=token).status_code == 200
    assert tv.get("/api/watchlists", headers=token).json()["data"]
    assert tv.get("/api/search", params={"q": "Movie", "format": "ids"}, headers=token).json()["data"]["movies"]
    assert len(attic.fake.asked) == n_asked


def test_servers_are_told_to_their_users_and_addresses_to_administrators(tv: TestClient, attic: Attic) -> None:
    query = {"jellyfinServerId": attic.jellyfin_id}
    mine = {"id": attic.server.id, "name": attic.server.name}
    assert tv.get("/api/servers", params=query, headers=headers(attic.tokens["ann"])).json() == [mine | {"url": ""}]
    assert tv.get("/api/servers", params=query, headers=headers(attic.tokens["admin"])).json() == [mine | {"url": attic.fake.url}]


def test_guessed_tokens_are_limited_and_good_ones_beside_them_are_not(
    make_client: MakeClient, other_attic: Attic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "FAILURES", rate_limits.parse("3/minute"))
    tv = make_client("10.0.0.1", rate_limit="1000/minute")

    def ask(token: str, **more: str) -> int:
        query = {"jellyfinServerId": other_attic.jellyfin_id} | more
        return tv.get("/api/recommendations", params=query, headers=headers(token)).status_code

    assert ask(other_attic.tokens["ann"]) == 200
    # An answer that no token was needed for makes none a good one.
    assert [ask(f"{number}" * 32, type="film") for number in range(9)] == [400] * 9
    assert [ask(f"{number}" * 32) for number in range(9)] == [401] * 3 + [429] * 6
    assert ask(other_attic.tokens["ann"]) == 200
    # What is written beside a token makes it no other.
    varied = {"Authorization": f'MediaBrowser Device="TV", Token="{other_attic.tokens["ann"]}"'}
    assert tv.get("/api/servers", headers=varied).status_code == 200
    answer = tv.get("/api/servers", headers=headers("9" * 32))
    assert (answer.status_code, answer.headers["content-type"], set(answer.json())) == (429, "application/json", {"error", "message"})
    assert int(answer.headers["retry-after"]) >= 1
