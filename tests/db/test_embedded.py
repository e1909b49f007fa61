"""The embedded PostgreSQL: started once, attached to, stopped by its starter, gone when its starter is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.db import embedded
from app.db.embedded import embedded_database, find_binaries, is_running, start_or_attach, stop
from app.db.engine import working_engine
from app.errors import DatabaseUnsuitable

STARTER = """
import sys, time
from pathlib import Path
from app.db.embedded import start_or_attach
database = start_or_attach(Path(sys.argv[1]))
print(database.sockets, flush=True)
time.sleep(60)
"""


def test_a_second_user_attaches_and_leaves_it_running(tmp_path: Path) -> None:
    with embedded_database(tmp_path) as first:
        with embedded_database(tmp_path) as second:
            assert second.url == first.url
            assert second.child is None
        assert first.is_running()
    assert not first.is_running()


def test_what_was_written_is_there_after_a_kill(tmp_path: Path) -> None:
    first = start_or_attach(tmp_path)
    assert first.child is not None
    os.kill(first.child.pid, signal.SIGQUIT)
    first.child.wait(10)
    with embedded_database(tmp_path) as again:
        assert again.child is not None
        assert again.is_running()


def test_one_that_recovers_from_a_crash_is_running_and_is_waited_for(tmp_path: Path) -> None:
    with embedded_database(tmp_path) as database:
        engine = working_engine(database.url)
        with engine.connect() as connection:
            os.kill(connection.execute(text("SELECT pg_backend_pid()")).scalar_one(), signal.SIGKILL)
            with pytest.raises(OperationalError):
                connection.execute(text("SELECT 1"))
            assert database.is_running()
            assert start_or_attach(tmp_path).child is None
        engine.dispose()


def test_one_that_answered_nobody_for_a_moment_is_attached_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([False, True])
    with embedded_database(tmp_path) as database:
        monkeypatch.setattr(embedded, "_is_running_soon", lambda binaries, sockets: next(looks))
        assert start_or_attach(tmp_path).child is None
        assert database.is_running()


def test_it_stops_when_its_starter_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", STARTER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        sockets = Path(starter.stdout.readline().strip())
        assert is_running(find_binaries(), sockets)
        starter.kill()
    deadline = time.monotonic() + 10
    while is_running(find_binaries(), sockets) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_running(find_binaries(), sockets)


def test_a_long_path_gets_a_socket_folder_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20) / ("longer" * 10)
    with embedded_database(folder) as database:
        assert len(str(database.sockets)) < 93
        assert database.sockets.stat().st_mode & 0o777 == 0o700
    database.sockets.rmdir()


def test_a_half_made_cluster_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "postgres.new").mkdir(parents=True)
    (tmp_path / "postgres.new" / "half").write_text("half")
    with embedded_database(tmp_path) as database:
        assert database.is_running()


def test_a_cluster_that_cannot_start_says_where_its_log_is(tmp_path: Path) -> None:
    with embedded_database(tmp_path):
        pass
    (tmp_path / "postgres" / "postgresql.conf").write_text("shared_buffers = rubbish\n")
    with pytest.raises(DatabaseUnsuitable, match="log is in"):
        stop(start_or_attach(tmp_path))
