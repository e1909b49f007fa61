"""Errors as `application/problem+json` (RFC 9457), with a detail that a person can act on and nothing secret."""

import traceback
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.api.metrics import DATABASE_ERRORS
from app.api.readers import check_reader
from app.db import DBAPIError, PoolTimeout, health, is_passing, is_too_slow
from app.errors import Busy, NotReady, PalateError, StatementTooSlow

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
# What is left of a body that was refused is not waited for.
HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 408: {"Connection": "close"}, 413: {"Connection": "close"}, 503: {"Retry-After": "5"}}
NOTHING_HERE = "There is nothing at this address."
PROBLEM_SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"}},
    "required": ["title", "status", "detail"],
}


def problem(status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> Response:
    content = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(content, status, headers, media_type=MEDIA_TYPE)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI descriptions of the errors that an endpoint may answer."""
    return {status: {"description": "Problem", "content": {MEDIA_TYPE: {"schema": PROBLEM_SCHEMA}}} for status in statuses}


def install(app: FastAPI) -> None:
    app.add_exception_handler(PalateError, _palate_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(DBAPIError, _database_error)
    app.add_exception_handler(PoolTimeout, _busy)
    app.add_exception_handler(ClientDisconnect, _gone)


def _palate_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, PalateError)
    return problem(error.status, error.title, str(error), HEADERS.get(error.status))


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # What is wrong with a request is told only to those whose key or token is good. It is looked up here, as a good request does by itself.
    try:
        check_reader(request)
    except PalateError as refusal:
        return _palate_error(request, refusal)
    except DBAPIError as fault:
        return _database_error(request, fault)
    except PoolTimeout as fault:
        return _busy(request, fault)
    faults = [f"{'.'.join(str(part) for part in fault['loc'][1:])}: {fault['msg']}" for fault in error.errors()[:3]]
    return problem(422, "Malformed request", "; ".join(faults))


def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    details = {404: NOTHING_HERE, 405: "This address does not take that method."}
    return problem(error.status_code, str(error.detail), details.get(error.status_code, str(error.detail)), dict(error.headers or {}))


def _database_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DBAPIError)
    if is_too_slow(error):
        return _palate_error(request, StatementTooSlow())
    if is_passing(error):
        DATABASE_ERRORS.labels("away").inc()
        return _palate_error(request, NotReady())
    DATABASE_ERRORS.labels("other").inc()
    # Before `palate migrate` statements fail because tables are missing: that is 503, not 500.
    state = request.app.state
    fault = health.check(state.serve, state.newest_revision).fault
    return unexpected(error) if fault is None else _palate_error(request, NotReady(fault))


def _busy(_request: Request, _error: Exception) -> Response:
    DATABASE_ERRORS.labels("busy").inc()
    return problem(Busy.status, Busy.title, str(Busy()), {"Retry-After": "1"})


def _gone(_request: Request, _error: Exception) -> Response:
    """Nobody reads it; but it is no error of ours."""
    return problem(400, "Malformed request", "The body ended early.")


def unexpected(error: Exception) -> Response:
    # Only its kind and places are logged: the text of an error repeats values, of a statement or of what was sent, and
    # a traceback rendered by structlog shows local variables, the Authorization header among them.
    log.error("unexpected error", error=type(error).__name__, exception="".join(traceback.format_tb(error.__traceback__)))
    return problem(500, "Internal error", "Something went wrong here. The log of the service says more under this request's id.")
