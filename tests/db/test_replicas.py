"""Reads go to a hot standby that is near enough, and to the primary else; nobody misses what they have just written."""

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client import REGISTRY
from pydantic import SecretStr
from sqlalchemy import text

from app.db import Connection, Engine
from app.db.arrays import read_array
from app.db.embedded import Embedded, start_or_attach, stop
from app.db.engine import serving_engine, working_engine
from app.db.replicas import Reads, asked_again, hosts_of
from app.db.servers import put_server
from app.errors import UnknownUser
from app.main import create_app
from app.settings import Settings
from migrations.migrate import migrate
from tests.api.conftest import bearer
from tests.db.household import House, film, play, user
from tests.db.standby import clone

LAG_SECONDS = 0.4


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    database = start_or_attach(tmp_path_factory.mktemp("primary"))
    engine = working_engine(database.url)
    migrate(engine)
    with engine.begin() as connection:
        server, _ = put_server(connection, "home", "Home", "api", {})
    house = House(engine, server.id)
    house.users(user("ana"), user("tom"))
    house.items(*(film(f"f{number}") for number in range(3)))
    engine.dispose()
    yield database
    stop(database)


@pytest.fixture(scope="module")
def standby_folder(primary: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("standby")
    database = clone(primary, folder, "one")
    yield folder
    stop(database)


@pytest.fixture
def work(primary: Embedded) -> Iterator[Engine]:
    engine = working_engine(primary.url)
    yield engine
    engine.dispose()


def went() -> tuple[float, ...]:
    """How many reads went to a standby, and how many had to be asked again."""
    counts = [REGISTRY.get_sample_value("palate_reads_total", {"where": where}) for where in ("standby", "failed")]
    return tuple(count or 0.0 for count in counts)


class Watched:
    """Reads with a count of where they went."""

    def __init__(self, primary: Embedded, folder: Path) -> None:
        self.went: Counter[str] = Counter()
        self.serve = serving_engine(primary.url, 2)
        self.reads = Reads(self.serve, standby_url(folder), 2, LAG_SECONDS, lambda where: self.went.update([where]))
        self.standby = self.reads.standbys[0]

    def is_standby(self, user: str = "ana") -> bool:
        with self.reads.begin("home", user) as connection:
            return bool(connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one())

    def until_fit(self) -> None:
        until_used(self.reads)


@pytest.fixture
def watched(primary: Embedded, standby_folder: Path) -> Iterator[Watched]:
    found = Watched(primary, standby_folder)
    found.reads.start()
    yield found
    found.reads.stop()
    found.serve.dispose()


def until_used(reads: Reads) -> None:
    """The standbys are near enough, and what was written before this process listened for it is there."""
    until(lambda: all(one.is_fit for one in reads.standbys) and reads.writers is not None and not reads.writers.hold("nowhere", None))


def standby_url(folder: Path) -> str:
    return f"postgresql+psycopg://postgres@/postgres?host={folder / 'socket'}"


def until(has_come: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not has_come():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextlib.contextmanager
def held_back(folder: Path) -> Iterator[None]:
    """The standby receives and does not replay."""
    engine = working_engine(standby_url(folder))
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_wal_replay_pause()"))
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_wal_replay_resume()"))
        engine.dispose()


def write(connection: Connection) -> None:
    connection.execute(text("UPDATE servers SET name = name || '.'"))


def test_reads_go_to_the_standby_and_before_it_was_looked_at_to_the_primary(watched: Watched) -> None:
    watched.standby.is_fit = False
    assert not watched.is_standby()
    watched.until_fit()
    assert watched.is_standby()
    assert watched.went == {"primary": 1, "standby": 1}


def test_a_standby_that_falls_behind_is_left_alone_until_it_has_caught_up(watched: Watched, standby_folder: Path, work: Engine) -> None:
    watched.until_fit()
    with held_back(standby_folder):
        with work.begin() as connection:
            write(connection)
        began = time.monotonic()
        until(lambda: not watched.standby.is_fit)
        assert time.monotonic() - began > LAG_SECONDS * 0.5
        assert not watched.is_standby()
    watched.until_fit()
    assert watched.is_standby()


def test_a_process_that_starts_while_a_standby_is_far_behind_does_not_read_from_it(
    primary: Embedded, standby_folder: Path, work: Engine
) -> None:
    with held_back(standby_folder):
        with work.begin() as connection:
            write(connection)
        late = Watched(primary, standby_folder)
        for number in range(3):
            late.standby.look(float(number))
            assert not late.standby.is_fit
    late.reads.stop()
    late.serve.dispose()


def test_a_writer_reads_from_the_primary_and_others_do_not(watched: Watched) -> None:
    watched.until_fit()
    watched.reads.wrote("home", ["ana"])
    assert (watched.is_standby("ana"), watched.is_standby("tom")) == (False, True)
    watched.reads.wrote("home", None)
    assert not watched.is_standby("tom")
    until(lambda: watched.is_standby("ana"), 3)


def test_other_processes_know_who_wrote(watched: Watched, primary: Embedded, standby_folder: Path) -> None:
    other = Watched(primary, standby_folder)
    other.reads.start()
    watched.until_fit()
    other.until_fit()
    watched.reads.wrote("home", ["ana"])
    until(lambda: not other.is_standby("ana"))
    assert other.is_standby("tom")
    until(lambda: other.is_standby("ana"), 3)
    # More of them than a notification holds: then it is everybody's.
    watched.reads.wrote("home", [f"somebody {number}" for number in range(1000)])
    until(lambda: not other.is_standby("tom"))
    other.reads.stop()
    other.serve.dispose()


def test_who_did_not_hear_for_a_while_takes_nobody_for_unwritten(watched: Watched, work: Engine) -> None:
    watched.until_fit()
    with work.begin() as connection:
        sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query = 'LISTEN palate_wrote'"
        assert connection.execute(text(sql)).scalar_one() == 1
    until(lambda: not watched.is_standby("tom"))
    until(lambda: watched.is_standby("tom"), 3)


def test_an_unknown_user_is_unknown_after_all(watched: Watched) -> None:
    watched.until_fit()
    asked: list[bool] = []

    @asked_again
    def endpoint() -> None:
        with watched.reads.begin("home", "nobody") as connection:
            asked.append(bool(connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one()))
            raise UnknownUser

    with pytest.raises(UnknownUser):
        endpoint()
    assert asked == [True, False]


def test_a_copy_that_fails_on_the_standby_is_asked_of_the_primary(watched: Watched) -> None:
    watched.until_fit()

    @asked_again
    def endpoint() -> list[int]:
        with watched.reads.begin("home", "ana") as connection:
            # Fails on a standby alone.
            found = read_array(connection, "SELECT 1::bigint / CASE WHEN pg_is_in_recovery() THEN 0 ELSE 1 END", {}, {"one": "i8"})
            return list(found["one"].tolist())

    assert endpoint() == [1]
    assert watched.went == {"standby": 1, "failed": 1, "primary": 1}


def test_each_host_of_the_address_is_a_standby_of_its_own() -> None:
    found = [url.render_as_string() for url in hosts_of("postgresql://palate@/db?host=a,b&port=1,2&sslmode=require")]
    assert [("host=a" in url, "port=1" in url, "sslmode=require" in url) for url in found] == [(True, True, True), (False, False, True)]
    [single] = hosts_of("postgresql://palate@db.example:5433/db")
    assert (single.host, single.port) == ("db.example", 5433)


def test_what_a_standby_does_not_know_is_asked_of_the_primary(
    settings: Settings, primary: Embedded, standby_folder: Path, admin_key: str, work: Engine
) -> None:
    """A user who came a moment ago by another process, a play that was just posted, and a standby that is gone."""
    changes = {
        "database_url": SecretStr(primary.url), "database_read_url": SecretStr(standby_url(standby_folder)), "read_lag_seconds": 2.0,
    }  # fmt: skip
    with TestClient(create_app(settings.model_copy(update=changes)), headers=bearer(admin_key)) as client:

        def seen_by(who: str) -> list[str]:
            answer = client.get("/recommendations", params={"server_id": "home", "user_id": who})
            assert answer.status_code == 200, answer.text
            return sorted(item["item_id"] for item in answer.json()["items"])

        [standby] = client.app.state.reads.standbys
        until_used(client.app.state.reads)
        assert seen_by("tom") == ["f0", "f1", "f2"]
        before = went()
        for path in ("/home?user_id=tom&", "/items/f0/similar?user_id=tom&", "/items/f0/similar?", "/search?q=film&", "/users/tom/taste?"):
            answer = client.get(f"{path}server_id=home")
            assert answer.status_code == 200, answer.text
        assert went() == (before[0] + 6, before[1])  # a search reads twice
        with held_back(standby_folder):
            with work.begin() as connection:
                server_id = connection.execute(text("SELECT id FROM servers")).scalar_one()
            House(work, server_id).users(user("zoe"))
            assert seen_by("zoe") == ["f0", "f1", "f2"]
            assert standby.is_fit
            sent = client.post("/ingest/plays", json={"server_id": "home", "plays": [play("ana", "f1", completed=True)]})
            assert sent.status_code == 200
            assert seen_by("ana") == ["f0", "f2"]
        until(lambda: standby.is_fit)
        database = start_or_attach(standby_folder)
        pid = int((standby_folder / "postgres" / "postmaster.pid").read_text().split()[0])
        assert database.child is None
        os.kill(pid, signal.SIGQUIT)
        assert {tuple(seen_by("tom")) for _ in range(20)} == {("f0", "f1", "f2")}
        until(lambda: not standby.is_fit)
