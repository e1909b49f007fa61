"""Connecting a media server on the page: it is asked what it holds, remembered, and read by a job whose progress is shown.

The token goes to that server and, encrypted, into the database; no answer, address or log line holds it.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from app.api.auth import authorise
from app.connect.jellyfin_server import PLUGINS
from app.connect.media_client import checked_url
from app.connect.media_servers import open_media_server
from app.db import Connection, DBAPIError, PoolTimeout
from app.db.connections import store_connection
from app.db.jobs import get_job
from app.db.queue import ask_for
from app.errors import BadInput, InvalidKey, MissingKey, PalateError, ScopeMissing, UnknownJob
from app.job_types import Job
from app.secrets import encrypted, secret_key
from app.types import MediaServerKind
from app.web.rendering import pages_of, passing, read_form, to_login
from app.web.session import CrossSite, is_cross_site
from app.web.view import MAX_ID_CHARACTERS, may_connect

router = APIRouter(include_in_schema=False, prefix="/connect")
Form = Annotated[dict[str, str], Depends(read_form)]

KINDS: dict[MediaServerKind, str] = {"jellyfin": "Jellyfin", "emby": "Emby", "plex": "Plex"}
# Somebody waits in front of a page.
TIMEOUT_SECONDS = 15.0
# A worker that runs has begun by then.
USUAL_WAIT = timedelta(seconds=10)
# An estimate from less is none.
LEAST_ELAPSED_SECONDS = 3.0


@router.get("")
def get_form(request: Request) -> Response:
    try:
        with request.app.state.serve.begin() as connection:
            _check_operator(connection, request)
    except (PalateError, DBAPIError, PoolTimeout) as error:
        return _refused(request, error)
    return _form(request, {}, None, 200)


@router.post("")
def post_form(request: Request, form: Form) -> Response:
    if is_cross_site(request):
        return _refused(request, CrossSite())
    try:
        with request.app.state.serve.begin() as connection:
            _check_operator(connection, request)
    except (PalateError, DBAPIError, PoolTimeout) as error:
        return _refused(request, error)
    try:
        return _connect(request, _kind(form), form.get("url", ""), form.get("token", ""), _checked_id(form.get("server_id", "")))
    except (MissingKey, InvalidKey, ScopeMissing) as error:
        return _refused(request, error)
    except PalateError as error:
        # Not the media server's own status, which a proxy in front of us would take for ours: what was typed can't be used.
        return _form(request, form, error, 422)
    except (DBAPIError, PoolTimeout) as error:
        return _form(request, form, passing(error), 503)


@router.get("/progress")
def get_progress(request: Request, job_id: str = "") -> Response:
    """What htmx swaps into the page, and a page of its own without it."""
    try:
        with request.app.state.serve.begin() as connection:
            _check_operator(connection, request)
            job = _job(connection, job_id)
    except (PalateError, DBAPIError, PoolTimeout) as error:
        return _refused(request, error)
    template = "progress.html" if "hx-request" in request.headers else "progress_page.html"
    return _progress(request, template, job)


def _connect(request: Request, kind: MediaServerKind, url: str, token: str, server_id: str) -> Response:
    with open_media_server(kind, url, token, timeout=TIMEOUT_SECONDS, pauses=()) as media:
        info = media.info()
        found = media.look_around()
    state = request.app.state
    now = datetime.now(UTC)
    with state.work.begin() as connection:
        # Again: to look around may take a while.
        _check_operator(connection, request)
        secret = encrypted(token, secret_key(state.settings))
        server = store_connection(connection, server_id, kind, media.url, secret, info.name, info.id)
        job = get_job(connection, ask_for(connection, "sync-library", server, None, now))
    state.reads.wrote(server_id, None)
    return _progress(request, "connected.html", job, product=media.product, info=info, found=found, plugins=PLUGINS)


def _check_operator(connection: Connection, request: Request) -> None:
    """Raises MissingKey, InvalidKey and ScopeMissing."""
    digest = pages_of(request).sessions.read(request)
    if digest is None:
        raise MissingKey
    if not may_connect(authorise(connection, request, digest, "admin")):
        raise ScopeMissing("This key is for one server alone. To connect a media server takes an admin key for all of them.")


def _kind(form: dict[str, str]) -> MediaServerKind:
    return next((kind for kind in KINDS if kind == form.get("kind", "jellyfin")), "jellyfin")


def _checked_id(server_id: str) -> str:
    if not server_id or len(server_id) > MAX_ID_CHARACTERS or not server_id.isprintable():
        raise BadInput(f"A name for the server has up to {MAX_ID_CHARACTERS} characters on one line.")
    return server_id


def _job(connection: Connection, job_id: str) -> Job:
    if not job_id.isascii() or not job_id.isdigit() or len(job_id) > 18:
        raise UnknownJob
    job = get_job(connection, int(job_id))
    if job.name != "sync-library":
        raise UnknownJob
    return job


def _form(request: Request, form: dict[str, str], problem: PalateError | None, status: int) -> HTMLResponse:
    return pages_of(request).html(
        request, "connect.html", status, problem=problem, url=_shown_url(form.get("url", "")), server_id=form.get("server_id", "home"),
        kind=_kind(form), kinds=KINDS,
    )  # fmt: skip


def _shown_url(url: str) -> str:
    """Only an address is shown again: somebody may have put the token there."""
    try:
        return checked_url(url)
    except BadInput:
        return ""


def _progress(request: Request, template: str, job: Job, **more: object) -> HTMLResponse:
    now = datetime.now(UTC)
    is_late = job.status == "queued" and now - job.queued_at > USUAL_WAIT
    return pages_of(request).html(request, template, 200, job=job, is_late=is_late, remaining=remaining(job, now), **more)


def remaining(job: Job, now: datetime) -> str | None:
    """How long it will take at the speed it had; None: nobody knows yet."""
    if job.status != "running" or job.started_at is None or not job.done or job.total <= job.done:
        return None
    elapsed = (now - job.started_at).total_seconds()
    if elapsed < LEAST_ELAPSED_SECONDS:
        return None
    seconds = elapsed * (job.total - job.done) / job.done
    if seconds < 60:
        return "less than a minute"
    minutes = round(seconds / 60)
    return f"about {minutes} minute{'s' if minutes != 1 else ''}" if minutes < 90 else f"about {round(minutes / 60)} hours"


def _refused(request: Request, error: PalateError | DBAPIError | PoolTimeout) -> Response:
    if isinstance(error, MissingKey | InvalidKey):
        return to_login(request)
    problem = error if isinstance(error, PalateError) else passing(error)
    return pages_of(request).html(request, "message.html", problem.status, problem=problem)
