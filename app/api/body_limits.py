"""How large a body may be, and how long it may take to come."""

import asyncio
import time
from collections.abc import MutableMapping
from typing import Any

from app.api.middleware import App, Receive, Scope, Send, path_of
from app.api.problems import HEADERS, problem
from app.api.webhook_secret import WEBHOOKS
from app.errors import BodyTooLarge, BodyTooSlow

MAX_BYTES = 64 << 20
# Of the login form, and whatever else takes no rows. A webhook of Plex brings a small picture.
MAX_FORM_BYTES = 1 << 20
FORMS = ("/login", "/logout")
# 64 MB at 10 Mbit/s.
MAX_SECONDS = 60.0


class BodyLimits:
    """ASGI middleware. What is told to be too large is refused unread; what is not told (chunked) as soon as it is."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = path_of(scope)
        most = MAX_FORM_BYTES if path in FORMS or path.startswith(WEBHOOKS) else MAX_BYTES
        if _told(scope) > most:
            error = _too_large(most)
            await problem(error.status, error.title, str(error), HEADERS[error.status])(scope, receive, send)
            return
        n_bytes, until, is_whole = 0, time.monotonic() + MAX_SECONDS, False

        async def receive_some() -> MutableMapping[str, Any]:
            nonlocal n_bytes, is_whole
            if is_whole:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), until - time.monotonic())
            except TimeoutError:
                raise BodyTooSlow from None
            n_bytes += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if n_bytes > most:
                raise _too_large(most)
            return message

        await self.app(scope, receive_some, send)


def _too_large(most: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {most >> 20} MB. Send it in several calls.")


def _told(scope: Scope) -> int:
    """The length that the header tells; 0 where it tells none."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
