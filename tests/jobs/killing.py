"""Worlds in which each job has something to do, and the moments at which its worker is killed while it does."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import text

from app.cron import USUAL
from app.db.connections import put_connection
from app.db.servers import find_server, put_server
from app.job_types import JobName
from app.secrets import encrypted, secret_key
from app.types import Server, unseen
from jobs.sync_library import sync_library
from tests.connect.fake_jellyfin.library import FakeItem, generated, guid
from tests.connect.fake_jellyfin.playlists import Playlists
from tests.connect.fake_jellyfin.server import KEY, FakeJellyfin, serving
from tests.db.household import House, film, play
from tests.db.shown import Shown
from tests.jobs.street import N_PEOPLE, Street
from tests.jobs.sync.hasty import hasty
from tests.jobs.working import Queue, children, until

# Two towers are learned from 20,000 titles on.
MANY_PEOPLE = 520
KEPT_DAYS = 90
# Of a machine that has other things to do.
PATIENCE_SECONDS = 300.0

# A job that takes a moment is held in the middle of it: at one of these tables, which it reads (nobody may) or writes (nobody may write).
READ, WRITTEN = "ACCESS EXCLUSIVE", "SHARE"
HELD_AT: Mapping[JobName, Sequence[tuple[str, str]]] = {
    "refresh-tastes": [("engagement", READ), ("item_vectors", READ), ("tastes", WRITTEN)],
    "statistics": [("items", READ), ("engagement", READ), ("items", WRITTEN)],
    "watch-through": [("slates", READ), ("watch_through", WRITTEN)],
    "skew": [("models", READ), ("slates", READ), ("feature_skew", WRITTEN)],
    "prune": [("slates", READ), ("slates", WRITTEN), ("sittings", WRITTEN), ("signals", WRITTEN), ("spaces", READ)],
}

NEVER_BY_ITSELF: dict[str, object] = {"schedule": dict.fromkeys(USUAL, "never")}

Worker = subprocess.Popen[str]


class World:
    """One server; its job is asked for again and again, with something to do each time."""

    def __init__(self, queue: Queue, server: Server, name: JobName) -> None:
        self.queue, self.server, self.name = queue, server, name
        self.house = House(queue.engine, server.id)
        self.number = 0

    def prepare(self) -> None:
        """What the job is to do next."""
        self.number += 1

    def wrong(self) -> list[str]:
        """What is not as the job leaves it."""
        return []

    def ask(self, sql: str) -> list[Any]:
        """`:id` is the server's."""
        return self.queue.query(sql, id=self.server.id)


class Town(World):
    """People who watch films in a row, as many as the job takes to learn. Who was made for one job serves the others too."""

    def __init__(self, queue: Queue, server: Server, name: JobName) -> None:
        super().__init__(queue, server, name)
        self.shown = Shown(queue.engine, server)

    def prepare(self) -> None:
        super().prepare()
        if self.name == "embed-items":
            self.house.items(*(film(f"later {self.number} {one}", overview=f"Told in round {self.number}: {one}.") for one in range(20)))
        if self.name in ("watch-through", "prune"):
            titles = ("f1", "f2") if self.name == "prune" else ("f3", "f4")
            # A day that was counted and is settled is not counted again: what is shown here is of days that are not.
            for days_ago in (1, 10, KEPT_DAYS + 5):
                self.shown.show(f"u{self.number}", datetime.now(UTC) - timedelta(days=days_ago), *titles)

    def wrong(self) -> list[str]:
        match self.name:
            case "prune":
                n_old = len(self.ask(f"SELECT FROM slates WHERE server_id = :id AND served_at < now() - interval '{KEPT_DAYS} days'"))
                return [f"{n_old} old slates"] if n_old else []
            case "watch-through":
                # Each of those people was shown two titles on two days that still count, each time once.
                [(n_shown,)] = self.ask("SELECT sum(n_shown) FROM watch_through WHERE server_id = :id AND source = 'any'")
                n = 2 * len(self.ask("SELECT FROM slates WHERE server_id = :id AND served_at > now() - interval '88 days'"))
                return [] if n_shown == n else [f"{n_shown} shown instead of {n}"]
            case _:
                return []


class Attic(World):
    """A made-up Jellyfin in which something new is found or said each time. It answers within the test, which so knows each request."""

    def __init__(self, queue: Queue, server: Server, name: JobName, fake: FakeJellyfin) -> None:
        super().__init__(queue, server, name)
        self.fake, self.library, self.n_requests = fake, fake.library, 1
        self.films = [one.id for one in self.library.items.values() if one.type == "Movie"]

    def prepare(self) -> None:
        super().prepare()
        if self.name == "publish":
            self._another_wish()
            return
        for one in range(5):
            title = f"Later {self.number} {one}"
            now = self.fake.now()
            self.library.add(FakeItem(guid(title), "Movie", title, guid("films"), created_at=now, saved_at=now, official_rating="G"))
            for user in self.library.users:
                self.library.watch(user, guid(title), now)
        if self.number % 2:
            # Everything anew, and what is gone goes.
            self.library.remove(guid(f"Movie {self.number}"))
            self.ask("UPDATE connections SET synced_until = NULL, swept_at = NULL WHERE server_id = :id")

    def _another_wish(self) -> None:
        """Who has seen a film is recommended another; every third time all lists are made anew."""
        for user in self.library.users:
            self.house.plays(play(user, self.films[self.number], percent=100, started_at=datetime.now(UTC).isoformat()))
        if self.number % 3 == 0:
            self.fake.playlists = Playlists(self.library, self.fake.major)
            self.ask("DELETE FROM playlists WHERE server_id = :id")

    def wrong(self) -> list[str]:
        if self.name != "publish":
            return self._unlike_the_library()
        sql = """
            SELECT u.external_id, p.playlist_id, p.item_ids, p.is_complete FROM playlists p JOIN users u USING (server_id)
            WHERE server_id = :id AND u.id = p.user_id
        """
        rows = {user: more for user, *more in self.ask(sql)}
        found = {user: [[one.id, one.item_ids, True] for one in self.fake.playlists.of(user)] for user in self.library.users}
        return [f"lists of {user}: {found[user]}, {rows.get(user)}" for user in found if found[user] != [rows.get(user)]]

    def _unlike_the_library(self) -> list[str]:
        here = {row[0] for row in self.ask("SELECT external_id FROM entries WHERE server_id = :id AND deleted_at IS NULL")}
        there = {one.id for one in self.library.items.values()}
        sql = """
            SELECT u.external_id, e.external_id, count(*) FROM plays p JOIN users u USING (server_id) JOIN entries e USING (server_id)
            WHERE server_id = :id AND u.id = p.user_id AND e.id = p.entry_id AND e.deleted_at IS NULL GROUP BY 1, 2
        """
        played = {(user, entry): n for user, entry, n in self.ask(sql)}
        said = {
            (user.id, item): state.n_plays
            for user in self.library.users.values() for item, state in user.states.items()
            if item in there and item not in user.hidden
        }  # fmt: skip
        return [
            *(f"{one} is not both here and there" for one in here ^ there),
            *(f"plays of {one}" for one in played.items() ^ said.items()),
        ]


@contextlib.contextmanager
def world_of(queue: Queue, name: JobName) -> Iterator[World]:
    if name in ("sync-library", "publish"):
        with _attic(queue, name) as attic:
            yield attic
    else:
        yield _town(queue, name)


def _town(queue: Queue, name: JobName) -> Town:
    n_people = MANY_PEOPLE if name == "learn-two-tower" else N_PEOPLE
    with queue.engine.begin() as connection:
        found = find_server(connection, f"{n_people} people")
        server = found or put_server(connection, f"{n_people} people", "Town", "api", NEVER_BY_ITSELF)[0]
    if found is None:
        Street(queue.engine, server, datetime.now(UTC), n_people)
        # Of no text model that there is.
        queue.query("DELETE FROM item_vectors WHERE server_id = :id", id=server.id)
        queue.query("DELETE FROM spaces WHERE server_id = :id", id=server.id)
    return Town(queue, server, name)


@contextlib.contextmanager
def _attic(queue: Queue, name: JobName) -> Iterator[Attic]:
    secret = secret_key(queue.settings)
    with serving(FakeJellyfin(generated(60, 3, 4, 3, 8))) as fake:
        with queue.engine.begin() as connection:
            server, _ = put_server(connection, f"attic of {name}", "Attic", "jellyfin", NEVER_BY_ITSELF)
            put_connection(connection, server.id, "jellyfin", fake.url, encrypted(KEY, secret), fake.id)
        if name == "publish":
            sync_library(queue.engine, server, secret, datetime.now(UTC), unseen, connect=hasty)
        yield Attic(queue, server, name, fake)
        queue.query("DELETE FROM servers WHERE id = :id", id=server.id)


def kill(queue: Queue, worker: Worker, world: World, random: Random, seconds: float) -> int:
    """Asks for the job and kills its worker, and what that started, at a random moment of the `seconds` that it takes. Returns its id."""
    if world.name in HELD_AT:
        return _kill_at_a_table(queue, worker, world, random)
    if isinstance(world, Attic):
        return _kill_at_a_request(queue, worker, world, random)
    job_id = queue.ask(world.name, world.server)
    until(lambda: queue.job(job_id).status != "queued", PATIENCE_SECONDS)
    time.sleep(random.uniform(0, seconds))
    _kill(worker)
    return job_id


def kill_again(queue: Queue, worker: Worker, job_id: int, random: Random, seconds: float) -> bool:
    """The same to who took it over; whether it was running."""
    until(lambda: queue.job(job_id).status != "queued", PATIENCE_SECONDS)
    time.sleep(random.uniform(0, seconds))
    _kill(worker)
    return queue.job(job_id).status == "running"


def _kill_at_a_table(queue: Queue, worker: Worker, world: World, random: Random) -> int:
    table, mode = random.choice(HELD_AT[world.name])
    with queue.engine.connect() as holder:
        holder.execute(text(f"LOCK TABLE {table} IN {mode} MODE"))
        mine = holder.execute(text("SELECT pg_backend_pid()")).scalar_one()
        job_id = queue.ask(world.name, world.server)
        until(lambda: queue.job(job_id).status == "running", PATIENCE_SECONDS)
        until(lambda: queue.query("SELECT FROM pg_stat_activity WHERE :pid = ANY (pg_blocking_pids(pid))", pid=mine), PATIENCE_SECONDS)
        time.sleep(random.uniform(0, 0.1))
        _kill(worker)
        holder.rollback()
    return job_id


def _kill_at_a_request(queue: Queue, worker: Worker, world: Attic, random: Random) -> int:
    """Before the Jellyfin answers it."""
    world.fake.before = {len(world.fake.asked) + random.randrange(world.n_requests): lambda: _kill(worker)}
    job_id = queue.ask(world.name, world.server)
    until(lambda: worker.poll() is not None or queue.job(job_id).is_over, PATIENCE_SECONDS)
    world.fake.before = {}
    if worker.poll() is None:
        _kill(worker)
    return job_id


def _kill(worker: Worker) -> None:
    mine = children(worker.pid)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in mine), PATIENCE_SECONDS)
