"""A Jellyfin user's own token on our own addresses: it reads what that user may see there, and nothing else."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.connect.jellyfin_user_token import UserTokens
from tests.api.conftest import MakeClient, MakeKey, bearer
from tests.api.streamystats.attic import Attic, Clock, headers
from tests.api.test_auth import endpoints
from tests.connect.fake_jellyfin.server import KEY

READ = (
    "/recommendations", "/recommendations?type=movie&limit=50&include_seen=true", "/home?limit=20", "/search?q=Movie&include_seen=true",
    "/items/{item}/similar?limit=50", "/users/{user}/taste", "/users/{user}/hidden",
)  # fmt: skip

Ask = Callable[..., Any]


@pytest.fixture
def ask(tv: TestClient, attic: Attic) -> Ask:
    def ask(path: str, sent: dict[str, str], user_id: str | None, server: Attic = attic, **query: Any) -> Any:
        item = min(attic.played_by("ann"))
        named = {"server_id": server.server.external_id} | ({} if user_id is None else {"user_id": user_id})
        path, _, more = path.partition("?")
        given = dict(one.split("=") for one in more.split("&") if one)
        return tv.get(path.format(item=item, user=user_id), params=given | named | query, headers=sent)

    return ask


def titles_in(answer: Any) -> set[str]:
    """Every item that is named anywhere."""
    if isinstance(answer, list):
        return set().union(*map(titles_in, answer))
    if not isinstance(answer, dict):
        return set()
    return titles_in(list(answer.values())) | ({answer["item_id"]} if "item_id" in answer else set())


@pytest.mark.parametrize("path", READ)
@pytest.mark.parametrize("who", ["ann", "child", "admin"])
def test_a_token_reads_what_a_key_reads_for_this_user(ask: Ask, attic: Attic, make_key: MakeKey, who: str, path: str) -> None:
    user_id = attic.user_id(who)
    mine = ask(path, headers(attic.tokens[who]), user_id)
    told = ask(path, bearer(make_key(["read"], attic.server)), user_id)
    assert mine.status_code == told.status_code == 200, mine.text
    assert titles_in(mine.json()) == titles_in(told.json()) <= attic.seen_by(who)
    assert titles_in(mine.json()) or path.endswith("hidden")


@pytest.mark.parametrize("path", READ)
def test_nobody_else_is_read_with_it_not_even_what_was_just_made_for_them(ask: Ask, attic: Attic, other_attic: Attic, path: str) -> None:
    ann = attic.user_id("ann")
    assert ask(path, headers(attic.tokens["ann"]), ann).status_code == 200
    for who in ("child", "admin", "cold"):
        answer = ask(path, headers(attic.tokens[who]), ann)
        assert (answer.status_code, answer.json()["title"]) == (404, "Unknown user"), who
    for token in (KEY, "0" * 32, other_attic.tokens["ann"], other_attic.tokens["admin"]):
        answer = ask(path, headers(token), ann)
        assert (answer.status_code, answer.json()["title"]) == (401, "Token not accepted")
    for server in ("", "demo", "nowhere", "\x00", "x" * 10_000):
        assert ask(path, headers(attic.tokens["ann"]), ann, server_id=server).status_code == 401
    assert ask(path, headers(attic.tokens["ann"]), ann, other_attic).status_code == 401


@pytest.mark.parametrize("path", ["/items/{item}/similar", "/search?q=Movie"])
def test_a_token_asks_for_its_user_and_never_for_nobody(ask: Ask, attic: Attic, make_key: MakeKey, path: str) -> None:
    assert ask(path, bearer(make_key(["read"], attic.server)), None).status_code == 200
    answer = ask(path, headers(attic.tokens["child"]), None)
    assert (answer.status_code, "send their user_id" in answer.json()["detail"]) == (403, True)


def test_it_writes_nothing_and_opens_nothing_that_is_of_all(tv: TestClient, attic: Attic, subtests: pytest.Subtests) -> None:
    open_to_it = {path.partition("?")[0].replace("{item}", "item_id:path").replace("{user}", "user_id") for path in READ}
    query = {"server_id": attic.server.external_id, "user_id": attic.user_id("admin"), "q": "a"}
    asked = [(method, path) for method, path in endpoints(tv) if (method, path) not in {("GET", one) for one in open_to_it}]
    assert len(endpoints(tv)) - len(asked) == len(open_to_it)
    for method, path in asked:
        with subtests.test(f"{method} {path}"):
            answer = tv.request(
                method, path.replace("user_id", attic.user_id("admin")), params=query, headers=headers(attic.tokens["admin"])
            )
            assert answer.status_code == 401, answer.text


def test_what_is_wrong_with_a_request_is_told_to_good_tokens_alone(ask: Ask, attic: Attic) -> None:
    ann = attic.user_id("ann")
    wrong = ask("/recommendations", headers(attic.tokens["ann"]), ann, limit="many")
    assert (wrong.status_code, "limit" in wrong.json()["detail"]) == (422, True)
    assert ask("/recommendations", headers("0" * 32), ann, limit="many").status_code == 401


def test_an_answer_that_is_held_is_given_until_the_token_is_revoked(make_client: MakeClient, other_attic: Attic, clock: Clock) -> None:
    tv, ann, token = make_client(), other_attic.user_id("ann"), uuid.uuid4().hex
    tv.app.state.user_tokens = UserTokens(clock=clock)  # type: ignore[attr-defined]
    other_attic.fake.user_tokens[token] = ann
    n_asked = len(other_attic.fake.asked)

    def ask(**more: str) -> Any:
        query = {"server_id": other_attic.server.external_id, "user_id": ann}
        return tv.get("/recommendations", params=query, headers=headers(token) | more)

    first = ask()
    assert ask().content == first.content
    assert ask(**{"If-None-Match": first.headers["etag"]}).status_code == 304
    assert [one.path for one in other_attic.fake.asked[n_asked:]] == ["/Users/Me"]
    del other_attic.fake.user_tokens[token]
    clock.now += 61
    assert ask().status_code == ask(**{"If-None-Match": first.headers["etag"]}).status_code == 401
