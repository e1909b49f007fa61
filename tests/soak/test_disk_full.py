"""The disk of the database fills up while plays come in, and is given room again. Wants root, for a small file system of its own."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import httpx
import pytest
from pydantic import SecretStr

from app.db.embedded import start_or_attach, stop
from app.db.engine import working_engine
from app.settings import Settings
from tests.api.conftest import bearer
from tests.api.served import served
from tests.db.household import House
from tests.soak.service import Told, films_and_plays, n_wrong_engagement, send_plays, stored_plays
from tests.soak.test_database_stopped import PATIENCE_SECONDS, RECOVERS_WITHIN_SECONDS, household

SIZE_MB = 220


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=711", "palate-test", str(folder)], check=False)
    if mounted.returncode != 0:
        pytest.skip("may not mount a small file system here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path, left_bytes: int) -> Path:
    free = os.statvfs(folder)
    ballast = folder / "ballast"
    with ballast.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, free.f_bavail * free.f_frsize - left_bytes)
    return ballast


@pytest.mark.parametrize(
    ("n_rounds", "recovers_within"), [(1, PATIENCE_SECONDS), pytest.param(20, RECOVERS_WITHIN_SECONDS, marks=pytest.mark.soak)]
)
def test_a_full_disk_refuses_what_does_not_fit_and_nothing_else_is_lost(
    settings: Settings, admin_key: str, small_disk: Path, n_rounds: int, recovers_within: float
) -> None:
    random = Random(n_rounds)
    items, users, plays = films_and_plays(1_200)
    database = start_or_attach(small_disk)
    engine = working_engine(database.url)
    try:
        server = household(engine, items, users)
        engine.dispose()
        refused = 0
        url = SecretStr(database.url)
        with (
            served(settings.model_copy(update={"database_url": url})) as address,
            httpx.Client(base_url=address, headers=bearer(admin_key), timeout=30) as client,
        ):
            for _ in range(n_rounds):
                ballast = fill(small_disk, random.randint(0, 1 << 20))
                told = Told()
                send_plays(client, "home", plays, told, 200, threading.Event())
                assert set(told.statuses) <= {200, 503}
                refused += told.statuses.count(503)
                ballast.unlink()
                given_at = time.monotonic()
                if not database.is_running():
                    database = start_or_attach(small_disk)
                while client.get("/recommendations", params={"server_id": "home", "user_id": "u1"}).status_code != 200:
                    assert time.monotonic() - given_at < recovers_within
                    time.sleep(0.05)
                engine.dispose()  # its connections may be from before a crash
                with engine.begin() as connection:
                    stored = stored_plays(connection, server.id)
                    assert told.acknowledged <= set(stored)
                    assert len(stored) == len(set(stored))
                    assert n_wrong_engagement(connection, server.id) == 0
                plays = [{**play, "played_seconds": play["played_seconds"] + 1} for play in plays]
        assert refused > 0
        House(engine, server.id).plays(*plays)
        with engine.begin() as connection:
            assert len(stored_plays(connection, server.id)) == len(plays)
    finally:
        engine.dispose()
        stop(database)
