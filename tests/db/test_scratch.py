"""A database for a measurement goes with it, even where its process was killed."""

import subprocess
import sys
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.db import Engine
from app.db.scratch import scratch_database
from tests.jobs.working import until

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys
from app.db.scratch import scratch_database
with scratch_database(sys.argv[1]) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


def databases(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.execute(text("SELECT datname FROM pg_database")).scalars())


def names_of_connections(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.execute(text("SELECT application_name FROM pg_stat_activity")).scalars())


def test_what_a_killed_process_left_goes_with_the_next_and_what_is_somebodys_stays(engine: Engine, postgres_url: str) -> None:
    command = [sys.executable, "-c", HOLDER, postgres_url]
    with (
        scratch_database(postgres_url) as mine,
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder,
    ):
        assert holder.stdout is not None
        left = make_url(holder.stdout.readline().strip()).database
        with scratch_database(postgres_url):
            assert left in databases(engine)
        holder.kill()
        holder.wait()
        assert left in databases(engine)
        until(lambda: left not in names_of_connections(engine))
        with scratch_database(postgres_url):
            now_there = databases(engine)
        assert left not in now_there
        assert make_url(mine).database in now_there
