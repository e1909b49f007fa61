"""A made-up Jellyfin whose people watched things, read into Palate, with a text space; and tokens of its users."""

import functools
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.connect.media_servers import open_media_server
from app.db import Engine
from app.db.connections import put_connection
from app.db.servers import put_server
from app.secrets import encrypted
from app.types import Server, unseen
from jobs.refresh_tastes import refresh_tastes
from jobs.sync_library import sync_library
from tests.api.test_taste import beside, place
from tests.connect.fake_jellyfin.library import GENRES, FakeLibrary, FakeState, FakeUser, generated, guid
from tests.connect.fake_jellyfin.server import KEY, FakeJellyfin
from tests.planted import SECRET_KEY, planted


@dataclass(frozen=True)
class Attic:
    """`tokens`: of a person with plays, an administrator, a child, one who watched nothing, and one who came after the last sync."""

    fake: FakeJellyfin
    server: Server
    tokens: Mapping[str, str] = field(default_factory=dict)

    @property
    def jellyfin_id(self) -> str:
        return self.fake.id

    def user_id(self, name: str) -> str:
        return self.fake.user_tokens[self.tokens[name]]

    def seen_by(self, name: str) -> set[str]:
        """What Jellyfin shows this person."""
        hidden = self.fake.library.users[self.user_id(name)].hidden
        return {one.id for one in self.fake.library.items.values() if one.id not in hidden}

    def played_by(self, name: str) -> set[str]:
        return self.titles_of(name, lambda state: state.is_played or state.position_seconds > 0)

    def titles_of(self, name: str, fits: Callable[[FakeState], bool]) -> set[str]:
        """Films and series of which this person did this with something."""
        states, items = self.fake.library.users[self.user_id(name)].states, self.fake.library.items
        return {items[key].series_id or key for key, state in states.items() if fits(state)}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def headers(token: str) -> dict[str, str]:
    return {"Authorization": f'MediaBrowser Token="{token}"'}


def small_library() -> FakeLibrary:
    library = generated(100, 9, 2, 4, 8, seed=3)
    library.users[guid("user 0")].policy, library.users[guid("user 1")].policy = {}, {"IsAdministrator": True}
    library.users[guid("cold")] = FakeUser(guid("cold"), "Cold")
    return library


def furnished(engine: Engine, fake: FakeJellyfin) -> Attic:
    """Synced, with vectors and tastes."""
    fake.id = uuid.uuid4().hex
    name = f"attic-{fake.id}"
    with engine.begin() as connection:
        server, _ = put_server(connection, name, f"Attic {fake.id}", "jellyfin", {})
        put_connection(connection, server.id, "jellyfin", fake.url, encrypted(KEY, SECRET_KEY), fake.id)
    now = datetime.now(UTC)
    sync_library(engine, server, SECRET_KEY, now, unseen, connect=functools.partial(open_media_server, pauses=()))
    titles = [one for one in fake.library.items.values() if one.type in ("Movie", "Series")]
    place(engine, server, {one.id: beside(GENRES.index(one.genres[0]), number) for number, one in enumerate(titles)})
    refresh_tastes(engine, server.id, now, unseen)
    late = FakeUser(guid("late"), "Late")
    fake.library.users[late.id] = late
    people = {"ann": guid("user 0"), "admin": guid("user 1"), "child": guid("user 3"), "cold": guid("cold"), "late": late.id}
    tokens = {who: planted(uuid.uuid4().hex) for who in people}
    fake.user_tokens = {tokens[who]: user for who, user in people.items()}
    return Attic(fake, server, tokens)
