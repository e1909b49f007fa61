"""POST /admin/user-embeddings/sync, POST /admin/jobs/{name}, GET /admin/jobs, GET and DELETE /admin/jobs/{job_id}"""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.api.auth import Credentials, authorise, open_server
from app.api.parameters import NO_NUL, Payload, described_body, described_optional_body, parse_body
from app.api.problems import documented
from app.connect.bodies import PlainText
from app.db import Connection, jobs, servers
from app.db.queue import ask_for, cancel
from app.job_types import JOB_NAMES, Job, JobName, JobStatus
from app.types import Key, Server

router = APIRouter(prefix="/admin", tags=["jobs"])

Id = Annotated[str, StringConstraints(min_length=1, max_length=256), Field(json_schema_extra=NO_NUL), PlainText]
JobPath = Annotated[int, Path(ge=1, le=2**63 - 1, description="Id of the job, as it was answered when it was asked for.")]
NamePath = Annotated[str, Path(description="Name of the job.", json_schema_extra={"enum": list(JOB_NAMES)})]


class SyncBody(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    server_id: Id
    user_id: Id | None = None


class JobBody(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    server_id: Id | None = None
    user_id: Id | None = None


ERRORS = documented(400, 401, 403, 404, 409, 413, 422, 503)


@router.post("/user-embeddings/sync", status_code=202, responses=ERRORS, openapi_extra=described_body(SyncBody.model_json_schema()))
def sync_user_embeddings(request: Request, key: Credentials, payload: Payload) -> dict[str, int]:
    """Recompute the taste vectors of a server's people, or of one of them. What `refresh-tastes` does."""
    body = parse_body(SyncBody, payload)
    return _ask(request, key, "refresh-tastes", body.server_id, body.user_id)


@router.post("/jobs/{name}", status_code=202, responses=ERRORS, openapi_extra=described_optional_body(JobBody.model_json_schema()))
def start_job(request: Request, key: Credentials, name: NamePath, payload: Payload) -> dict[str, int]:
    """Start a job for one server, or without one for all. Where the same waits already, its id is answered."""
    body = parse_body(JobBody, payload or b"{}")
    return _ask(request, key, name, body.server_id, body.user_id)


@router.get("/jobs", responses=documented(401, 403, 404, 422, 503))
def get_jobs(
    request: Request,
    key: Credentials,
    server_id: Annotated[
        Annotated[str, PlainText] | None, Query(min_length=1, max_length=256, description="Only of this server.", json_schema_extra=NO_NUL)
    ] = None,
    name: Annotated[JobName | None, Query(description="Only of this name.")] = None,
    status: Annotated[JobStatus | None, Query(description="Only in this state.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    """Jobs, the newest first. A key of one server sees its jobs alone."""
    with request.app.state.serve.begin() as connection:
        server = _meant(connection, request, key, server_id)
        found = jobs.find_jobs(connection, None if server is None else server.id, limit, name, status)
    return {"jobs": [job.as_json() for job in found]}


@router.get("/jobs/{job_id}", responses=documented(401, 403, 404, 422, 503))
def get_job(request: Request, key: Credentials, job_id: JobPath) -> dict[str, Any]:
    """One job: how far it is, what it did, why it failed."""
    with request.app.state.serve.begin() as connection:
        return _seen(connection, authorise(connection, request, key, "admin"), job_id).as_json()


@router.delete("/jobs/{job_id}", responses=documented(401, 403, 404, 409, 422, 503))
def cancel_job(request: Request, key: Credentials, job_id: JobPath) -> dict[str, Any]:
    """Cancel a job that waits, at once, or one that runs, within a second or two."""
    with request.app.state.work.begin() as connection:
        found = authorise(connection, request, key, "admin")
        cancel(connection, _seen(connection, found, job_id), datetime.now(UTC))
        return _seen(connection, found, job_id).as_json()


def _ask(request: Request, key: bytes, name: str, server_id: str | None, user_id: str | None) -> dict[str, int]:
    with request.app.state.work.begin() as connection:
        server = _meant(connection, request, key, server_id)
        return {"job_id": ask_for(connection, name, server, user_id, datetime.now(UTC))}


def _meant(connection: Connection, request: Request, key: bytes, server_id: str | None) -> Server | None:
    """The server that is named, else the key's own; None: every server."""
    if server_id is not None:
        return open_server(connection, request, key, "admin", server_id)
    found = authorise(connection, request, key, "admin")
    return None if found.server_id is None else servers.get_server(connection, found.server_id)


def _seen(connection: Connection, key: Key, job_id: int) -> Job:
    return jobs.get_job(connection, job_id, key.server_id)
