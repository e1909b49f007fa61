"""Servers that are connected to a made-up Jellyfin."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from app.db import Engine
from app.db.connections import put_connection
from app.db.servers import put_server
from app.recommend.pipeline import recommend
from app.secrets import encrypted
from app.types import Filters, Server, unseen
from jobs.sync_library import Synced, sync_library
from tests.connect.conftest import jellyfin, major, make_emby, make_jellyfin, make_plex
from tests.connect.fake_jellyfin.library import FakeLibrary, generated, guid
from tests.connect.fake_jellyfin.server import KEY, FakeJellyfin, serving
from tests.jobs.sync.hasty import hasty
from tests.jobs.sync.publishing import Home
from tests.jobs.sync.rows import rows
from tests.planted import SECRET_KEY

__all__ = ["hasty", "jellyfin", "major", "make_emby", "make_jellyfin", "make_plex"]

Sync = Callable[..., Synced]
TOMORROW = datetime.now(UTC) + timedelta(days=1)
EVENING = datetime(2026, 3, 1, 20, 15, tzinfo=UTC)
FILM, EPISODE, SERIES = guid("Movie 0"), guid(f"{guid('Series 0')} 0"), guid("Series 0")


@pytest.fixture
def connected(engine: Engine, make_server: Callable[..., Server]) -> Callable[[FakeJellyfin], Server]:
    """A server of the test's own that reads this Jellyfin."""

    def connect(fake: FakeJellyfin) -> Server:
        return connected_to(engine, make_server().external_id, fake)

    return connect


def connected_to(engine: Engine, name: str, fake: FakeJellyfin) -> Server:
    with engine.begin() as connection:
        server, _ = put_server(connection, name, "Attic", fake.kind, {})
        put_connection(connection, server.id, fake.kind, fake.url, encrypted(KEY, SECRET_KEY), fake.id)
    return server


@pytest.fixture
def sync(engine: Engine) -> Sync:
    """Each sync an hour after the one before, unless the test says when."""
    times = iter(datetime.now(UTC) + timedelta(hours=number) for number in range(1000))

    def run(server: Server, now: datetime | None = None, **given: Any) -> Synced:
        return sync_library(engine, server, SECRET_KEY, now or next(times), unseen, **{"connect": hasty} | given)

    return run


class House:
    """Two users of 12 films and 2 series of 3 episodes, who did nothing yet; and the server that reads them."""

    def __init__(self, fake: FakeJellyfin, server: Server, sync: Sync, engine: Engine) -> None:
        self.fake, self.server, self._sync, self.engine = fake, server, sync, engine
        self.library: FakeLibrary = fake.library
        self.ada, self.ben = self.library.users
        self._day = 0

    def sync(self) -> Any:
        return self._sync(self.server)

    def next_day(self) -> Any:
        self._day += 1
        return self._sync(self.server, TOMORROW + timedelta(days=self._day))

    def say(self, item_id: str, **changes: Any) -> None:
        self.library.say(self.ada, item_id, **changes)

    def engagement(self, identity: str) -> Any:
        found = rows(self.engine, self.server, "engagement", user=self.ada, identity=identity)
        return found[0] if found else None

    def shown(self, user: str) -> set[str]:
        with self.engine.begin() as connection:
            now = datetime.now(UTC)
            slate = recommend(connection, self.server, user, Filters(), limit=100, offset=0, explain=False, now=now, slate_id=uuid4())
        return {one.candidate.external_id for one in slate.items}


@pytest.fixture
def house(make_jellyfin: Callable[..., FakeJellyfin], connected: Callable[[FakeJellyfin], Server], sync: Sync, engine: Engine) -> House:
    fake = make_jellyfin(generated(12, 2, 3, 2, 0), 10)
    return House(fake, connected(fake), sync, engine)


@pytest.fixture(scope="session")
def homes(engine: Engine, client: TestClient) -> Iterator[Callable[[int], Home]]:
    """One of each version, read once."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def of(major: Literal[10, 12]) -> Home:
            fake = stack.enter_context(serving(FakeJellyfin(generated(6, 1, 3, 3, 0), major)))
            server = connected_to(engine, f"published-{major}", fake)
            sync_library(engine, server, SECRET_KEY, datetime.now(UTC), unseen, connect=hasty)
            return Home(fake, server, engine, client)

        yield of


@pytest.fixture
def home(homes: Callable[[int], Home], major: int) -> Iterator[Home]:
    """For tests that change nothing of the library, and nobody's history."""
    found = homes(major)
    found.forget_playlists()
    yield found
    assert found.fake.complaints == []


@pytest.fixture
def own_home(
    make_jellyfin: Callable[..., FakeJellyfin], major: int, connected: Callable[[FakeJellyfin], Server], sync: Sync, engine: Engine,
    client: TestClient,
) -> Home:  # fmt: skip
    fake = make_jellyfin(generated(6, 1, 3, 3, 0), major)
    made = Home(fake, connected(fake), engine, client)
    sync(made.server)
    return made
