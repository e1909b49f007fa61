"""Rows to send, and ways to send them."""

from typing import Any

from fastapi.testclient import TestClient

from app.types import Server

NDJSON = "application/x-ndjson"


def movie(number: int, **fields: Any) -> dict[str, Any]:
    return {"item_id": f"film-{number}", "type": "movie", "name": f"Film {number}", "year": 1990 + number, **fields}


def user(user_id: str, **fields: Any) -> dict[str, Any]:
    return {"user_id": user_id, "name": user_id.title(), **fields}


def play(name: str, number: int, **fields: Any) -> dict[str, Any]:
    return {"play_id": f"{name}-{number}", "user_id": name, "item_id": f"film-{number}", "completed": True, **fields}


def send(client: TestClient, server: Server, name: str, rows: list[Any]) -> dict[str, Any]:
    answer = client.post(f"/ingest/{name}", json={"server_id": server.external_id, name: rows})
    assert answer.status_code == 200, answer.text
    return answer.json()


def send_lines(client: TestClient, server: Server, name: str, body: bytes, content_type: str = NDJSON) -> dict[str, Any]:
    answer = client.post(f"/ingest/{name}", params={"server_id": server.external_id}, content=body, headers={"content-type": content_type})
    assert answer.status_code == 200, answer.text
    return answer.json()


def counts(received: int, created: int = 0, updated: int = 0, unchanged: int = 0) -> dict[str, Any]:
    return {"received": received, "created": created, "updated": updated, "unchanged": unchanged, "rejected": []}


def recommended(client: TestClient, server: Server, name: str, **parameters: Any) -> dict[str, Any]:
    answer = client.get("/recommendations", params={"server_id": server.external_id, "user_id": name, **parameters})
    assert answer.status_code == 200, answer.text
    return answer.json()
