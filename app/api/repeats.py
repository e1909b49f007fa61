"""An answer is not made again while nothing that it depends on has changed: one small query says so.

Its tag is a digest of the versions of all that it depends on, read before it is made: what changes meanwhile makes another tag.
"""

import functools
import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute

from app.api.held_answers import Held
from app.api.metrics import REPEATS
from app.api.readers import TokenReader, reader_of, versions_to_read
from app.db import Connection
from app.db.replicas import asked_again
from app.db.versions import MANY, NO_KEY, Versions, find_versions
from app.errors import UnknownServer
from app.types import Server

# What the clock alone changes (freshness, "lately", what a ranker knows was shown) may be as old as this.
KEPT_SECONDS = 600
# So old may be what is said of others, where they are many: else each play of anybody would make everybody's answers anew.
MANY_KEPT_SECONDS = 60
HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}
# A tag says by its first letter whether its answer counts what others watched: one that doesn't outlasts their plays.
ALONE, WITH_OTHERS = '"a-', '"o-'


@dataclass(frozen=True)
class Made:
    """`is_settled`: may be given again; `counts_others`: says how many others watched something."""

    content: Any
    is_settled: bool
    counts_others: bool


def repeat_or_make(
    request: Request, reader: bytes | TokenReader, server_id: str, user_id: str | None, make: Callable[[Connection, Server, datetime], Made]
) -> Response:
    """304 where the caller has the answer, else the one in memory where it still holds, else a new one."""
    state, now, address = request.app.state, datetime.now(UTC), _address(request)
    held = state.held_answers.get(address)
    with state.reads.begin(server_id, user_id) as connection:
        server, alone, others = _look(connection, request, reader, server_id, user_id, held, now)
        answer = _repeated(request, held, alone, others)
        if answer is not None:
            return answer
        made = make(connection, server, now)
    body, tag = _hold(request, address, made, (alone, others), server_id, user_id)
    return _answer("made", _json(body), tag)


@asked_again
def held_or_made(
    request: Request, server_id: str, user_id: str, name: tuple[object, ...], make: Callable[[Connection, Server, datetime], Made]
) -> Any:
    """The content that is held under this name for this user, where it still holds, else a new one: for those who were let in without a
    key."""
    state, now = request.app.state, datetime.now(UTC)
    # No path begins like this, so that it is never the address of an answer.
    address = repr(("content", server_id, user_id, *name)).encode("utf-8", "surrogateescape")
    held = state.held_answers.get(address)
    with state.reads.begin(server_id, user_id) as connection:
        _, server, versions = find_versions(connection, NO_KEY, server_id, user_id, now, with_others=True)
        if server is None:
            raise UnknownServer
        tags = _tags(address, state.newest_revision, versions, now)
        if held is not None and held.tag in tags:
            REPEATS.labels("held").inc()
            return orjson.loads(held.body)
        made = make(connection, server, now)
    REPEATS.labels("made").inc()
    return orjson.loads(_hold(request, address, made, tags, server_id, user_id)[0])


def _hold(
    request: Request, address: bytes, made: Made, tags: tuple[str, str | None], server_id: str, user_id: str | None
) -> tuple[bytes, str | None]:
    """The answer's body and its tag; None for one that is not kept."""
    alone, others = tags
    body, tag = orjson.dumps(made.content), others if made.counts_others else alone
    if not made.is_settled or tag is None:
        request.app.state.held_answers.drop(address)
        return body, None
    request.app.state.held_answers.put(address, Held(tag, body, server_id, user_id))
    return body, tag


class RepeatRoute(APIRoute):
    """Where the answer to an address is held, its parameters were good: they are not read again, which would take longer than the query
    (EXPERIMENTS, answers that are repeated)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def repeat_or_handle(request: Request) -> Response:
            held = request.app.state.held_answers.get(_address(request))
            answer = None if held is None else await run_in_threadpool(_repeat, request, held)
            return await handle(request) if answer is None else answer

        return repeat_or_handle


@asked_again
def _repeat(request: Request, held: Held) -> Response | None:
    """None where something has changed."""
    reader, now = reader_of(request, held.server_id), datetime.now(UTC)
    with request.app.state.reads.look(held.server_id, held.user_id) as connection:
        _, alone, others = _look(connection, request, reader, held.server_id, held.user_id, held, now)
    return _repeated(request, held, alone, others)


def _look(
    connection: Connection, request: Request, reader: bytes | TokenReader, server_id: str, user_id: str | None, held: Held | None,
    now: datetime,
) -> tuple[Server, str, str | None]:  # fmt: skip
    """The server, and the tags that an answer would have now: one that counts others where it may be asked for."""
    sent = request.headers.get("if-none-match", "")
    with_others = WITH_OTHERS in sent or ALONE not in (held.tag if held else sent)
    server, versions = versions_to_read(connection, request, reader, server_id, user_id, now, with_others=with_others)
    return server, *_tags(_address(request), request.app.state.newest_revision, versions, now)


def _repeated(request: Request, held: Held | None, alone: str, others: str | None) -> Response | None:
    sent = request.headers.get("if-none-match", "")
    for tag in (alone, others):
        if tag and tag in sent:
            return _answer("not modified", Response(status_code=304), tag)
    return _answer("held", _json(held.body), held.tag) if held and held.tag in (alone, others) else None


def _address(request: Request) -> bytes:
    path, query = str(request.scope["path"]), bytes(request.scope["query_string"])
    return path.encode("utf-8", "surrogateescape") + b"?" + query


def _tags(address: bytes, revision: str, versions: Versions, now: datetime) -> tuple[str, str | None]:
    digest = hashlib.blake2b(address, digest_size=16)
    # Not everybody's at one moment.
    seconds = int(now.timestamp()) + int.from_bytes(digest.digest()[:4]) % KEPT_SECONDS
    digest.update(f"{_release()}/{revision}/{seconds // KEPT_SECONDS}/{versions.own}".encode())
    alone = f'{ALONE}{digest.hexdigest()}"'
    if versions.others is None:
        return alone, None
    others = str(seconds // MANY_KEPT_SECONDS) if versions.others == MANY else versions.others
    digest.update(f"/{others}".encode())
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
