"""Servers that are connected to a made-up Jellyfin."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from app.connect.jellyfin_client import JellyfinClient
from app.db import Engine
from app.db.connections import put_connection
from app.db.servers import put_server
from app.secrets import encrypted
from app.types import Server, unseen
from jobs.sync_library import Synced, sync_library
from tests.conftest import SECRET_KEY
from tests.connect.conftest import jellyfin, major, make_jellyfin
from tests.connect.fake_jellyfin.server import KEY, FakeJellyfin

__all__ = ["jellyfin", "major", "make_jellyfin"]

# Small pages, so that a list has several; nobody waits long.
hasty = partial(JellyfinClient, pauses=(0.01, 0.01), page=7, timeout=10.0)
Sync = Callable[..., Synced]


@pytest.fixture
def connected(engine: Engine, make_server: Callable[..., Server]) -> Callable[[FakeJellyfin], Server]:
    """A server of the test's own that reads this Jellyfin."""

    def connect(fake: FakeJellyfin) -> Server:
        return connected_to(engine, make_server().external_id, fake)

    return connect


def connected_to(engine: Engine, name: str, fake: FakeJellyfin) -> Server:
    with engine.begin() as connection:
        server, _ = put_server(connection, name, "Attic", "jellyfin", {})
        put_connection(connection, server.id, fake.url, encrypted(KEY, SECRET_KEY), "f" * 32)
    return server


@pytest.fixture
def sync(engine: Engine) -> Sync:
    """Each sync an hour after the one before, unless the test says when."""
    times = iter(datetime.now(UTC) + timedelta(hours=number) for number in range(1000))

    def run(server: Server, now: datetime | None = None, **given: Any) -> Synced:
        return sync_library(engine, server, SECRET_KEY, now or next(times), unseen, **{"connect": hasty} | given)

    return run
