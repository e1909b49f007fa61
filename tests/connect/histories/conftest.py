"""A household with films and a series, whose history is told by others."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from app.connect.histories.bring import bring
from app.connect.histories.files import HistoryFile
from app.connect.histories.people import whose
from app.connect.histories.recorded import Recorded, record
from app.connect.histories.tally import Tally
from app.connect.histories.told import Told, Unread
from app.db import Engine
from app.db.servers import put_server
from app.types import Server
from tests.connect.histories.payloads import ADA, HARBOUR, ORCHARD, PILOT, SECOND
from tests.db.household import DAY_ONE, House, episode, film, series, user


@pytest.fixture
def known(engine: Engine, server: Server) -> Server:
    """Two films of one name, a film with an id, a series of three episodes; Ada and Bo. A Jellyfin's ids."""
    with engine.begin() as connection:
        put_server(connection, server.external_id, "Home", "jellyfin", {"time_zone": "Europe/Berlin"})
    house = House(engine, server.id)
    house.users(user(ADA, name="Ada"), user("b0" * 16, name="Bo"))
    house.items(
        film(HARBOUR, "Salt Harbour", year=2019, runtime_seconds=6000, provider_ids={"tmdb": "862", "imdb": "tt0114709"}),
        film("f2" * 16, "Two Moons", year=1990),
        film("f3" * 16, "Two Moons", year=2010),
        film("f4" * 16, "Face / Off", year=1997, original_name="Im Körper", provider_ids={"tmdb": "754"}),
        series(ORCHARD, "The Tin Orchard", year=2020, provider_ids={"tvdb": "75897"}),
        episode(PILOT, ORCHARD, 1, name="Pilot", runtime_seconds=1500),
        episode(SECOND, ORCHARD, 2, name="Half: A Story", runtime_seconds=1500),
        episode("e3" * 16, ORCHARD, 3, name="Pilot", season_number=2),
    )
    return Server(server.id, server.external_id, "Home", "jellyfin", {"time_zone": "Europe/Berlin"})


@pytest.fixture
def house(engine: Engine, known: Server) -> House:
    return House(engine, known.id)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes | str], HistoryFile]:
    def made(name: str, content: bytes | str) -> HistoryFile:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return HistoryFile(path)

    return made


@pytest.fixture
def run(engine: Engine, known: Server) -> Callable[..., tuple[Recorded, Tally]]:
    """An import of these rows. `digest` stands for the file; the same digest, the same file."""

    def imported(
        rows: Iterable[Told | Unread], *users: str, everybody: str | None = None, kind: str = "tautulli", digest: bytes = b"1"
    ) -> tuple[Recorded, Tally]:
        tally = Tally(keeps_all=True)
        with engine.begin() as connection:
            people = whose(connection, known, everybody, users)
        done = record(
            engine, known.id, kind, f"{kind}.json", digest, DAY_ONE, tally,
            lambda begin: bring(engine, known, kind, rows, people, begin, tally, lambda _: None),
        )  # fmt: skip
        return done, tally

    return imported
