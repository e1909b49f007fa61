"""A command killed at any moment is started again and ends in the rows of one that was not."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import text

from app.connect.importing import run_import
from app.connect.movielens import read_movielens
from app.db import Engine
from app.db.servers import find_server, put_server
from app.types import Server, unseen
from jobs.embed_items import BATCH, embed_items
from jobs.refresh_tastes import refresh_stale
from tests.db.household import Body, House

ROOT = Path(__file__).parents[2]
N_FILMS, N_USERS, N_RATINGS = 300, 60, 6_000
N_TO_EMBED = 2 * BATCH + 100

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small MovieLens of made-up films and ratings."""
    return write_movielens(tmp_path_factory.mktemp("movielens"), N_FILMS, N_RATINGS)


def write_movielens(folder: Path, n_films: int, n_ratings: int) -> Path:
    random = Random(7)
    films = [f"{film}::Invented {film}, The ({1950 + film % 70})::Drama|War" for film in range(1, n_films + 1)]
    pairs = random.sample([(user, film) for user in range(1, N_USERS + 1) for film in range(1, n_films + 1)], n_ratings)
    ratings = [f"{user}::{film}::{random.randint(1, 5)}::{978300000 + random.randrange(10**6)}" for user, film in pairs]
    (folder / "movies.dat").write_text("\n".join(films) + "\n", encoding="latin-1")
    (folder / "ratings.dat").write_text("\n".join(ratings) + "\n", encoding="latin-1")
    return folder


@pytest.fixture
def start(database_url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a palate command on the run's database; whatever still runs at the end of the test is ended."""
    running = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        environment = os.environ | {"PALATE_DATABASE_URL": database_url, "PALATE_DATA_DIR": str(tmp_path)}
        command = [sys.executable, "-m", "app.cli", *arguments]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        hear_out(process)


def hear_out(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What it wrote, until it ended; and it is the test's own output, which is searched for secrets."""
    said, errors = process.communicate(timeout=120)
    sys.stdout.write(said)
    sys.stderr.write(errors)
    return said, errors


def finish(process: subprocess.Popen[str]) -> str:
    said, errors = hear_out(process)
    assert process.returncode == 0, errors
    return said


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    hear_out(process)
    assert process.returncode in (-signal.SIGKILL, 0)


def state(engine: Engine, server: str) -> dict[str, list[Body]]:
    with engine.begin() as connection:
        found = find_server(connection, server)
    assert found is not None
    return House(engine, found.id).state()


def n_rows(engine: Engine, table: str, server_id: int) -> int:
    with engine.begin() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table} WHERE server_id = :id"), {"id": server_id}).scalar_one())


@pytest.fixture(scope="module")
def whole(engine: Engine, folder: Path) -> dict[str, list[Body]]:
    """The rows of an import that nothing interrupted."""
    with engine.begin() as connection:
        server, _ = put_server(connection, "whole", "Whole", "api", {})
    run_import(engine, server.id, read_movielens(folder), unseen)
    return House(engine, server.id).state()


def kill_an_import_and_run_it_again(start: Start, folder: Path, server: str, n_lines: int, wait_seconds: float) -> str:
    """Killed so long after so many lines of its progress; the first comes when the items are committed."""
    process = start("import", "movielens", str(folder), "--server", server)
    assert process.stderr is not None
    for _ in range(n_lines):
        sys.stderr.write(process.stderr.readline())
    time.sleep(wait_seconds)
    kill(process)
    return finish(start("import", "movielens", str(folder), "--server", server))


def random_moments(seed: int, n: int) -> list[tuple[int, float]]:
    random = Random(seed)
    return [(1, random.uniform(0, 0.5)) for _ in range(n)]


@pytest.mark.parametrize(("n_lines", "wait_seconds"), [(1, 0.0), *random_moments(1, 2)])
def test_an_import_killed_and_run_again_ends_in_the_rows_of_one_that_was_not(
    engine: Engine, start: Start, folder: Path, whole: dict[str, list[Body]], n_lines: int, wait_seconds: float
) -> None:
    server = f"killed-{n_lines}-{wait_seconds:.4f}"
    said = kill_an_import_and_run_it_again(start, folder, server, n_lines, wait_seconds)
    assert f"signals: {N_RATINGS:,} received" in said
    after = state(engine, server)
    assert after == whole
    assert (len(after["items"]), len(after["users"]), len(after["signals"]), len(after["engagement"])) == (300, 60, 6000, 6000)


@pytest.mark.soak
@pytest.mark.parametrize(("n_lines", "wait_seconds"), [(0, one / 10) for one in range(15)] + random_moments(2, 15))
def test_an_import_killed_at_many_moments_ends_in_the_rows_of_one_that_was_not(
    engine: Engine, start: Start, folder: Path, whole: dict[str, list[Body]], n_lines: int, wait_seconds: float
) -> None:
    server = f"soak-{n_lines}-{wait_seconds:.4f}"
    kill_an_import_and_run_it_again(start, folder, server, n_lines, wait_seconds)
    assert state(engine, server) == whole


@pytest.fixture(scope="module")
def large_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More films than some batches of embedding."""
    return write_movielens(tmp_path_factory.mktemp("large"), N_TO_EMBED, N_TO_EMBED)


@pytest.fixture
def library(engine: Engine, server: Server, large_folder: Path, blue: str, monkeypatch: pytest.MonkeyPatch) -> Server:
    # A small model: it is what is between the batches that counts.
    monkeypatch.setenv("PALATE_EMBEDDING_MODEL", blue)
    run_import(engine, server.id, read_movielens(large_folder), unseen)
    return server


def spaces_of(engine: Engine, server: Server) -> list[tuple[str, bool]]:
    """Status, and whether the centre is known."""
    sql = "SELECT status, centre IS NOT NULL FROM spaces WHERE server_id = :id ORDER BY id"
    with engine.begin() as connection:
        return [(row[0], row[1]) for row in connection.execute(text(sql), {"id": server.id})]


def until(process: subprocess.Popen[str], has_come: Callable[[], bool], timeout_seconds: float = 60) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not has_come():
        assert process.poll() is None, hear_out(process)
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kill_an_embedding_and_run_it_again(
    engine: Engine, start: Start, server: Server, has_come: Callable[[], bool], wait_seconds: float
) -> int:
    """How many items the second run had to embed."""
    process = start("embed", "--server", server.external_id)
    until(process, has_come)
    time.sleep(wait_seconds)
    kill(process)
    match = re.search(r": ([\d,]+) items embedded", finish(start("embed", "--server", server.external_id)))
    assert match
    return int(match[1].replace(",", ""))


def assert_embedded_once(engine: Engine, server: Server) -> None:
    n_items = n_rows(engine, "items", server.id)
    with engine.begin() as connection:
        sql = """
            SELECT count(DISTINCT i.id) FROM items i JOIN item_vectors v USING (server_id, text_digest)
            WHERE server_id = :id AND v.item_id = i.id
        """
        n_fresh = connection.execute(text(sql), {"id": server.id}).scalar_one()
    assert n_fresh == n_items == n_rows(engine, "item_vectors", server.id) == N_TO_EMBED
    assert spaces_of(engine, server) == [("live", True)]
    assert n_rows(engine, "tastes", server.id) >= N_USERS


def test_an_embedding_killed_halfway_goes_on_where_it_was(engine: Engine, start: Start, library: Server) -> None:
    n_encoded = kill_an_embedding_and_run_it_again(
        engine, start, library, lambda: n_rows(engine, "item_vectors", library.id) > 0, wait_seconds=0
    )
    assert 0 < n_encoded < N_TO_EMBED
    assert_embedded_once(engine, library)


@pytest.mark.soak
@pytest.mark.parametrize("moment", ["space", "first vectors", "centre", "live"])
@pytest.mark.parametrize("wait_seconds", [0.0, 0.05, 0.3])
def test_an_embedding_killed_at_any_stage_ends_whole(
    engine: Engine, start: Start, library: Server, moment: str, wait_seconds: float
) -> None:
    come: dict[str, Callable[[], bool]] = {
        "space": lambda: bool(spaces_of(engine, library)),
        "first vectors": lambda: n_rows(engine, "item_vectors", library.id) > 0,
        "centre": lambda: any(has_centre for _, has_centre in spaces_of(engine, library)),
        "live": lambda: ("live", True) in spaces_of(engine, library),
    }
    n_encoded = kill_an_embedding_and_run_it_again(engine, start, library, come[moment], wait_seconds)
    assert n_encoded == 0 if moment in ("centre", "live") else n_encoded <= N_TO_EMBED
    assert_embedded_once(engine, library)


@pytest.mark.soak
@pytest.mark.parametrize("wait_seconds", [one / 20 for one in range(20)])
def test_a_change_of_the_text_model_killed_at_any_moment_ends_whole(
    engine: Engine,
    start: Start,
    library: Server,
    now: datetime,
    blue: str,
    green: str,
    monkeypatch: pytest.MonkeyPatch,
    wait_seconds: float,
) -> None:
    embed_items(engine, library, blue, now, unseen)
    monkeypatch.setenv("PALATE_EMBEDDING_MODEL", green)
    kill_an_embedding_and_run_it_again(engine, start, library, lambda: len(spaces_of(engine, library)) == 2, wait_seconds)
    assert spaces_of(engine, library) == [("kept", True), ("live", True)]
    assert n_rows(engine, "item_vectors", library.id) == 2 * N_TO_EMBED
    assert n_rows(engine, "tastes", library.id) >= 2 * N_USERS
    assert refresh_stale(engine, library.id, now, unseen) == 0
