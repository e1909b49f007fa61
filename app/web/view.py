"""What the page shows, read in one transaction."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.db import Connection
from app.db.servers import UserSummary, Watched, list_servers, list_users, recent_history
from app.errors import PalateError, UnknownServer, UnknownUser
from app.learn.second_stage import SecondStage
from app.recommend.interests import Interest, interests
from app.recommend.pipeline import recommend
from app.recommend.rankers import Rankers
from app.types import Filters, Key, Server, Slate

N_SUGGESTED = 20
N_WATCHED = 40
MAX_ID_CHARACTERS = 256
# More than anybody looks through; the page holds them all in one list.
MAX_LISTED = 1_000

Shown = Literal["all", "movie", "series"]
SHOWN: dict[str, Shown] = {"all": "all", "movie": "movie", "series": "series"}


class UnreadableAddress(PalateError):
    """This address asks for something that cannot be. Choose from the page instead."""

    status, title = 422, "Unreadable address"


@dataclass(frozen=True)
class Wanted:
    """What the address asks for, as it came. An empty id leaves the choice to the page."""

    server_id: str
    user_id: str
    type: str


@dataclass
class View:
    """Filled step by step, so that what was found before a problem is still shown beside it."""

    type: Shown = "all"
    servers: Sequence[Server] = ()
    server: Server | None = None
    users: Sequence[UserSummary] = ()
    user: UserSummary | None = None
    slate: Slate | None = None
    interests: Sequence[Interest] = ()
    history: Sequence[Watched] = ()
    problem: PalateError | None = None
    may_connect: bool = False


def read_view(connection: Connection, key: Key, wanted: Wanted, now: datetime, rankers: Rankers[SecondStage]) -> View:
    """What can be shown of what is wanted; what stood in the way is in `problem`."""
    view = View(servers=list_servers(connection, key.server_id), may_connect=may_connect(key))
    try:
        _fill(connection, view, wanted, now, rankers)
    except PalateError as error:
        view.problem = error
    return view


def may_connect(key: Key) -> bool:
    """Whether it may have a media server connected. Whoever has any address on this machine's network asked has to
    be trusted with all servers."""
    return key.allows("admin") and key.server_id is None


def _fill(connection: Connection, view: View, wanted: Wanted, now: datetime, rankers: Rankers[SecondStage]) -> None:
    _check(wanted)
    view.type = SHOWN[wanted.type]
    view.server = _chosen_server(view.servers, wanted.server_id)
    if view.server is None:
        return
    # One more than are shown says that there are more.
    view.users = list_users(connection, view.server.id, limit=MAX_LISTED + 1)
    view.user = _chosen_user(connection, view.server, view.users, wanted.user_id)
    if view.user is None:
        return
    user = view.user.external_id
    filters = Filters(kind=None if view.type == "all" else view.type)
    # Not logged as served: who looks here is rarely the one whom the slate is for.
    view.slate = recommend(
        connection,
        view.server,
        user,
        filters,
        limit=N_SUGGESTED,
        offset=0,
        explain=True,
        now=now,
        slate_id=uuid.uuid4(),
        rankers=rankers,
    )
    view.interests = interests(connection, view.server, user, now).facets
    view.history = recent_history(connection, view.server.id, user, N_WATCHED)


def _check(wanted: Wanted) -> None:
    for value in (wanted.server_id, wanted.user_id):
        if "\x00" in value:
            raise UnreadableAddress("An id in this address holds a NUL character. Choose from the page instead.")
        if len(value) > MAX_ID_CHARACTERS:
            raise UnreadableAddress(f"An id in this address is longer than {MAX_ID_CHARACTERS} characters. Choose from the page instead.")
    if wanted.type not in SHOWN:
        raise UnreadableAddress("This address asks for a type that is none of all, movie and series. Choose from the page instead.")


def _chosen_server(servers: Sequence[Server], server_id: str) -> Server | None:
    if not server_id:
        return servers[0] if servers else None
    for server in servers:
        if server.external_id == server_id:
            return server
    raise UnknownServer("No server has this id, or your key may not see it.")


def _chosen_user(connection: Connection, server: Server, users: Sequence[UserSummary], user_id: str) -> UserSummary | None:
    """Unasked, the first of whom something is known."""
    if not user_id:
        return next((user for user in users if user.n_plays > 0), users[0] if users else None)
    listed = [user for user in users if user.external_id == user_id]
    for user in listed or list_users(connection, server.id, user=user_id):
        return user
    raise UnknownUser("No user of this server has this id.")
