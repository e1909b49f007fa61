"""Who uses a media server, which titles it shows them, and what it keeps of what they did.

A user's rows are written as they come; who they are and what they see comes last, in one transaction, so that nobody is answered before it
is known what they may see, and one who was read by half is read anew. Of who was read before, the policy is written first: the titles that
they saw under the old one limit them still.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from app.connect.bodies import PLAYS, SIGNALS, USERS
from app.connect.media_server import MediaServer, MediaUser
from app.connect.states import TITLES, State, play_bodies, said, signal_body, subject, unwatched_body
from app.db import Connection, Engine
from app.db.grants import KnownUser, disable_gone, drop_unused_grants, grant, granted_titles, known_users, lacking_titles
from app.db.ingest import ingest_plays, ingest_signals, ingest_users
from app.db.standing import standing_signals, times_told, unplayed
from app.errors import MediaServerDown, MediaServerRefused, MediaServerSlow, MediaServerUnclear, PalateError
from app.types import Server
from jobs.sync_content import PER_TRANSACTION, Changes
from jobs.sync_tally import Tally

log = structlog.get_logger()

# More than that is hidden by something.
MOST_ASKED_FOR = 2_000
FAULTS = (MediaServerDown, MediaServerSlow, MediaServerUnclear, MediaServerRefused)


@dataclass
class UsersDone:
    n_users: int = 0
    plays: Changes = field(default_factory=Changes)
    signals: Changes = field(default_factory=Changes)


@dataclass
class Told:
    """What was read of one user: ids of titles they see, of what they began or watched, and (id, subject) of what they said."""

    titles: set[str] = field(default_factory=set)
    begun: set[str] = field(default_factory=set)
    said: set[tuple[str, str]] = field(default_factory=set)


def sync_users(
    engine: Engine, server: Server, media: MediaServer, users: Sequence[MediaUser], changed_titles: Collection[str],
    known_until: datetime | None, *, is_whole: bool, tally: Tally,
) -> UsersDone:  # fmt: skip
    """All that is known of everybody, or where not `is_whole` what is new since `known_until`.

    Raises as the media server does: at once where it answers nothing, else after everybody whom it does answer of was read.
    """
    with engine.begin() as connection:
        known = known_users(connection, server.id)
    present = _present(users, known)
    done = UsersDone(n_users=len(present))
    reader = _Reader(engine, server, media, done, tally)
    failed: PalateError | None = None
    # First those whose policy changed: what they see is no longer what it was.
    for user in sorted(present, key=lambda user: (_is_settled(user, known.get(user.id)), user.id)):
        if user.is_disabled:
            continue
        before = known.get(user.id)
        try:
            if is_whole or not _is_settled(user, before):
                reader.read_whole(user, with_earlier=before is None or before.policy_digest is None)
            else:
                reader.read_news(user, known_until, changed_titles if before is not None and before.is_limited else ())
        except FAULTS as error:
            log.warning("a user could not be read", server=server.external_id, user=user.id, error=str(error))
            # Who is not there at all is not asked about everybody.
            media.info()
            reader.drop()
            failed = failed or error
    with engine.begin() as connection:
        drop_unused_grants(connection, server.id)
    if failed is not None:
        raise failed
    return done


def write_policies(engine: Engine, server: Server, users: Sequence[MediaUser]) -> None:
    """What their policies say holds at once, and who is gone or disabled is answered nothing.

    Of who is new, or was disabled here, it waits for what they see.
    """
    with engine.begin() as connection:
        known = known_users(connection, server.id)
        _write_users(connection, server, [user for user in _present(users, known) if user.is_disabled or _was_read(known.get(user.id))])
        # Every server has an administrator: a list without one is not all there is.
        if any(user.is_administrator for user in users):
            disable_gone(connection, server.id, {user.id for user in users})


def _present(users: Sequence[MediaUser], known: Mapping[str, KnownUser]) -> list[MediaUser]:
    return [user for user in users if not (user.id in known and known[user.id].is_erased)]


def _was_read(known: KnownUser | None) -> bool:
    return known is not None and not known.is_disabled and known.policy_digest is not None


def _is_settled(user: MediaUser, known: KnownUser | None) -> bool:
    """What they see is what it was. Of those who were disabled here nobody asked what is new meanwhile."""
    return known is not None and _was_read(known) and known.policy_digest == user.policy_digest


def _write_users(connection: Connection, server: Server, users: Iterable[MediaUser]) -> None:
    rows, _, _ = USERS.read([user.body for user in users])
    ingest_users(connection, server.id, rows)


class _Reader:
    """Reads one user after the other; what waits to be written is of one user."""

    def __init__(self, engine: Engine, server: Server, media: MediaServer, done: UsersDone, tally: Tally) -> None:
        self._engine, self._server, self._media, self._done, self._tally = engine, server, media, done, tally
        self._plays: list[dict[str, Any]] = []
        self._signals: list[dict[str, Any]] = []
        self._times_told: dict[str, list[datetime | None]] = {}

    def read_whole(self, user: MediaUser, *, with_earlier: bool) -> None:
        told = Told()
        with self._engine.begin() as connection:
            self._times_told = times_told(connection, self._server.id, self._media.source, user.id) if with_earlier else {}
        for states in self._media.everything(user.id):
            self._take(user, states, told, with_earlier=with_earlier)
            told.titles |= {state.item_id for state in states if state.type in TITLES and state.is_shown}
        self._flush()
        self._take_back(user, told, whole=True)
        titles = self._seen_titles(user, told.titles)
        with self._engine.begin() as connection:
            self._write(connection)
            _write_users(connection, self._server, [user])
            grant(connection, self._server.id, user.id, titles, user.policy_digest, is_unlimited=user.is_unlimited)

    def read_news(self, user: MediaUser, known_until: datetime | None, changed_titles: Collection[str]) -> None:
        told = Told()
        for states in self._media.news(user.id, known_until):
            self._take(user, states, told, with_earlier=False)
        self._flush()
        self._take_back(user, told, whole=False)
        self._flush()
        if changed_titles and known_until is not None:
            visible = self._media.saved_titles(user.id, known_until)
            with self._engine.begin() as connection:
                titles = granted_titles(connection, self._server.id, user.id) - set(changed_titles) | visible & set(changed_titles)
                grant(connection, self._server.id, user.id, titles, user.policy_digest, is_unlimited=user.is_unlimited)

    def drop(self) -> None:
        """What waits to be written; it is told again."""
        self._plays, self._signals = [], []

    def _take(self, user: MediaUser, states: Sequence[State], told: Told, *, with_earlier: bool) -> None:
        for state in states:
            n_earlier = state.n_before - self._n_told_before(state, states) if with_earlier else 0
            self._plays += play_bodies(user.id, state, n_earlier=n_earlier)
        self._signals += [signal_body(user.id, state.item_id, kind, value) for state in states for kind, value in said(state).items()]
        told.begun |= {state.item_id for state in states if state.was_begun}
        told.said |= {(state.item_id, subject(kind)) for state in states for kind in said(state)}
        if len(self._plays) + len(self._signals) >= PER_TRANSACTION:
            self._flush()
        self._tally.did(len(states))

    def _n_told_before(self, state: State, states: Sequence[State]) -> int:
        """Its sittings that this media server told already, by a webhook or a sync that broke off; without those that it tells now."""
        told = self._times_told.get(state.item_id)
        if not told:
            return 0
        now = {one.last_at for one in states if one.item_id == state.item_id}
        return sum(at is None or at not in now for at in told)

    def _flush(self) -> None:
        if self._plays or self._signals:
            with self._engine.begin() as connection:
                self._write(connection)

    def _write(self, connection: Connection) -> None:
        plays, _, bad_plays = PLAYS.read(self._plays)
        signals, _, bad_signals = SIGNALS.read(self._signals)
        self._done.plays.n_rejected += len(bad_plays)
        self._done.signals.n_rejected += len(bad_signals)
        if plays:
            self._done.plays.add(ingest_plays(connection, self._server.id, self._media.source, plays))
        if signals:
            self._done.signals.add(ingest_signals(connection, self._server.id, self._media.source, signals))
        self.drop()

    def _take_back(self, user: MediaUser, told: Told, *, whole: bool) -> None:
        """Take back what the server told before and does not tell now. Each is asked for by id first, as an item can drop out of a list
        between two pages. Plays are taken back only after everything was read."""
        with self._engine.begin() as connection:
            standing = standing_signals(connection, self._server.id, self._media.source, user.id)
            unplayed_now = unplayed(connection, self._server.id, self._media.source, user.id, told.begun) if whole else []
        lost = sorted((key, kind) for key, kind in standing if (key, subject(kind)) not in told.said)
        ids = {key for key, _ in lost} | {key for one in unplayed_now for key in one.versions}
        found = {state.item_id: state for states in self._media.states_by_id(user.id, sorted(ids)) for state in states}
        for key, kind in lost:
            if key in found:
                # What was liked may be disliked now, which no list tells.
                now = {subject(one): (one, value) for one, value in said(found[key]).items()}
                self._signals.append(signal_body(user.id, key, *now.get(subject(kind), (kind, False))))
        at = self._media.answered_at or datetime.now(UTC)
        for one in unplayed_now:
            # Another version that is watched, or a file that was renamed, takes nothing back.
            versions = [found[key] for key in one.versions if key in found]
            if versions and not any(version.was_begun for version in versions):
                self._signals.append(unwatched_body(user.id, one.external_id, at))

    def _seen_titles(self, user: MediaUser, titles: set[str]) -> set[str]:
        """A policy without limits hides nothing: what a list of its lacks moved from page to page, and is asked for by id."""
        if not user.is_unlimited:
            return titles
        with self._engine.begin() as connection:
            lacking = lacking_titles(connection, self._server.id, titles)
        return titles | self._media.visible_among(user.id, lacking) if len(lacking) <= MOST_ASKED_FOR else titles
