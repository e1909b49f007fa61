"""Health, readiness, version, metrics."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from app.api.gauges import read_state
from app.api.metrics import exposition
from app.api.problems import documented, problem
from app.db import health

router = APIRouter(tags=["health"])
Found = TypeVar("Found")


@router.get("/health/live")
async def live() -> dict[str, str]:
    """The process answers. On the event loop: it must not wait for a thread while all of them wait for the database."""
    return {"status": "ok"}


@router.get("/health/ready", responses=documented(503), response_model=None)
async def ready(request: Request) -> Response | dict[str, Any]:
    """The database answers, is migrated, and may have spaces. 503 while it cannot be used."""
    state = request.app.state
    found = await watched(request, lambda: health.check(state.watch, state.newest_revision))
    if found.fault is not None:
        return problem(503, "Not ready", found.fault, {"Retry-After": "5"})
    return {"status": "ok", "database": "ok", "migration": found.revision, "spaces": {"live": found.n_live_spaces}}


@router.get("/api/health")
async def api_health() -> dict[str, str]:
    return {"status": "ok", "timestamp": datetime.now(UTC).isoformat()}


@router.get("/api/version")
async def api_version() -> dict[str, Any]:
    current = version("palate")
    return {"currentVersion": current, "latestVersion": current, "hasUpdate": False, "buildTime": 0}


operator_router = APIRouter(tags=["health"])


@operator_router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """Prometheus metrics: counters of all web processes together, and the state as this one finds it."""
    return Response(await watched(request, lambda: _measured(request)), media_type=CONTENT_TYPE_LATEST)


def _measured(request: Request) -> bytes:
    read_state(request.app.state)
    request.app.state.stored_gauges.refresh()
    return exposition()


async def watched(request: Request, look: Callable[[], Found]) -> Found:
    """In a thread that is kept for it."""
    return await asyncio.get_running_loop().run_in_executor(request.app.state.watchers, look)
