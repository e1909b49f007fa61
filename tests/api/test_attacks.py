"""What somebody may try who has no key, another's, or one that is over."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from itsdangerous import URLSafeTimedSerializer

from app.db import Engine
from app.db.connections import put_connection
from app.db.servers import create_key, digest_of, put_server, revoke_key
from app.secrets import new_key
from app.settings import Settings
from app.types import Server
from app.web.session import COOKIE
from tests.api.conftest import MakeKey, bearer
from tests.api.home import Home, make_home
from tests.api.served import served
from tests.api.test_auth import endpoints, token_endpoints
from tests.connect.fake_jellyfin.library import generated, guid
from tests.connect.fake_jellyfin.server import KEY, FakeJellyfin, serving
from tests.planted import SECRETS, planted

# What each endpoint is sent by those who may not see that server: a path of a title and a person who are there, and a body that is right.
# An endpoint that is not named here fails the first test below.
BODIES: dict[tuple[str, str], Any] = {
    ("GET", "/recommendations"): None,
    ("GET", "/home"): None,
    ("GET", "/items/heat/similar"): None,
    ("GET", "/search"): None,
    ("GET", "/users/ada/taste"): None,
    ("PUT", "/servers/{server}"): {"name": "Taken"},
    ("GET", "/users"): None,
    ("GET", "/users/ada/hidden"): None,
    ("POST", "/users/ada/hidden/heat"): None,
    ("DELETE", "/users/ada/hidden/heat"): None,
    ("DELETE", "/users/ada"): None,
    ("GET", "/admin/models"): None,
    ("POST", "/admin/models/1/promote"): {},
    ("POST", "/admin/models/rollback"): None,
    ("POST", "/admin/jobs/prune"): {},
    ("POST", "/admin/user-embeddings/sync"): {},
    ("GET", "/admin/jobs"): None,
    ("GET", "/admin/jobs/1"): None,
    ("DELETE", "/admin/jobs/1"): None,
    ("GET", "/admin/watch-through"): None,
    ("GET", "/admin/skew"): None,
    ("POST", "/ingest/items"): {"items": [{"item_id": "heat", "type": "movie", "name": "Taken"}]},
    ("POST", "/ingest/users"): {"users": [{"user_id": "ada", "name": "Taken"}]},
    ("POST", "/ingest/plays"): {"plays": [{"user_id": "ada", "item_id": "heat"}]},
    ("POST", "/ingest/signals"): {"signals": [{"user_id": "ada", "item_id": "heat", "kind": "like"}]},
}
# What names no server, and answers of those that the key may see.
OF_ALL = {("GET", "/servers")}
# What a Jellyfin user's token opens, and what nothing does: those answer everybody the same.
OF_TOKENS = {
    ("GET", "/api/recommendations"), ("GET", "/api/servers"), ("GET", "/api/search"), ("GET", "/api/watchlists"),
    ("GET", "/api/watchlists/promoted"), ("GET", "/api/watchlists/5"),
}  # fmt: skip
REFUSED = {
    ("POST", "/api/recommendations"), ("GET", "/api/get-item-details/heat"), ("POST", "/api/watchlists"),
    *((method, "/api/watchlists/5/items") for method in ("POST", "PUT", "PATCH", "DELETE")),
}  # fmt: skip
# Opened by a secret of its own (tests/api/test_webhooks.py), so that no key is good there.
BY_SECRET = {("POST", "/webhooks/kind/{server}"), ("POST", "/webhooks/kind/{server}/secret")}
NAMES = {
    "list_number": "5",
    "rest:path": "5/items",
    "item_id:path": "heat",
    "item_id": "heat",
    "user_id": "ada",
    "model_id": "1",
    "job_id": "1",
    "name": "prune",
    "server_id": "{server}",
}


@pytest.fixture
def home(client: TestClient, engine: Engine, server: Server) -> Home:
    return make_home(client, engine, server)


@pytest.fixture
def stranger(engine: Engine, server: Server, make_key: MakeKey) -> dict[str, str]:
    """May do everything on another server."""
    with engine.begin() as connection:
        other, _ = put_server(connection, f"other than {server.external_id}", "Other", "api", {})
    return bearer(make_key(["admin"], other))


def ask(client: TestClient, server: Server, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
    query = {"server_id": server.external_id, "user_id": "ada", "q": "film", "days": 7}
    if body is not None and path.startswith(("/ingest", "/admin/jobs", "/admin/user-embeddings")):
        body = {"server_id": server.external_id} | body
    return client.request(method, path.format(server=server.external_id), params=query, json=body, headers=headers)


def named(path: str) -> str:
    for name, value in NAMES.items():
        path = path.replace("/" + name, "/" + value)
    return path


def test_every_endpoint_has_a_case_here(client: TestClient) -> None:
    assert {(method, named(path)) for method, path in endpoints(client)} == set(BODIES) | OF_ALL | BY_SECRET
    assert {(method, named(path)) for method, path in token_endpoints(client)} == OF_TOKENS | REFUSED


@pytest.fixture
def jellyfins(engine: Engine, make_server: Callable[..., Server]) -> Iterator[list[tuple[Server, FakeJellyfin]]]:
    """Two, each with a user of its own whose token is the planted `ada's-of-` its number."""
    with contextlib.ExitStack() as stack:
        made = []
        for number in range(2):
            fake = stack.enter_context(serving(FakeJellyfin(generated(1, 0, 0, 1, 0))))
            name = make_server().external_id
            fake.id, fake.user_tokens = digest_of(name).hex()[:32], {planted(f"ada's-of-{number}"): guid("user 0")}
            with engine.begin() as connection:
                server, _ = put_server(connection, name, name, "jellyfin", {})
                put_connection(connection, server.id, "jellyfin", fake.url, b"", fake.id)
            made.append((server, fake))
        yield made


def test_what_is_a_jellyfin_users_opens_to_no_key_and_to_no_other_servers_user(
    client: TestClient, admin_key: str, make_key: MakeKey, jellyfins: list[tuple[Server, FakeJellyfin]], subtests: pytest.Subtests
) -> None:
    anonymous = TestClient(client.app)
    (server, fake), (_, other) = jellyfins
    keys: list[dict[str, str]] = [{}, bearer(admin_key), bearer(make_key(["admin"], server))]
    tokens = [{"Authorization": f'MediaBrowser Token="{token}"'} for token in (admin_key, KEY, planted("ada's-of-1"))]
    for method, path in sorted(OF_TOKENS):
        with subtests.test(f"{method} {path}"):
            for sent in [*keys, *tokens]:
                answer = anonymous.request(method, path, params={"jellyfinServerId": fake.id, "q": "film"}, headers=sent)
                assert (answer.status_code, set(answer.json())) == (401, {"error", "message"})
    # Which was never told to the other's Jellyfin, unless somebody named it.
    assert {asked.headers["authorization"] for asked in other.asked} == set()
    for method, path in sorted(REFUSED):
        with subtests.test(f"{method} {path}"):
            assert {anonymous.request(method, path, headers=sent).status_code for sent in [*keys, *tokens]} == {403}


def test_another_servers_key_finds_nothing_at_any_endpoint(home: Home, stranger: dict[str, str], subtests: pytest.Subtests) -> None:
    anonymous = TestClient(home.client.app)
    before = home.rows("SELECT (SELECT count(*) FROM engagement WHERE server_id = :server_id), name FROM servers WHERE id = :server_id")
    for (method, path), body in BODIES.items():
        with subtests.test(f"{method} {path}"):
            answer = ask(anonymous, home.server, method, path, body, stranger)
            assert answer.status_code == 404, answer.text
            assert home.server.external_id not in answer.text.replace(f"other than {home.server.external_id}", "")
    assert home.server.name not in anonymous.get("/servers", headers=stranger).text
    assert (
        home.rows("SELECT (SELECT count(*) FROM engagement WHERE server_id = :server_id), name FROM servers WHERE id = :server_id")
        == before
    )
    assert home.suggested() == {"heat", "ronin", "s"}


def test_a_key_that_is_over_is_refused_at_every_endpoint(home: Home, engine: Engine, subtests: pytest.Subtests) -> None:
    now, expired, revoked = datetime.now(UTC), new_key(), new_key()
    with engine.begin() as connection:
        create_key(connection, "expired", digest_of(expired), ["admin"], None, now - timedelta(seconds=1))
        revoke_key(connection, create_key(connection, "revoked", digest_of(revoked), ["admin"], None, None), now)
    anonymous = TestClient(home.client.app)
    for (method, path), body in [*BODIES.items(), *((one, None) for one in OF_ALL | BY_SECRET)]:
        with subtests.test(f"{method} {path}"):
            for key in (expired, revoked):
                assert ask(anonymous, home.server, method, path, body, bearer(key)).status_code == 401


def test_a_key_in_the_address_is_refused_and_in_no_line_of_the_web_server(
    settings: Settings, admin_key: str, capfd: pytest.CaptureFixture[str]
) -> None:
    key = planted("in-the-address-51")
    with served(settings) as address:
        host, _, port = address.removeprefix("http://").partition(":")
        for request_line in (f"GET /servers?key={key}&api_key={key} HTTP/1.1", f"GET /{key} HTTP/1.1", f"{key} / HTTP/1.1"):
            answer = exchange(host, int(port), f"{request_line}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            assert answer.split(b" ", 2)[1] in (b"401", b"404", b"400", b"405")
            assert key.encode() not in answer
    written = capfd.readouterr()
    assert SECRETS.search(written.out + written.err) is None


def exchange(host: str, port: int, request: bytes) -> bytes:
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


SPLITTING = [
    "x\r\nSet-Cookie: planted=1",
    "x\nSet-Cookie: planted=1",
    "x%0d%0aSet-Cookie:%20planted=1",
    "x\r\n\r\n<script>",
    "\u560d\u560aSet-Cookie: planted=1",
]


@pytest.mark.parametrize("value", SPLITTING, ids=repr)
def test_no_value_becomes_a_header(client: TestClient, settings: Settings, value: str) -> None:
    for answer in (
        client.get("/", params={"server_id": value, "user_id": value}, follow_redirects=False),
        client.get("/slate", params={"server_id": value}, follow_redirects=False),
        client.get("/login", params={"server_id": value}),
        client.get("/recommendations", params={"server_id": value, "user_id": value}),
        client.post(
            "/login",
            params={"server_id": value},
            data={"key": settings.admin_key.get_secret_value() if settings.admin_key else ""},
            follow_redirects=False,
        ),
    ):
        assert "planted" not in answer.headers.get("set-cookie", "")
        assert b"<script>" not in answer.content
        assert "\n" not in "".join(answer.headers.values())


def test_a_request_with_two_lengths_or_a_broken_header_is_refused(settings: Settings, admin_key: str) -> None:
    head = f"POST /ingest/plays HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {admin_key}\r\nConnection: close\r\n"
    smuggled = "GET /servers HTTP/1.1\r\nHost: x\r\n\r\n"
    with served(settings) as address:
        host, _, port = address.removeprefix("http://").partition(":")
        for more in (
            f"Content-Length: 0\r\nContent-Length: {len(smuggled)}\r\n\r\n{smuggled}",
            f"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}",
            "Bad Header: x\r\n\r\n",
        ):
            answer = exchange(host, int(port), (head + more).encode())
            assert answer.split(b" ", 2)[1] == b"400"
            assert answer.count(b"HTTP/1.1") == 1


def test_a_forged_cookie_opens_nothing(client: TestClient, admin_key: str, settings: Settings) -> None:
    digest = digest_of(admin_key).hex()
    assert settings.secret_key is not None
    secret = settings.secret_key.get_secret_value()
    signed = URLSafeTimedSerializer(secret, salt="palate session").dumps(digest)
    payload, at, signature = signed.rsplit(".", 2)
    forged = [
        digest, URLSafeTimedSerializer("guessed-secret-key", salt="palate session").dumps(digest),
        URLSafeTimedSerializer(secret, salt="another use").dumps(digest), f"{payload}.{at}.{'A' * len(signature)}",
        f"{payload}.{at}.", f"{payload}..{signature}",
    ]  # fmt: skip
    anonymous = TestClient(client.app, raise_server_exceptions=False)
    assert anonymous.get("/", headers={"cookie": f"{COOKIE}={signed}"}, follow_redirects=False).status_code == 200
    for cookie in forged:
        answer = anonymous.get("/", headers={"cookie": f"{COOKIE}={cookie}"}, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login"), cookie
