"""Who reads what one user may see: a key, or that user's own token of their Jellyfin, which reads as them and as nobody else."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyHeader

from app.api.auth import BEARER, check_key, open_server, open_versions, sent_key
from app.api.streamystats_callers import Unauthorized, caller_at
from app.connect.jellyfin_user_token import token_in
from app.db import Connection
from app.db.connections import jellyfin_of
from app.db.servers import find_server
from app.db.versions import NO_KEY, Versions, find_versions
from app.errors import PalateError, ScopeMissing, UnknownServer, UnknownUser
from app.types import Server

USER_TOKEN = APIKeyHeader(
    name="Authorization", scheme_name="user token", auto_error=False,
    description='A Jellyfin user\'s own, as `MediaBrowser Token="..."`: reads as that user, on that server.',
)  # fmt: skip


class TokenRefused(PalateError):
    """No Jellyfin that is connected as this server says that this token is a user's. A key reads too: `Authorization: Bearer KEY`."""

    status, title = 401, "Token not accepted"


@dataclass(frozen=True, slots=True)
class TokenReader:
    """Whom a Jellyfin vouched for. `server_id` is ours, `user_id` the media server's."""

    server_id: int
    user_id: str


async def read_reader(
    request: Request, _key: Annotated[object, Security(BEARER)] = None, _token: Annotated[object, Security(USER_TOKEN)] = None
) -> bytes | TokenReader:
    """Raises MissingKey and TokenRefused before anything else of the request is looked at."""
    if token_in(_sent(request)) is None:
        return sent_key(request)
    return await run_in_threadpool(_vouched, request, request.query_params.get("server_id", ""))


Reader = Annotated[bytes | TokenReader, Depends(read_reader)]


def reader_of(request: Request, server_id: str) -> bytes | TokenReader:
    """The digest of a key, which is not checked yet, or whose token it is. Raises MissingKey, TokenRefused."""
    return sent_key(request) if token_in(_sent(request)) is None else _vouched(request, server_id)


def _vouched(request: Request, server_id: str) -> TokenReader:
    with request.app.state.serve.begin() as connection:
        # A NUL is in no id, and the database would not take it.
        server = None if "\x00" in server_id else jellyfin_of(connection, server_id)
    if server is None:
        raise TokenRefused
    try:
        caller = caller_at(request, server)
    except Unauthorized:
        raise TokenRefused from None
    request.scope["has_good_token"] = True
    return TokenReader(server.id, caller.user.id)


def check_reader(request: Request) -> None:
    """Of a request that is refused for what it asks: raises what refuses the caller, who is then told no more."""
    if "has_good_token" not in request.scope:
        check_key(request, sent_key(request))


def open_to_read(connection: Connection, request: Request, reader: bytes | TokenReader, server_id: str, user_id: str | None) -> Server:
    """The server, if the reader may see there what this user may. Raises what `open_server` does, and UnknownUser."""
    if isinstance(reader, bytes):
        return open_server(connection, request, reader, "read", server_id)
    return _own(reader, find_server(connection, server_id), user_id)


def versions_to_read(
    connection: Connection, request: Request, reader: bytes | TokenReader, server_id: str, user_id: str | None, now: datetime,
    *, with_others: bool,
) -> tuple[Server, Versions]:  # fmt: skip
    """The same, and in one query the versions of what an answer to this user depends on."""
    if isinstance(reader, bytes):
        return open_versions(connection, request, reader, server_id, user_id, now, with_others=with_others)
    _, server, versions = find_versions(connection, NO_KEY, server_id, user_id, now, with_others=with_others)
    return _own(reader, server, user_id), versions


def _own(reader: TokenReader, server: Server | None, user_id: str | None) -> Server:
    if server is None or server.id != reader.server_id:
        raise UnknownServer
    if user_id is None:
        raise ScopeMissing("A user's own token reads as that user alone: send their user_id.")
    if user_id != reader.user_id:
        raise UnknownUser("This token is not of a user with this id. Ids are Jellyfin's own: 32 hexadecimal digits, in lower case.")
    return server


def _sent(request: Request) -> str:
    return request.headers.get("authorization", "")
