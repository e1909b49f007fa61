"""An answer is not made again while nothing that it depends on has changed: one small query says so.

Its tag is a digest of the versions of all that it depends on, read before it is made: what changes meanwhile makes another tag.
"""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import orjson
from fastapi import Request, Response

from app.api.auth import open_versions
from app.api.held_answers import Held
from app.api.metrics import REPEATS
from app.db import Connection
from app.db.versions import Versions
from app.types import Server

# What the clock alone changes (freshness, "lately", what a ranker knows was shown) may be as old as this.
KEPT_SECONDS = 600
HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}
# A tag says by its first letter whether its answer counts what others watched: one that doesn't outlasts their plays.
ALONE, WITH_OTHERS = '"a-', '"o-'


@dataclass(frozen=True)
class Made:
    """`is_settled`: may be given again; `counts_others`: says how many others watched something."""

    content: dict[str, Any]
    is_settled: bool
    counts_others: bool


def repeat_or_make(
    request: Request, digest: bytes, server_id: str, user_id: str | None, make: Callable[[Connection, Server, datetime], Made]
) -> Response:
    """304 where the caller has the answer, else the one in memory where it still holds, else a new one."""
    state, now, address = request.app.state, datetime.now(UTC), _address(request)
    held, sent = state.held_answers.get(address), request.headers.get("if-none-match", "")
    # Asked for unless it is known that nobody will look at it.
    with_others = WITH_OTHERS in sent or ALONE not in (held.tag if held else sent)
    with state.serve.begin() as connection:
        server, versions = open_versions(connection, request, digest, server_id, user_id, now, with_others=with_others)
        alone, others = _tags(address, state.newest_revision, versions, now)
        for tag in (alone, others):
            if tag and tag in sent:
                return _answer("not modified", Response(status_code=304), tag)
        if held and held.tag in (alone, others):
            return _answer("held", _json(held.body), held.tag)
        made = make(connection, server, now)
    body, tag = orjson.dumps(made.content), others if made.counts_others else alone
    if not made.is_settled or tag is None:
        state.held_answers.drop(address)
        return _answer("made", _json(body), None)
    state.held_answers.put(address, Held(tag, body))
    return _answer("made", _json(body), tag)


def _address(request: Request) -> bytes:
    path, query = str(request.scope["path"]), bytes(request.scope["query_string"])
    return path.encode("utf-8", "surrogateescape") + b"?" + query


def _tags(address: bytes, revision: str, versions: Versions, now: datetime) -> tuple[str, str | None]:
    digest = hashlib.blake2b(address, digest_size=16)
    # Not everybody's at one moment.
    phase = int.from_bytes(digest.digest()[:4]) % KEPT_SECONDS
    period = int(now.timestamp() + phase) // KEPT_SECONDS
    digest.update(f"{_release()}/{revision}/{period}/{versions.own}".encode())
    alone = f'{ALONE}{digest.hexdigest()}"'
    if versions.others is None:
        return alone, None
    digest.update(f"/{versions.others}".encode())
    return alone, f'{WITH_OTHERS}{digest.hexdigest()}"'


@functools.cache
def _release() -> str:
    return version("palate")


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def _answer(how: str, response: Response, tag: str | None) -> Response:
    REPEATS.labels(how).inc()
    response.headers.update(HEADERS if tag is None else HEADERS | {"ETag": f"W/{tag}"})
    return response
