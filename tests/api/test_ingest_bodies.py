"""POST /ingest/...: bodies whole and broken, as JSON and line by line."""

import json
from typing import Any

import anyio
import pytest
from fastapi.testclient import TestClient

from app.api import body_limits
from app.types import Server
from tests.api.rows import NDJSON, counts, send_lines, user


def test_a_broken_line_costs_that_line_alone(client: TestClient, server: Server) -> None:
    lines = [json.dumps(user("ada")), '{"user_id": "b', '{"user_id": "c"}}', "nonsense", json.dumps(user("ben"))]
    answer = send_lines(client, server, "users", "\n".join(lines).encode())
    assert (answer["received"], answer["created"]) == (5, 2)
    assert [one["index"] for one in answer["rejected"]] == [1, 2, 3]
    assert all("not valid JSON" in one["error"] for one in answer["rejected"])


def test_half_a_last_line_is_refused_and_the_rest_lands(client: TestClient, server: Server) -> None:
    body = "\n".join(json.dumps(user(name)) for name in ("ada", "ben", "cy")).encode()
    answer = send_lines(client, server, "users", body[:-5])
    assert (answer["received"], answer["created"]) == (3, 2)
    assert [one["index"] for one in answer["rejected"]] == [2]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n\n", b"\r\n\r\n  \r\n", b" \t\n"], ids=repr)
def test_lines_may_end_and_be_empty_in_any_way(client: TestClient, server: Server, end: bytes) -> None:
    body = end + b"".join(json.dumps(user(name)).encode() + end for name in ("ada", "ben"))
    assert send_lines(client, server, "users", body) == counts(2, created=2)


@pytest.mark.parametrize("name", [b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\\ud800", b"\\udc00\\ud800", b"a\x00b", b"a\\u0000b"], ids=repr)
def test_text_that_is_no_text_is_refused(client: TestClient, server: Server, name: bytes) -> None:
    line = b'{"user_id": "x", "name": "' + name + b'"}'
    answer = send_lines(client, server, "users", json.dumps(user("ada")).encode() + b"\n" + line)
    assert (answer["created"], [one["index"] for one in answer["rejected"]]) == (1, [1])
    whole = b'{"server_id": "' + server.external_id.encode() + b'", "users": [' + line + b"]}"
    as_json = client.post("/ingest/users", content=whole)
    assert as_json.status_code in (200, 400)
    if as_json.status_code == 200:
        assert len(as_json.json()["rejected"]) == 1


@pytest.mark.parametrize("content_type", [NDJSON, "application/ndjson", "application/jsonl", "Application/X-NDJSON; charset=utf-8"])
def test_ndjson_is_known_by_any_of_its_names(client: TestClient, server: Server, content_type: str) -> None:
    assert send_lines(client, server, "users", json.dumps(user("ada")).encode(), content_type)["created"] == 1


def test_ndjson_names_its_server_in_the_query(client: TestClient) -> None:
    answer = client.post("/ingest/users", content=b"{}", headers={"content-type": NDJSON})
    assert answer.status_code == 400
    assert "server_id" in answer.json()["detail"]


MALFORMED = [
    b"", b" ", b"null", b"[]", b"{}", b"1e999", b"nonsense", b"{", b"\xef\xbb\xbf{}", b"\x00", b"\xff", b'"\\ud800"', b"1" * 5000,
    b"[" * 100_000, b'{"a":' * 100_000, b'{"server_id": "SERVER"}', b'{"users": []}', b'{"server_id": 1, "users": []}',
    b'{"server_id": null, "users": []}', b'{"server_id": "SERVER", "users": {}}', b'{"server_id": "SERVER", "items": []}',
    b'{"server_id": "a\\u0000b", "users": []}', b'{"server_id": "SERVER", "users": []} x', b'{"server_id": "SERVER", "users": [',
]  # fmt: skip


@pytest.mark.parametrize("body", MALFORMED, ids=lambda value: repr(value[:40]))
def test_a_body_that_is_no_envelope_is_a_problem_that_says_why(client: TestClient, server: Server, body: bytes) -> None:
    answer = client.post("/ingest/users", content=body.replace(b"SERVER", server.external_id.encode()))
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


@pytest.mark.parametrize("unknown", ["not there", "", "x" * 10_000, "ключ", "demo'; --", "%"])
def test_an_unknown_server_is_404(client: TestClient, unknown: str) -> None:
    assert client.post("/ingest/users", json={"server_id": unknown, "users": [user("ada")]}).status_code == 404


def test_ten_thousand_rows_a_call_and_no_more(client: TestClient, server: Server) -> None:
    line = json.dumps(user("ada")).encode() + b"\n"
    answer = send_lines(client, server, "users", line * 10_000)
    assert (answer["received"], answer["created"], answer["unchanged"]) == (10_000, 1, 9_999)
    as_lines = client.post(
        "/ingest/users", params={"server_id": server.external_id}, content=line * 10_001, headers={"content-type": NDJSON}
    )
    as_json = client.post("/ingest/users", json={"server_id": server.external_id, "users": [user("ben")] * 10_001})
    for refused in (as_lines, as_json):
        assert refused.status_code == 413
        assert "10,000" in refused.json()["detail"]
    names = [one["user_id"] for one in client.get("/users", params={"server_id": server.external_id}).json()["users"]]
    assert names == ["ada"]


def test_a_body_over_the_limit_is_not_read_to_its_end(client: TestClient, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limits, "MAX_BYTES", 1 << 20)
    for method, path in [("POST", "/ingest/users"), ("PUT", f"/servers/{server.external_id}")]:
        answer = client.request(method, path, content=b" " * (1 << 20) + b"x")
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"
        assert "MB" in answer.json()["detail"]


def test_a_caller_who_goes_away_midway_is_no_error_of_ours(client: TestClient, admin_key: str) -> None:
    told = iter([{"type": "http.request", "body": b'{"server_id"', "more_body": True}, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(told)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {admin_key}".encode())]
    scope = {"type": "http", "method": "POST", "path": "/ingest/users", "query_string": b"", "headers": headers, "client": None}
    anyio.run(client.app, scope, receive, send)
    assert sent[0]["status"] == 400
