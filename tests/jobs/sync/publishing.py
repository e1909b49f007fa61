"""A Jellyfin to publish on, and what is done with it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.db import Engine
from app.db.playlists import forget_playlist
from app.types import Server, unseen
from jobs.playlist_plan import Wish
from jobs.publish import Published, Removed, publish, remove
from jobs.sync_library import sync_library
from tests.api.personal import id_of
from tests.connect.fake_jellyfin.library import FakeUser, guid
from tests.connect.fake_jellyfin.playlists import FakePlaylist, Playlists
from tests.connect.fake_jellyfin.server import FakeJellyfin
from tests.jobs.sync.hasty import hasty
from tests.planted import SECRET_KEY

# Where the versions do not differ.
of_12 = pytest.mark.parametrize("major", [12])


class Home:
    """A Jellyfin of 6 films and a series of 3 episodes for three people, the last of them a child, and the server that reads it."""

    def __init__(self, fake: FakeJellyfin, server: Server, engine: Engine, client: TestClient) -> None:
        self.fake, self.server, self._engine, self._client = fake, server, engine, client
        self.users = list(fake.library.users.values())
        self.mine = self.users[0].id

    def forget_playlists(self) -> None:
        self.fake.playlists = Playlists(self.fake.library, self.fake.major)
        self.fake.faults, self.fake.dies_at = {}, None
        self.fake.asked.clear()
        with self._engine.begin() as connection:
            for user in self.users:
                forget_playlist(connection, self.server.id, id_of(connection, self.server, user.id))

    def publish(self, **wish: Any) -> Published:
        return publish(self._engine, self.server, SECRET_KEY, Wish(**wish), datetime.now(UTC), unseen, connect=hasty)

    def remove(self, only: str | None = None) -> Removed:
        return remove(self._engine, self.server, SECRET_KEY, only, unseen, connect=hasty)

    def watch(self, item_id: str) -> None:
        self.fake.library.watch(self.mine, item_id, datetime.now(UTC))
        sync_library(self._engine, self.server, SECRET_KEY, datetime.now(UTC), unseen, connect=hasty)

    def list_of(self, user: FakeUser) -> FakePlaylist:
        [found] = self.fake.playlists.of(user.id)
        return found

    def wanted(self, user: FakeUser, limit: int = 20) -> list[str]:
        """As the API recommends, and of the series what comes first."""
        asked = {"server_id": self.server.external_id, "user_id": user.id, "limit": limit}
        items = self._client.get("/recommendations", params=asked).json()["items"]
        return [one["item_id"] if one["type"] == "movie" else guid(f"{one['item_id']} 0") for one in items]

    def n_writes(self) -> int:
        return sum(one.method != "GET" for one in self.fake.asked)
