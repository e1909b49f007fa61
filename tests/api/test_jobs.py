"""POST /admin/user-embeddings/sync, POST /admin/jobs/{name}, GET /admin/jobs, GET and DELETE /admin/jobs/{job_id}. No worker runs here."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.api import gauges
from app.db import Engine
from app.db.jobs import finish_job, start_job, tell_progress
from app.job_types import JOB_NAMES, OF_CONNECTED
from app.types import Server
from tests.api.conftest import MakeKey, bearer
from tests.db.household import House, user

FIELDS = {
    "job_id", "name", "server_id", "user_id", "status", "progress", "tick", "queued_at", "started_at", "finished_at", "counters", "error",
}  # fmt: skip


def start(client: TestClient, name: str, server: Server, **more: Any) -> int:
    answer = client.post(f"/admin/jobs/{name}", json={"server_id": server.external_id}, **more)
    assert answer.status_code == 202, answer.text
    assert set(answer.json()) == {"job_id"}
    return int(answer.json()["job_id"])


def listed(client: TestClient, server: Server, **more: Any) -> list[dict[str, Any]]:
    answer = client.get("/admin/jobs", params={"server_id": server.external_id, **more})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["jobs"]
    return found


def test_a_job_is_accepted_and_waits_where_no_worker_runs(client: TestClient, server: Server) -> None:
    job_id = start(client, "prune", server)
    job = client.get(f"/admin/jobs/{job_id}").json()
    assert set(job) == FIELDS
    assert (job["job_id"], job["name"], job["server_id"], job["status"]) == (job_id, "prune", server.external_id, "queued")
    assert (job["progress"], job["started_at"], job["finished_at"], job["error"]) == ({"done": 0, "total": 0}, None, None, None)
    assert datetime.fromisoformat(job["queued_at"]).tzinfo
    assert start(client, "prune", server) == job_id
    other = start(client, "skew", server)
    assert [one["job_id"] for one in listed(client, server)] == [other, job_id]
    assert listed(client, server, name="prune", status="queued", limit=1) == [job]
    assert listed(client, server, status="running") == []


def test_every_name_of_the_contract_can_be_started_but_what_needs_a_media_server(client: TestClient, server: Server) -> None:
    for name in JOB_NAMES:
        answer = client.post(f"/admin/jobs/{name}", json={"server_id": server.external_id})
        assert answer.status_code == (409 if name in OF_CONNECTED else 202), answer.text
    refused = client.post("/admin/jobs/sync-library", json={"server_id": server.external_id})
    assert "POST /ingest/items" in refused.json()["detail"]


def test_what_a_worker_tells_is_answered(client: TestClient, engine: Engine, server: Server) -> None:
    job_id = start(client, "embed-items", server)
    with engine.begin() as connection:
        job = start_job(connection, job_id, datetime.now(UTC))
        assert job is not None
        tell_progress(connection, job, 300, 1200)
    running = client.get(f"/admin/jobs/{job_id}").json()
    assert (running["status"], running["progress"]) == ("running", {"done": 300, "total": 1200})
    assert running["started_at"] is not None
    # Told to stop; its worker says when it has.
    assert client.delete(f"/admin/jobs/{job_id}").json()["status"] == "running"
    with engine.begin() as connection:
        finish_job(connection, job, "failed", datetime.now(UTC), error="The text model could not be loaded.")
    over = client.get(f"/admin/jobs/{job_id}").json()
    assert (over["status"], over["error"]) == ("failed", "The text model could not be loaded.")
    assert over["finished_at"] is not None
    refused = client.delete(f"/admin/jobs/{job_id}")
    assert (refused.status_code, refused.json()["title"]) == (409, "Job is over")


def test_a_waiting_job_is_cancelled_at_once(client: TestClient, server: Server) -> None:
    job_id = start(client, "prune", server)
    cancelled = client.delete(f"/admin/jobs/{job_id}")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert start(client, "prune", server) != job_id


def test_tastes_are_synced_for_a_server_or_for_one_of_its_users(client: TestClient, engine: Engine, server: Server) -> None:
    House(engine, server.id).users(user("ada"))
    asked = {"server_id": server.external_id}
    of_all, of_ada = (client.post("/admin/user-embeddings/sync", json=asked | more) for more in ({}, {"user_id": "ada"}))
    assert (of_all.status_code, of_ada.status_code) == (202, 202)
    jobs = {one["job_id"]: (one["name"], one["user_id"]) for one in listed(client, server)}
    assert jobs == {of_all.json()["job_id"]: ("refresh-tastes", None), of_ada.json()["job_id"]: ("refresh-tastes", "ada")}
    nobody = client.post("/admin/user-embeddings/sync", json=asked | {"user_id": "nobody"})
    assert (nobody.status_code, nobody.json()["title"]) == (404, "Unknown user")
    assert client.post("/admin/user-embeddings/sync", json={}).status_code == 422


def test_an_unknown_name_is_told_with_those_that_there_are(client: TestClient, server: Server) -> None:
    answer = client.post("/admin/jobs/embed", json={"server_id": server.external_id})
    assert answer.status_code == 404
    assert all(name in answer.json()["detail"] for name in JOB_NAMES)


@pytest.mark.parametrize("job_id", [10**15, 2**63 - 1, 2**63, 0, -1, "x", "1.5", "%00"])
def test_an_id_that_is_no_jobs_is_told(client: TestClient, job_id: object) -> None:
    for answer in (client.get(f"/admin/jobs/{job_id}"), client.delete(f"/admin/jobs/{job_id}")):
        assert answer.status_code in (404, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b'{"server": "a"}', b'{"server_id": 5}', b'{"server_id": ""}', b'{"user_id": "a"}'])
def test_a_bad_body_starts_nothing(client: TestClient, body: bytes) -> None:
    answer = client.post("/admin/jobs/refresh-tastes", content=body)
    assert answer.status_code in (400, 409, 422), answer.text
    assert answer.json()["detail"]


def test_a_key_of_one_server_sees_and_starts_its_jobs_alone(
    client: TestClient, make_key: MakeKey, server: Server, make_server: Callable[[], Server]
) -> None:
    other = make_server()
    theirs, of_all = start(client, "prune", other), client.post("/admin/jobs/prune").json()["job_id"]
    headers = bearer(make_key(["admin"], server))
    # Without a server it is its own that is meant.
    mine = client.post("/admin/jobs/prune", headers=headers).json()["job_id"]
    assert client.get(f"/admin/jobs/{mine}").json()["server_id"] == server.external_id
    assert [one["job_id"] for one in client.get("/admin/jobs", headers=headers).json()["jobs"]] == [mine]
    refused = [
        client.get("/admin/jobs", params={"server_id": other.external_id}, headers=headers),
        client.post("/admin/jobs/prune", json={"server_id": other.external_id}, headers=headers),
        client.post("/admin/user-embeddings/sync", json={"server_id": other.external_id}, headers=headers),
        *(client.get(f"/admin/jobs/{job_id}", headers=headers) for job_id in (theirs, of_all)),
        *(client.delete(f"/admin/jobs/{job_id}", headers=headers) for job_id in (theirs, of_all)),
    ]
    assert [answer.status_code for answer in refused] == [404] * 7
    assert client.get(f"/admin/jobs/{theirs}").json()["status"] == "queued"
    assert client.delete(f"/admin/jobs/{mine}", headers=headers).json()["status"] == "cancelled"


def test_jobs_are_for_admins(client: TestClient, make_key: MakeKey, server: Server) -> None:
    headers, job_id = bearer(make_key(["read", "ingest"], server)), start(client, "prune", server)
    asked = {"server_id": server.external_id}
    refused = [
        client.post("/admin/user-embeddings/sync", json=asked, headers=headers),
        client.post("/admin/jobs/prune", json=asked, headers=headers),
        client.get("/admin/jobs", headers=headers),
        client.get(f"/admin/jobs/{job_id}", headers=headers),
        client.delete(f"/admin/jobs/{job_id}", headers=headers),
    ]
    assert [answer.status_code for answer in refused] == [403] * 5
    assert client.get("/admin/jobs", headers={"Authorization": ""}).status_code == 401


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"schedule": {"prune": "30 3 * * mon-fri", "evaluate": "never"}, "time_zone": "Europe/Berlin"}, 200),
        ({"schedule": {"prune": "at three"}}, 422),
        ({"schedule": {"tidy": "0 3 * * *"}}, 422),
        ({"time_zone": "Europe/Atlantis"}, 422),
        ({"time_zone": "../../etc/passwd"}, 422),
    ],
)
def test_a_servers_schedule_is_checked_when_it_is_put(client: TestClient, server: Server, changed: Any, status: int) -> None:
    answer = client.put(f"/servers/{server.external_id}", json={"name": "Home", "settings": changed})
    assert answer.status_code == status, answer.text
    if status == 200:
        assert {name: answer.json()["settings"][name] for name in changed} == changed
    else:
        assert next(iter(changed)) in answer.json()["detail"]


def test_the_queue_is_measured(client: TestClient, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauges, "READ_QUEUE_EVERY_SECONDS", 0.0)
    client.app.state.stored_gauges._queue_due = 0.0  # type: ignore[attr-defined]
    job_id = start(client, "skew", server)

    def value(name: str) -> float:
        lines = client.get("/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    waiting, cancelled = value("palate_jobs_queued"), 'palate_jobs_last_day{name="skew",outcome="cancelled"}'
    n_cancelled = value(cancelled)
    assert waiting >= 1
    assert value("palate_jobs_oldest_queued_seconds") > 0
    client.delete(f"/admin/jobs/{job_id}")
    assert value("palate_jobs_queued") == waiting - 1
    assert value(cancelled) == n_cancelled + 1
