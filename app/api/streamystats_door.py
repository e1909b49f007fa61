"""What clients of Streamystats expect of every address under /api: to be called from any page, errors as `{"error"}`, no redirects."""

import re
from collections.abc import MutableMapping
from typing import Any

import orjson

from app.api.middleware import App, Receive, Scope, Send, path_of
from app.api.problems import MEDIA_TYPE

UNDER_API = re.compile(r"/+api(/|$)")
# No cookie opens anything here, so pages of others get no further than with a token that they have.
CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, POST, PATCH, DELETE, OPTIONS"),
    (b"access-control-allow-headers", b"Content-Type, Authorization, X-Emby-Token, X-MediaBrowser-Token"),
]
PRIVATE = [(b"cache-control", b"private"), (b"vary", b"Authorization")]


class StreamystatsDoor:
    """ASGI middleware."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = path_of(scope) if scope["type"] == "http" else ""
        if not UNDER_API.match(path):
            await self.app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS":
            await send({"type": "http.response.start", "status": 204, "headers": CORS + PRIVATE})
            await send({"type": "http.response.body", "body": b""})
            return
        # Whatever the number of slashes, answered here: a redirect may lose the Authorization header.
        root = scope["path"][: len(scope["path"]) - len(path)]
        scope["path"] = root + "/" + "/".join(part for part in path.split("/") if part)
        await self.app(scope, receive, _Answer(send))


class _Answer:
    """Passes an answer on; one that is a problem whole, as these clients read it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._problem: MutableMapping[str, Any] | None = None
        self._body = b""

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            mine = [*CORS, *PRIVATE]
            names = {name for name, _ in mine} | {b"access-control-expose-headers"}
            message["headers"] = [pair for pair in message["headers"] if pair[0].lower() not in names] + mine
            if (b"content-type", MEDIA_TYPE.encode()) in message["headers"]:
                self._problem = message
                return
        elif self._problem is not None:
            self._body += message.get("body", b"")
            if message.get("more_body", False):
                return
            message = await self._begin(self._problem)
        await self._send(message)

    async def _begin(self, start: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        problem = orjson.loads(self._body)
        body = orjson.dumps({"error": problem["title"], "message": problem["detail"]})
        rewritten = {b"content-type": b"application/json", b"content-length": str(len(body)).encode()}
        start["headers"] = [(name, value) for name, value in start["headers"] if name.lower() not in rewritten] + list(rewritten.items())
        await self._send(start)
        return {"type": "http.response.body", "body": body}
