"""What each user's playlist should hold, and what there is to do about it. Nothing is asked of the media server."""

import contextlib
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.db import Engine
from app.db.playlists import Playlist, Reader, find_next_episodes, find_playlists, find_readers
from app.errors import BadInput, NotConnected, UnknownUser
from app.learn.second_stage import SecondStage, read_second_stage
from app.recommend.pipeline import recommend
from app.recommend.rankers import Rankers
from app.types import Filters, Server

# let go: its user deleted or renamed it; nothing: there is nothing to put into one.
Action = Literal["make", "change", "unchanged", "let go", "nothing"]

NAME = "For you"
N_ITEMS, MOST_ITEMS = 20, 100
# A ranker of 50 MB takes some seconds.
WARM_SECONDS = 60.0


@dataclass(frozen=True)
class Plan:
    """One user's playlist: what it should hold, best first, as the media server's ids, and the titles they are of."""

    reader: Reader
    known: Playlist | None
    name: str
    item_ids: Sequence[str]
    titles: Sequence[str]
    action: Action


@dataclass(frozen=True)
class Wish:
    """What is to be published. `only`: for this user, by name or id; who let theirs go then gets another one."""

    name: str = NAME
    n_items: int = N_ITEMS
    only: str | None = None


def make_plans(engine: Engine, server: Server, wish: Wish, now: datetime) -> Iterator[Plan]:
    """One user after the other. Raises UnknownUser for `only`, and BadInput."""
    if not wish.name.strip() or len(wish.name) > 100 or not wish.name.isprintable():
        raise BadInput("The name of a playlist is up to 100 characters on one line.")
    with engine.begin() as connection:
        known = {one.user_id: one for one in find_playlists(connection, server.id)}
        readers = [one for one in find_readers(connection, server.id) if wish.only in (None, one.user, one.name)]
    if wish.only is not None and not readers:
        raise UnknownUser(f"No user of {server.external_id} is called {wish.only}, or they are disabled.")
    with _rankers(engine, server) as rankers:
        for reader in readers:
            yield _plan(engine, server, wish, reader, known.get(reader.user_id), rankers, now)


def check_kind(server: Server) -> None:
    """Raises NotConnected."""
    if server.kind in ("emby", "plex"):
        raise NotConnected("Playlists are made on a Jellyfin, and this server is none.")


def _plan(
    engine: Engine, server: Server, wish: Wish, reader: Reader, known: Playlist | None, rankers: Rankers[SecondStage], now: datetime
) -> Plan:
    with engine.begin() as connection:
        # Not logged as served: nobody knows when it is looked at.
        slate = recommend(
            connection, server, reader.user, Filters(), limit=wish.n_items, offset=0, explain=False, now=now, slate_id=uuid.uuid4(),
            rankers=rankers,
        )  # fmt: skip
        found = [item.candidate for item in slate.items]
        episodes = find_next_episodes(connection, server.id, reader.user_id, [one.external_id for one in found if one.kind == "series"])
    chosen = [(one.external_id if one.kind == "movie" else episodes.get(one.external_id), one.name) for one in found]
    # Of a series without episodes there is nothing to play.
    kept = {key: title for key, title in chosen if key is not None}
    # It has the name that it was made with: with an API key none can be renamed.
    name = wish.name if known is None or known.let_go_at is not None else known.name
    return Plan(reader, known, name, list(kept), list(kept.values()), _action(known, list(kept), is_named=wish.only is not None))


def _action(known: Playlist | None, item_ids: Sequence[str], *, is_named: bool) -> Action:
    if known is not None and known.let_go_at is not None and not is_named:
        return "let go"
    if known is None or known.playlist_id is None or known.let_go_at is not None:
        return "make" if item_ids else "nothing"
    return "unchanged" if known.is_complete and known.item_ids == item_ids else "change"


@contextlib.contextmanager
def _rankers(engine: Engine, server: Server) -> Iterator[Rankers[SecondStage]]:
    rankers = Rankers(engine, read_second_stage)
    try:
        rankers.warm(WARM_SECONDS, only=server.id)
        yield rankers
    finally:
        rankers.stop()
