"""Around every request: an id, a time, a log line, headers that browsers heed."""

import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from app.api.metrics import REQUEST_SECONDS
from app.api.problems import NOTHING_HERE, problem, unexpected

log = structlog.get_logger()

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
]
# Asked for every few seconds by monitors: not worth a line each.
QUIET_ROUTES = ("/health/live", "/health/ready", "/api/health", "/metrics")
# A caller may invent methods, and each would be a series of its own in the metrics for as long as the process runs.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def path_of(scope: Scope) -> str:
    """Of an HTTP request, without the path that a reverse proxy serves Palate under."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


class RequestLog:
    """ASGI middleware. Logs the route, not the URL: an address may hold an id that is a secret."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        status: int | None = None

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode()), *SECURITY_HEADERS]
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception as error:
            if status is not None:
                raise  # half of an answer is out already
            # Here and not in a handler of the application's: that answers outside of this, without the id.
            await unexpected(error)(scope, receive, send_with_headers)
        finally:
            self._record(scope, status or 500, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in METHODS else "other"
        REQUEST_SECONDS.labels(method, route, status).observe(seconds)
        if route not in QUIET_ROUTES:
            log.info("request", method=method, route=route, status=status, ms=round(seconds * 1000, 1))


class OperatorPages:
    """ASGI middleware: /metrics and /docs answer only whom the setting names."""

    PATHS = ("/metrics", "/docs", "/openapi.json")

    def __init__(self, app: App, who: str) -> None:
        self.app, self.who = app, who

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and path_of(scope) in self.PATHS and not self._may(scope):
            await problem(404, "Not Found", NOTHING_HERE)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _may(self, scope: Scope) -> bool:
        if self.who != "loopback":
            return self.who == "anyone"
        client = scope.get("client")
        return client is not None and (client[0].startswith("127.") or client[0] == "::1")


class BasePath:
    """ASGI middleware: the service under a path of a reverse proxy, whether that passes the path on or takes it off."""

    def __init__(self, app: App, base_path: str) -> None:
        self.app, self.base_path = app, base_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            is_whole = path == self.base_path or path.startswith(f"{self.base_path}/")
            scope.update(root_path=self.base_path, path=path if is_whole else self.base_path + path)
        await self.app(scope, receive, send)
