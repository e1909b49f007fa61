"""Which title is meant: by id, then by title and year, and nothing where it might be two."""

import pytest

from app.db import Engine
from app.db.matching import match_titles
from app.ingest_types import Wanted
from app.types import Server
from tests.connect.histories.payloads import HARBOUR, ORCHARD, PILOT, SECOND
from tests.db.household import House, episode, film, series


def match(engine: Engine, server: Server, *wanted: Wanted) -> list[tuple[str | None, str | None]]:
    """How and what, or why not."""
    with engine.begin() as connection:
        return [(one.how or one.fault, one.entry) for one in match_titles(connection, server.id, wanted)]


FILM_BY_ID = Wanted("movie", "Another Name", own_id=HARBOUR, is_sure=True)


@pytest.mark.parametrize(("wanted", "how", "entry"), [
    (FILM_BY_ID, "id", HARBOUR),
    (Wanted("movie", "salt  HARBOUR", own_id=HARBOUR), "id", HARBOUR),
    (Wanted("movie", "Another Name", own_id=HARBOUR), "unknown title", None),
    (Wanted("episode", "Another", own_id=HARBOUR, is_sure=True), "unknown title", None),
    (Wanted("movie", None, tmdb="862"), "provider id", HARBOUR),
    (Wanted("movie", "Whatever", 1950, imdb="tt0114709"), "provider id", HARBOUR),
    (Wanted("series", None, tmdb="862"), "unknown title", None),
    (Wanted("movie", None, tmdb="862", imdb="tt0000001"), "provider id", HARBOUR),
    (Wanted("movie", "Salt Harbour", 2019), "title and year", HARBOUR),
    (Wanted("movie", "Salt Harbour", 2020), "unknown title", None),
    (Wanted("movie", "Sált Harbour"), "title", HARBOUR),
    (Wanted("movie", "Salt Harbour", 2019, tmdb="999"), "unknown title", None),
    (Wanted("movie", "Two Moons"), "ambiguous title", None),
    (Wanted("movie", "Two Moons", 2010), "title and year", "f3" * 16),
    (Wanted("movie", "Im Körper"), "title", "f4" * 16),
    (Wanted("movie", "Face"), "unknown title", None),
    (Wanted("series", "The Tin Orchard", 2020), "title and year", ORCHARD),
    (Wanted("episode", None, tvdb="75897", season=1, episode=2), "provider id", SECOND),
    (Wanted("episode", "The Tin Orchard", season=1, episode=9), "unknown episode", None),
    (Wanted("episode", "The Tin Orchard", season=1, part_name="pilot"), "title", PILOT),
    (Wanted("episode", "The Tin Orchard", part_name="Pilot"), "ambiguous episode", None),
    (Wanted("episode", "The Tin Orchard", episode=1), "unknown episode", None),
    (Wanted("episode", None, own_id="99" * 16, is_sure=True, series_own_id=ORCHARD, season=1, episode=1), "id", PILOT),
    (Wanted("movie", None), "unknown title", None),
    (Wanted("movie", "'; DROP TABLE items; --", tmdb="'"), "unknown title", None),
])  # fmt: skip
def test_a_title_is_found_by_its_ids_first(engine: Engine, known: Server, wanted: Wanted, how: str, entry: str | None) -> None:
    assert match(engine, known, wanted) == [(how, entry)]


def test_ids_that_disagree_are_not_believed(engine: Engine, known: Server, house: House) -> None:
    house.items(film("f9", "Other", provider_ids={"imdb": "tt7"}))
    assert match(engine, known, Wanted("movie", None, tmdb="862", imdb="tt7")) == [("ambiguous title", None)]


def test_one_server_knows_nothing_of_anothers_titles(engine: Engine, known: Server, house: House, make_server: type) -> None:
    assert match(engine, make_server(), FILM_BY_ID) == [("unknown title", None)]
    assert house.state()["items"]


def test_two_versions_of_an_episode_are_one_and_answers_keep_their_order(engine: Engine, known: Server, house: House) -> None:
    house.items(series("second series", "The Tin Orchard", year=2020, provider_ids={"tvdb": "75897"}))
    house.items(episode("4k", "second series", 1))
    asked = [Wanted("movie", "Two Moons"), Wanted("episode", "The Tin Orchard", 2020, season=1, episode=1), FILM_BY_ID]
    assert match(engine, known, *asked) == [("ambiguous title", None), ("title and year", "4k"), ("id", HARBOUR)]
    assert match(engine, known) == []
