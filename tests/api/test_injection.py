"""What somebody may write into whatever is text."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from app.connect.bodies import ItemBody, PlayBody, SignalBody, UserBody
from app.db import Engine
from app.types import Server
from tests.api.home import Home, make_home

ATTACKS = [
    "'; DROP TABLE users; --", "' OR '1'='1", "\\'; SELECT pg_sleep(9)--", "1) UNION SELECT digest FROM keys --", ":server_id",
    "%(server_id)s", "$1", "{{ 7*7 }}", "{% raw %}", "${7*7}", "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "%s%n",
    "../../etc/passwd", "\u202e\ud7ff\u0007", "a" * 60,
]  # fmt: skip


@pytest.fixture
def home(client: TestClient, engine: Engine, server: Server) -> Home:
    return make_home(client, engine, server)


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
                asked = path.format(item_id=quoted, user_id=quoted, job_id=2**40)
                answer = home.client.get(asked, params={"server_id": home.server.external_id})
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
