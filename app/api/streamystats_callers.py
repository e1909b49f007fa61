"""Who asks in the way of Streamystats: a Jellyfin's user, by their own token, and of which server."""

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request

from app.api.auth import counts_by_itself
from app.connect.jellyfin_user_token import TokenUser, token_in
from app.connect.lenient import guid
from app.db.connections import ConnectedJellyfin, Selector, find_jellyfin, only_jellyfin
from app.errors import PalateError

MAX_ID = 2**63 - 1


class NoSelector(PalateError):
    """A client of Streamystats names its server by one of them, most by Jellyfin's own id."""

    status, title = 400, "Server identifier required. Use one of: serverId, serverName, serverUrl, or jellyfinServerId"


class NoSuchServer(PalateError):
    """No Jellyfin that is connected here fits. `palate connect jellyfin URL` connects one."""

    status, title = 404, "Server not found"


class Unauthorized(PalateError):
    """Send a Jellyfin user's own token: `Authorization: MediaBrowser Token="..."`. An API key is no user's, of Jellyfin or of Palate."""

    status, title = 401, "Unauthorized"


@dataclass(frozen=True, slots=True)
class Caller:
    """A user of this Jellyfin, whom it vouched for within the last minute."""

    server: ConnectedJellyfin
    user: TokenUser


def selector_in(query: Mapping[str, str]) -> Selector:
    """Raises NoSelector."""
    number = query.get("serverId", "").strip()
    # A NUL fits nothing, and the database would not take it.
    words = {
        name: value for name in ("jellyfinServerId", "serverName", "serverUrl") if "\x00" not in (value := query.get(name, "").strip())
    }
    selector = Selector(
        id=min(int(number), MAX_ID) if number.isascii() and number.isdigit() and len(number) < 20 else None,
        media_server_id=guid(words.get("jellyfinServerId")) or words.get("jellyfinServerId") or None,
        name=words.get("serverName") or None,
        url=words.get("serverUrl", "").rstrip("/") or None,
    )
    if selector == Selector():
        raise NoSelector
    return selector


def named_server(request: Request, selector: Selector) -> ConnectedJellyfin:
    """Raises NoSuchServer."""
    with request.app.state.serve.begin() as connection:
        server = find_jellyfin(connection, selector)
    if server is None:
        raise NoSuchServer
    return server


def caller_at(request: Request, server: ConnectedJellyfin) -> Caller:
    """Raises Unauthorized. No connection to the database is held while the Jellyfin is asked."""
    token = token_in(request.headers.get("authorization", ""))
    user = None if token is None else request.app.state.user_tokens.user_of(server.id, server.url, token)
    if user is None:
        raise Unauthorized
    counts_by_itself(request)
    return Caller(server, user)


def caller_anywhere(request: Request) -> Caller:
    """Where no server need be named. Raises Unauthorized.

    The token decides: the server that is named, the one where it was good lately, or the only one. It is not tried at each in turn, as
    each would learn the tokens of the others' users.
    """
    token = token_in(request.headers.get("authorization", ""))
    if token is None:
        raise Unauthorized
    try:
        selector = selector_in(request.query_params)
    except NoSelector:
        selector = Selector(id=request.app.state.user_tokens.server_of(token))
    with request.app.state.serve.begin() as connection:
        server = only_jellyfin(connection) if selector == Selector() else find_jellyfin(connection, selector)
    if server is None:
        raise Unauthorized("Which server this token is of is not known yet. Name it with jellyfinServerId.")
    return caller_at(request, server)
