"""Keeps a private playlist on the media server for each user: what they should watch next, of a series its next episode.

What is made or put into one is written down before it is done, so that it can be killed anywhere and started again: no playlist is made
twice, and none is touched that was not made here. Nothing is deleted by its id before the media server was asked what that is today.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from app.connect.jellyfin import Jellyfin
from app.connect.jellyfin_client import JellyfinClient
from app.connect.jellyfin_playlists import (
    PlaylistEntry,
    add_items,
    delete_playlist,
    find_named,
    is_there,
    make_playlist,
    read_entries,
    remove_entries,
)
from app.connect.jellyfin_users import read_users
from app.connect.media_servers import open_media_server
from app.db import Engine
from app.db.locks import only_one
from app.db.playlists import (
    Playlist,
    find_playlists,
    forget_playlist,
    intend_playlist,
    let_playlist_go,
    set_playlist_id,
    set_playlist_items,
)
from app.errors import BadInput, MediaServerRefused
from app.types import Progress, Server
from jobs.connected import Connect, connected
from jobs.playlist_plan import Plan, Wish, check_kind, make_plans

log = structlog.get_logger()


@dataclass
class Published:
    """`let_go`: users who deleted or renamed theirs, now or before; `absent`: whom the media server does not know any more; `failed`:
    users, and what it said."""

    n_made: int = 0
    n_changed: int = 0
    n_unchanged: int = 0
    n_requests: int = 0
    let_go: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass
class Removed:
    """`kept`: users whose playlist also held what they put there themselves: that stays, and so does the playlist."""

    n_deleted: int = 0
    n_gone: int = 0
    kept: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def publish(
    engine: Engine, server: Server, secret: str, wish: Wish, now: datetime, progress: Progress, *, connect: Connect = open_media_server
) -> Published:  # fmt: skip
    """Raises NotConnected, AlreadyRunning, SecretKeyChanged, UnknownUser, BadInput, and what the media server raises."""
    check_kind(server)
    with only_one(engine, f"publish {server.id}"):
        plans = list(make_plans(engine, server, wish, now))
        done = Published(n_unchanged=sum(plan.action == "unchanged" for plan in plans))
        done.let_go = [plan.reader.name for plan in plans if plan.action == "let go"]
        due = [plan for plan in plans if plan.action in ("make", "change")]
        if due:
            with _jellyfin(engine, server, secret, connect) as client:
                _carry_out(engine, server, client, due, done, now, progress)
                done.n_requests = client.n_requests
    log.info("published", server=server.external_id, n_made=done.n_made, n_changed=done.n_changed, n_failed=len(done.failed))
    return done


def remove(
    engine: Engine, server: Server, secret: str, only: str | None, progress: Progress, *, connect: Connect = open_media_server
) -> Removed:
    """Takes back what `publish` made, of all or `only` of this user, by name or id. Raises as `publish`."""
    check_kind(server)
    with only_one(engine, f"publish {server.id}"):
        rows, done = made_for(engine, server, only), Removed()
        if rows:
            with _jellyfin(engine, server, secret, connect) as client:
                here = {user.id for user in read_users(client)}
                for number, row in enumerate(rows):
                    progress(number, len(rows))
                    try:
                        _remove(engine, server, client, row, done, is_here=row.user in here)
                    except MediaServerRefused as error:
                        done.failed[row.user_name] = error.detail
                progress(len(rows), len(rows))
    return done


def made_for(engine: Engine, server: Server, only: str | None) -> list[Playlist]:
    """The playlists that stand, or were about to be made."""
    with engine.begin() as connection:
        rows = find_playlists(connection, server.id)
    return [row for row in rows if row.let_go_at is None and only in (None, row.user, row.user_name)]


@contextlib.contextmanager
def _jellyfin(engine: Engine, server: Server, secret: str, connect: Connect) -> Iterator[JellyfinClient]:
    with connected(engine, server, secret, connect) as (media, stored):
        if stored.kind != "jellyfin" or not isinstance(media, Jellyfin):
            raise BadInput(f"{server.external_id} is no Jellyfin: playlists are published there alone.")
        yield media.client


def _carry_out(
    engine: Engine, server: Server, client: JellyfinClient, due: list[Plan], done: Published, now: datetime, progress: Progress
) -> None:
    here = {user.id for user in read_users(client)}
    for number, plan in enumerate(due):
        progress(number, len(due))
        try:
            if plan.reader.user not in here:
                done.absent.append(plan.reader.name)
            elif plan.action == "make":
                done.n_made += _make(engine, server, client, plan)
            elif _change(engine, server, client, plan, now):
                done.n_changed += 1
            else:
                done.let_go.append(plan.reader.name)
        except MediaServerRefused as error:
            # One user's is no reason to keep all others waiting.
            done.failed[plan.reader.name] = error.detail
    progress(len(due), len(due))


def _make(engine: Engine, server: Server, client: JellyfinClient, plan: Plan) -> bool:
    """False: the user was erased meanwhile."""
    user, user_id = plan.reader.user, plan.reader.user_id
    playlist = None
    if plan.known is not None and plan.known.let_go_at is None:
        playlist = _left_behind(client, plan.known)
    else:
        not_ours = find_named(client, user, plan.name)
        with engine.begin() as connection:
            if not intend_playlist(connection, server.id, user_id, plan.name, not_ours, plan.item_ids):
                return False
    playlist = playlist or make_playlist(client, user, plan.name)
    with engine.begin() as connection:
        set_playlist_id(connection, server.id, user_id, playlist)
    _fill(engine, server, client, plan, playlist, [])
    return True


def _left_behind(client: JellyfinClient, known: Playlist) -> str | None:
    """The playlist that was made when it was killed before its id was written: a new one, with nothing in it yet."""
    new = [key for key in find_named(client, known.user, known.name) if key not in known.not_ours]
    return next((key for key in new if not read_entries(client, known.user, key)), None)


def _change(engine: Engine, server: Server, client: JellyfinClient, plan: Plan, now: datetime) -> bool:
    """Whether it is still there, and ours."""
    assert plan.known is not None
    entries = _entries_of_ours(client, plan.known)
    if entries is None:
        with engine.begin() as connection:
            let_playlist_go(connection, server.id, plan.known.user_id, now)
        return False
    assert plan.known.playlist_id is not None
    mine = [entry for entry in entries if entry.item_id in plan.known.item_ids]
    _fill(engine, server, client, plan, plan.known.playlist_id, mine)
    return True


def _entries_of_ours(client: JellyfinClient, known: Playlist) -> list[PlaylistEntry] | None:
    """None: it was deleted or renamed, or is another one. An id is made of the name: whoever deletes ours and makes one of the same
    name gets the same id, but what is in it tells them apart, unless ours was killed while it was filled."""
    if known.playlist_id is None or not is_there(client, known.user, known.playlist_id, known.name):
        return None
    entries = read_entries(client, known.user, known.playlist_id)
    has_ours = any(entry.item_id in known.item_ids for entry in entries)
    return entries if has_ours or not entries or not known.item_ids or not known.is_complete else None


def _fill(engine: Engine, server: Server, client: JellyfinClient, plan: Plan, playlist: str, mine: list[PlaylistEntry]) -> None:
    """`mine`: what we put there. What its user put there stays, ahead of ours."""
    wanted, user_id = plan.item_ids, plan.reader.user_id
    # Killed after it was filled and before that was written, it is as it should be.
    if [entry.item_id for entry in mine] != wanted:
        both = list(dict.fromkeys([*(entry.item_id for entry in mine), *wanted]))
        with engine.begin() as connection:
            set_playlist_items(connection, server.id, user_id, both, is_complete=False)
        remove_entries(client, playlist, mine)
        if wanted:
            add_items(client, plan.reader.user, playlist, wanted)
    with engine.begin() as connection:
        set_playlist_items(connection, server.id, user_id, wanted, is_complete=True)


def _remove(engine: Engine, server: Server, client: JellyfinClient, row: Playlist, done: Removed, *, is_here: bool) -> None:
    # With a user goes what is private to them.
    playlist = row.playlist_id
    entries: list[PlaylistEntry] | None = None
    if is_here and playlist is None:
        playlist = _left_behind(client, row)
        entries = None if playlist is None else []
    elif is_here:
        entries = _entries_of_ours(client, row)
    if playlist is None or entries is None:
        done.n_gone += 1
    elif all(entry.item_id in row.item_ids for entry in entries):
        delete_playlist(client, playlist)
        done.n_deleted += 1
    else:
        remove_entries(client, playlist, [entry for entry in entries if entry.item_id in row.item_ids])
        done.kept.append(row.user_name)
    with engine.begin() as connection:
        forget_playlist(connection, server.id, row.user_id)


def counters(done: Published) -> dict[str, float]:
    return {
        "n_made": done.n_made, "n_changed": done.n_changed, "n_unchanged": done.n_unchanged, "n_let_go": len(done.let_go),
        "n_failed": len(done.failed), "n_requests": done.n_requests,
    }  # fmt: skip
