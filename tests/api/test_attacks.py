"""What somebody may try who has no key, another's, or one that is over; and what they may write into whatever is text."""

import json
import socket
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from itsdangerous import URLSafeTimedSerializer

from app.connect.bodies import ItemBody, PlayBody, SignalBody, UserBody
from app.db import Engine
from app.db.servers import create_key, digest_of, put_server, revoke_key
from app.secrets import new_key
from app.settings import Settings
from app.types import Server
from app.web.session import COOKIE
from tests.api.conftest import MakeKey, bearer
from tests.api.home import Home, make_home
from tests.api.served import served
from tests.api.test_auth import endpoints

# What each endpoint is sent by who may not see that server: a path of a title and a person who are there, and a body that is right.
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
    ("GET", "/admin/watch-through"): None,
    ("GET", "/admin/skew"): None,
    ("POST", "/ingest/items"): {"items": [{"item_id": "heat", "type": "movie", "name": "Taken"}]},
    ("POST", "/ingest/users"): {"users": [{"user_id": "ada", "name": "Taken"}]},
    ("POST", "/ingest/plays"): {"plays": [{"user_id": "ada", "item_id": "heat"}]},
    ("POST", "/ingest/signals"): {"signals": [{"user_id": "ada", "item_id": "heat", "kind": "like"}]},
}
# What names no server, and answers of those that the key may see.
OF_ALL = {("GET", "/servers")}
NAMES = {"item_id:path": "heat", "item_id": "heat", "user_id": "ada", "model_id": "1", "server_id": "{server}"}


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
    if body is not None and path.startswith("/ingest"):
        body = {"server_id": server.external_id} | body
    return client.request(method, path.format(server=server.external_id), params=query, json=body, headers=headers)


def named(path: str) -> str:
    for name, value in NAMES.items():
        path = path.replace("/" + name, "/" + value)
    return path


def test_every_endpoint_has_a_case_here(client: TestClient) -> None:
    assert {(method, named(path)) for method, path in endpoints(client)} == set(BODIES) | OF_ALL


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
    for (method, path), body in [*BODIES.items(), *((one, None) for one in OF_ALL)]:
        with subtests.test(f"{method} {path}"):
            for key in (expired, revoked):
                assert ask(anonymous, home.server, method, path, body, bearer(key)).status_code == 401


def test_a_key_in_the_address_is_refused_and_in_no_line_of_the_web_server(
    settings: Settings, admin_key: str, capfd: pytest.CaptureFixture[str]
) -> None:
    planted = "planted-in-the-address-51"
    with served(settings) as address:
        host, _, port = address.removeprefix("http://").partition(":")
        for request_line in (f"GET /servers?key={planted}&api_key={planted} HTTP/1.1", f"GET /{planted} HTTP/1.1", f"{planted} / HTTP/1.1"):
            answer = exchange(host, int(port), f"{request_line}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            assert answer.split(b" ", 2)[1] in (b"401", b"404", b"400", b"405")
            assert planted.encode() not in answer
    written = capfd.readouterr()
    assert planted not in written.out + written.err


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


ATTACKS = [
    "'; DROP TABLE users; --", "' OR '1'='1", "\\'; SELECT pg_sleep(9)--", "1) UNION SELECT digest FROM keys --", ":server_id",
    "%(server_id)s", "$1", "{{ 7*7 }}", "{% raw %}", "${7*7}", "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "%s%n",
    "../../etc/passwd", "\u202e\ud7ff\u0007", "a" * 60,
]  # fmt: skip


def texts_of(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A row in which every text is an attack's place: a list, a map or a nested body of them too."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        schema = next(one for one in schema["anyOf"] if one.get("type") != "null")
        return texts_of(schema, definitions)
    match schema.get("type"):
        case "string" if "enum" not in schema and "format" not in schema:
            return PLACE
        case "array":
            inner = texts_of(schema["items"], definitions)
            return None if inner is None else [inner]
        case "object":
            found = {name: texts_of(one, definitions) for name, one in schema.get("properties", {}).items()}
            if isinstance(schema.get("additionalProperties"), dict):
                found["key"] = texts_of(schema["additionalProperties"], definitions)
            return {name: value for name, value in found.items() if value is not None}
    return None


PLACE: Any = "\x01place\x01"
REQUIRED = {"items": {"type": "movie"}, "users": {}, "plays": {}, "signals": {"kind": "rating", "value": 7}}
ROWS = {"items": ItemBody, "users": UserBody, "plays": PlayBody, "signals": SignalBody}


def rows_with(attack: str) -> dict[str, Any]:
    made = {}
    for name, body in ROWS.items():
        schema = body.model_json_schema()
        row = texts_of(schema, schema.get("$defs", {}))
        written = json.dumps(row).replace(json.dumps(PLACE)[1:-1], json.dumps(attack)[1:-1])
        made[name] = json.loads(written) | REQUIRED[name]
    return made


def test_every_text_of_a_body_is_attacked() -> None:
    texts = {(name, field) for name, row in rows_with("x").items() for field in row}
    assert {
        ("items", "item_id"),
        ("items", "name"),
        ("items", "overview"),
        ("items", "genres"),
        ("users", "user_id"),
        ("users", "blocked_tags"),
    } <= texts
    assert {("plays", "item_id"), ("signals", "user_id")} <= texts


def test_what_is_written_into_any_text_is_stored_as_text(home: Home) -> None:
    for name in ROWS:
        rows = [rows_with(attack)[name] for attack in ATTACKS]
        answer = home.client.post(f"/ingest/{name}", json={"server_id": home.server.external_id, name: rows})
        assert (answer.status_code, answer.json()["rejected"]) == (200, [])
    told = home.rows("SELECT external_id FROM users WHERE server_id = :server_id")
    assert set(ATTACKS) <= {row[0] for row in told}
    assert {"heat", "ronin", "s"} <= home.suggested()
    # Shown to a person it is text, too.
    browser = TestClient(home.client.app)
    browser.post("/login", data={"key": home.client.headers["authorization"].partition(" ")[2]})
    for attack in ATTACKS:
        page = browser.get("/", params={"server_id": home.server.external_id, "user_id": attack})
        assert page.status_code == 200
        for raw in ("<script>alert", "<img src=x", ">49<"):
            assert raw not in page.text


def test_what_is_written_into_any_parameter_is_a_value(home: Home, subtests: pytest.Subtests) -> None:
    for path, methods in home.client.get("/openapi.json").json()["paths"].items():
        texts = [one["name"] for one in methods.get("get", {}).get("parameters", ()) if one["in"] == "query" and is_text(one["schema"])]
        with subtests.test(path):
            for attack in ATTACKS if texts else ():
                parameters = dict.fromkeys(texts, attack) | {"server_id": home.server.external_id}
                answer = home.client.get(path.format(item_id="heat", user_id="ada"), params=parameters)
                assert answer.status_code in (200, 404), answer.text
            for attack in ATTACKS if "get" in methods and "{" in path else ():
                quoted = quote(attack, safe="")
                answer = home.client.get(path.format(item_id=quoted, user_id=quoted), params={"server_id": home.server.external_id})
                assert answer.status_code == 404, answer.text


def is_text(schema: dict[str, Any]) -> bool:
    return any(one.get("type") == "string" and "enum" not in one for one in schema.get("anyOf", [schema]))


def test_a_nul_byte_is_refused_wherever_there_is_text(home: Home) -> None:
    server = home.server.external_id
    for name, row in rows_with("a\x00b").items():
        answer = home.client.post(f"/ingest/{name}", json={"server_id": server, name: [row]})
        assert len(answer.json()["rejected"]) == 1, name
    for path in ("/recommendations", "/home", "/search", "/users/%00/taste", "/items/%00/similar", "/users/a%00/hidden"):
        parameters = {"server_id": server, "user_id": "a\x00", "q": "\x00"}
        assert home.client.get(path, params=parameters).status_code == 422, path
    assert home.client.put("/servers/a%00", json={"name": "x"}).status_code == 422
    assert home.client.put(f"/servers/{server}", json={"name": "a\x00"}).status_code == 422
