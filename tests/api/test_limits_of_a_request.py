"""How large and how slow a request may be, how deep, from which pages; and what is said where the database takes too long."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from pydantic import ValidationError
from sqlalchemy import text

from app.api import body_limits
from app.main import create_app
from app.settings import Settings
from tests.api.conftest import MakeClient, bearer
from tests.api.served import served

MANY = 10 << 20


def in_parts(size: int) -> Iterator[bytes]:
    """Without a Content-Length: it is sent in chunks."""
    for _ in range(size >> 16):
        yield b" " * (1 << 16)


@pytest.mark.parametrize("content", [lambda: b" " * MANY, lambda: in_parts(MANY)], ids=["told", "in chunks"])
def test_a_large_form_is_refused_and_large_rows_are_read(client: TestClient, content: Any) -> None:
    answer = client.post("/login", content=content(), headers={"content-type": "application/x-www-form-urlencoded"})
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")
    assert "1 MB" in answer.json()["detail"]
    assert client.post("/ingest/plays", content=content()).status_code == 400


@pytest.mark.parametrize("content", [lambda: b" " * MANY, lambda: in_parts(MANY)], ids=["told", "in chunks"])
def test_what_is_larger_than_any_call_is_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch, content: Any) -> None:
    monkeypatch.setattr(body_limits, "MAX_BYTES", 1 << 20)
    answer = client.post("/ingest/plays", content=content())
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")


@pytest.mark.parametrize(
    "deep", [b"[" * 10_000, b"[" * 10_000 + b"]" * 10_000, b'{"a":' * 10_000, b'{"server_id": "x", "plays": ' + b"[" * 10_000]
)
def test_what_is_nested_ten_thousand_deep_is_malformed(client: TestClient, deep: bytes) -> None:
    lines = {"content-type": "application/x-ndjson"}
    assert client.post("/ingest/plays", content=deep).status_code == 400
    assert client.put("/servers/deep", content=deep).status_code == 422
    assert client.post("/admin/models/1/promote?server_id=x", content=deep).status_code == 422
    assert client.post("/ingest/plays?server_id=nowhere", content=deep, headers=lines).status_code == 404


def test_a_body_that_comes_too_slowly_is_given_up(settings: Settings, admin_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limits, "MAX_SECONDS", 0.3)
    app = create_app(settings)
    head = f"POST /ingest/plays HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {admin_key}\r\nContent-Length: 1000\r\n\r\n"
    with served(settings, app) as address:
        host, _, port = address.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as slow:
            started = time.monotonic()
            slow.sendall(head.encode() + b"{")
            answer = b""
            while part := slow.recv(4096):
                answer += part
    # The connection is closed: what was to follow is not waited for.
    assert time.monotonic() - started < 5
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"did not come in time" in answer


@pytest.mark.parametrize("engine_name", ["serve", "work"])
def test_a_statement_that_takes_too_long_is_stopped_and_said_so(make_client: MakeClient, engine_name: str) -> None:
    client = make_client()

    def slow(request: Request) -> None:
        with getattr(request.app.state, engine_name).begin() as connection:
            connection.execute(text("SET LOCAL statement_timeout = '50ms'"))
            connection.execute(text("SELECT pg_sleep(5)"))

    client.app.add_api_route("/slow", slow)
    answer = client.get("/slow")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "took too long" in answer.json()["detail"]


@pytest.mark.parametrize(("engine_name", "statement", "lock"), [("serve", "15s", "0"), ("work", "30s", "10s"), ("watch", "15s", "0")])
def test_what_a_request_asks_of_the_database_has_a_limit(client: TestClient, engine_name: str, statement: str, lock: str) -> None:
    with getattr(client.app.state, engine_name).begin() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == statement
        assert connection.execute(text("SHOW lock_timeout")).scalar_one() == lock


ORIGIN = {"Origin": "https://tv.example", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}


def test_pages_of_other_origins_may_call_only_by_setting(make_client: MakeClient, client: TestClient, admin_key: str) -> None:
    assert "access-control-allow-origin" not in client.options("/servers", headers=ORIGIN).headers
    assert "access-control-allow-origin" not in client.get("/servers", headers=ORIGIN).headers
    allowed = make_client(cors_origins="https://tv.example, http://192.168.1.5:3000")
    asked = allowed.options("/servers", headers=ORIGIN)
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, "https://tv.example")
    answer = allowed.get("/servers", headers=ORIGIN | bearer(admin_key))
    assert answer.headers["access-control-allow-origin"] == "https://tv.example"
    # A key is sent by whoever has it; no page is let in by a cookie.
    assert "access-control-allow-credentials" not in answer.headers
    other = allowed.get("/servers", headers=ORIGIN | bearer(admin_key) | {"Origin": "https://other.example"})
    assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize("origins", ["tv.example", "https://tv.example/path", "https://*.example", "ftp://tv.example", "https://a@b"])
def test_what_is_no_origin_is_no_setting(origins: str) -> None:
    with pytest.raises(ValidationError, match="cors_origins"):
        Settings(_env_file=None, cors_origins=origins)


@pytest.mark.parametrize("path", ["/login", "/?server_id=demo", "/health/live", "/nowhere", "/servers"])
def test_every_answer_carries_the_headers_that_browsers_heed(client: TestClient, path: str) -> None:
    headers = client.get(path, follow_redirects=False).headers
    assert (headers["x-content-type-options"], headers["x-frame-options"], headers["referrer-policy"]) == ("nosniff", "DENY", "same-origin")


def test_pages_run_nothing_that_is_not_ours(client: TestClient) -> None:
    policy = client.get("/login").headers["content-security-policy"]
    assert {"default-src 'self'", "object-src 'none'", "form-action 'self'", "frame-ancestors 'none'"} <= set(policy.split("; "))
    assert "unsafe" not in policy
