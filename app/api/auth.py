"""Who asks: a key in the Authorization header, checked in the transaction of the request."""

import hmac
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from app.db import Connection, servers
from app.db.versions import Versions, find_versions
from app.errors import InvalidKey, MissingKey, ScopeMissing, UnknownServer
from app.types import Key, Scope, Server

BOOTSTRAP = Key(None, "bootstrap", frozenset({"admin"}), None)


BEARER = HTTPBearer(scheme_name="key", description="An API key; `palate keys create` makes one.", auto_error=False)


# No thread is taken for it.
async def read_bearer(request: Request, _described: Annotated[object, Security(BEARER)] = None) -> bytes:
    """The digest of the key that the caller sent. Raises MissingKey before anything else of the request is looked at."""
    return sent_key(request)


def sent_key(request: Request) -> bytes:
    """The digest of the key that the caller sent. Raises MissingKey."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise MissingKey
    return servers.digest_of(key.strip())


Credentials = Annotated[bytes, Depends(read_bearer)]


def check_key(request: Request, digest: Credentials) -> None:
    """In a short transaction of its own, for what is not told or taken before the key is known to be good. Raises InvalidKey."""
    with request.app.state.serve.begin() as connection:
        _known(request, digest, servers.find_access(connection, digest, None)[0])


GoodKey = Depends(check_key)


def authorise(connection: Connection, request: Request, digest: bytes, scope: Scope) -> Key:
    """The key, if it is good for this. Raises InvalidKey, ScopeMissing."""
    return _check(request, digest, servers.find_access(connection, digest, None)[0], scope)


def open_server(connection: Connection, request: Request, digest: bytes, scope: Scope, server_id: str) -> Server:
    """The server, if the key may do this there. A server that the key may not see is as unknown as one that is not there."""
    found, server = servers.find_access(connection, digest, server_id)
    return _seen(_check(request, digest, found, scope), server)


def open_versions(
    connection: Connection, request: Request, digest: bytes, server_id: str, user_id: str | None, now: datetime, *, with_others: bool
) -> tuple[Server, Versions]:
    """As `open_server`, to read; and the versions of what an answer to this user depends on, in one query."""
    found, server, versions = find_versions(connection, digest, server_id, user_id, now, with_others=with_others)
    return _seen(_check(request, digest, found, "read"), server), versions


def _seen(key: Key, server: Server | None) -> Server:
    if server is None or (key.server_id is not None and key.server_id != server.id):
        raise UnknownServer
    return server


def _check(request: Request, digest: bytes, found: Key | None, scope: Scope) -> Key:
    key = _known(request, digest, found)
    if not key.allows(scope):
        raise ScopeMissing(f"This key does not have the scope {scope} that the call needs.")
    return key


def _known(request: Request, digest: bytes, found: Key | None) -> Key:
    is_bootstrap = hmac.compare_digest(digest, request.app.state.admin_digest)
    key = BOOTSTRAP if is_bootstrap else found
    if key is None:
        raise InvalidKey
    counts_by_itself(request)
    if key.id is not None:
        request.app.state.key_use.note(key.id)
    return key


def counts_by_itself(request: Request) -> None:
    """For the rate limits: whoever asks is known, and counts by what they sent rather than by their address."""
    request.scope["has_good_key"] = True
