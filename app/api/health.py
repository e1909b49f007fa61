"""Health, readiness, version, metrics."""

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.api.gauges import read_state
from app.api.problems import documented, problem
from app.db import health

router = APIRouter(tags=["health"])


@router.get("/health/live")
async def live() -> dict[str, str]:
    """The process answers. On the event loop: it must not wait for a thread while all of them wait for the database."""
    return {"status": "ok"}


@router.get("/health/ready", responses=documented(503), response_model=None)
def ready(request: Request) -> Response | dict[str, Any]:
    """The database answers, is migrated, and may have spaces. 503 while it cannot be used."""
    state = request.app.state
    found = health.check(state.serve, state.newest_revision)
    if found.fault is not None:
        return problem(503, "Not ready", found.fault, {"Retry-After": "5"})
    return {"status": "ok", "database": "ok", "migration": found.revision, "spaces": {"live": found.n_live_spaces}}


@router.get("/api/health")
def api_health() -> dict[str, str]:
    return {"status": "ok", "timestamp": datetime.now(UTC).isoformat()}


@router.get("/api/version")
def api_version() -> dict[str, Any]:
    current = version("palate")
    return {"currentVersion": current, "latestVersion": current, "hasUpdate": False, "buildTime": 0}


operator_router = APIRouter(tags=["health"])


@operator_router.get("/metrics", response_class=Response)
def metrics(request: Request) -> Response:
    """Prometheus metrics of this process."""
    read_state(request.app.state)
    request.app.state.stored_gauges.refresh()
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
