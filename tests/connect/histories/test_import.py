"""What stands after an import: whose it is, that it counts once, and that it can be taken back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.connect.histories.people import whose
from app.connect.histories.recorded import undo_import
from app.connect.histories.tautulli import read_rows
from app.connect.histories.told import Told
from app.connect.histories.trakt import read_trakt
from app.db import Engine
from app.db.imports import list_imports
from app.errors import BadInput, ImportUndone, UnknownImport
from app.ingest_types import Wanted
from app.types import Server, unseen
from tests.connect.histories.payloads import ADA, AT, HARBOUR, ORCHARD, PILOT, STARTED, tautulli_episode, tautulli_film, trakt_watched
from tests.db.household import DAY_ONE, House, day, play, user

BO = "b0" * 16
Run = Callable[..., Any]


def undo(engine: Engine, server: Server, import_id: int | None) -> tuple[int, int]:
    assert import_id is not None
    return undo_import(engine, server.id, import_id, DAY_ONE, unseen)


def told(entry: str, at: datetime | None, key: str = "1", **more: Any) -> Told:
    return Told("row 1", key, ("Ada",), (Wanted("movie", None, own_id=entry, is_sure=True),), at, **more)


def test_a_history_becomes_engagement(house: House, run: Run) -> None:
    done, tally = run(read_rows([tautulli_film(), tautulli_episode()]))
    film = house.engagement(ADA, HARBOUR)
    assert film is not None
    assert (film["n_plays"], round(film["completion"], 2), film["is_finished"]) == (1, 1.0, True)
    assert house.engagement(ADA, ORCHARD) is not None
    assert (done.was_known, tally.how, tally.n_created) == (False, {"title and year": 1, "title": 1}, 2)


def test_what_is_not_told_stays_unknown(house: House, run: Run) -> None:
    run([told(HARBOUR, None)])
    film = house.engagement(ADA, HARBOUR)
    assert film is not None
    assert (film["n_plays"], film["completion"], film["last_at"], film["played_ratio"]) == (1, None, None, None)


@pytest.mark.parametrize("seconds", [-3000, -20, 0, 20, 3000])
def test_what_the_media_server_told_of_the_same_sitting_counts_once(house: House, run: Run, seconds: int) -> None:
    """The media server's own record begins then; where that has a length of its own, before the history's."""
    began = datetime.fromtimestamp(STARTED, UTC) + timedelta(seconds=seconds)
    own = {"played_seconds": 4000} if seconds < -60 else {}
    house.plays(play(ADA, HARBOUR, started_at=began.isoformat(), **own), source="jellyfin")
    run(read_rows([tautulli_film()]))
    film = house.engagement(ADA, HARBOUR)
    assert film is not None
    assert film["n_plays"] == 1
    assert len(house.state()["plays"]) == 2


def test_a_pause_that_only_one_of_two_knows_makes_no_second_sitting(house: House, run: Run) -> None:
    """Begun at eight and paused for five minutes: by its end and its length it began at five past."""
    began = datetime.fromtimestamp(STARTED, UTC)
    house.plays(play(ADA, HARBOUR, started_at=began.isoformat(), completed=True), source="jellyfin")
    run([told(HARBOUR, began + timedelta(minutes=5), played_seconds=5400)], kind="jellystat")
    assert house.engagement(ADA, HARBOUR)["n_plays"] == 1  # type: ignore[index]


def test_another_sitting_counts_by_itself(house: House, run: Run) -> None:
    house.plays(play(ADA, HARBOUR, started_at=day(5)), source="jellyfin")
    run(read_rows([tautulli_film()]))
    assert house.engagement(ADA, HARBOUR)["n_plays"] == 2  # type: ignore[index]


def test_the_same_again_changes_nothing_and_says_so(house: House, run: Run) -> None:
    rows = [tautulli_film(), tautulli_film(), tautulli_episode()]
    first, _ = run(read_rows(rows))
    before = house.state()
    again, tally = run(read_rows(rows))
    assert (again.id, again.was_known, tally.n_created, tally.n_updated) == (first.id, True, 0, 0)
    assert house.state() == before


def test_an_import_is_taken_back_with_its_engagement(engine: Engine, known: Server, house: House, run: Run) -> None:
    house.plays(play(ADA, PILOT, started_at=day(3)))
    before = house.state()
    done, _ = run(read_rows([tautulli_film(), tautulli_episode()]))
    assert undo(engine, known, done.id) == (2, 0)
    assert house.state() == before
    with pytest.raises(ImportUndone):
        undo(engine, known, done.id)
    with pytest.raises(UnknownImport):
        undo(engine, known, 2**60)
    anew, tally = run(read_rows([tautulli_film(), tautulli_episode()]))
    assert (anew.was_known, tally.n_created) == (False, 2)
    assert anew.id != done.id


def test_what_two_imports_brought_stays_until_both_are_taken_back(engine: Engine, known: Server, house: House, run: Run) -> None:
    first, _ = run(read_rows([tautulli_film()]), digest=b"january")
    both, _ = run(read_rows([tautulli_film(), tautulli_film(row_id=9, started=STARTED + 10**6)]), digest=b"both")
    assert house.engagement(ADA, HARBOUR)["n_plays"] == 2  # type: ignore[index]
    assert undo(engine, known, both.id) == (1, 1)
    assert house.engagement(ADA, HARBOUR)["n_plays"] == 1  # type: ignore[index]
    assert undo(engine, known, first.id) == (1, 0)
    assert house.engagement(ADA, HARBOUR) is None


def test_what_a_later_file_says_of_a_sitting_goes_with_that_file(engine: Engine, known: Server, house: House, run: Run) -> None:
    run(read_rows([tautulli_film(percent_complete=30, duration=1800, watched_status=0)]), digest=b"then")
    half = house.engagement(ADA, HARBOUR)
    later, _ = run(read_rows([tautulli_film()]), digest=b"later")
    whole = house.engagement(ADA, HARBOUR)
    assert half is not None
    assert whole is not None
    assert (half["completion"], whole["completion"], whole["n_plays"]) == (pytest.approx(0.3), 1, 1)
    undo(engine, known, later.id)
    assert house.engagement(ADA, HARBOUR) == half


def test_one_server_cannot_take_back_anothers_import(engine: Engine, house: House, run: Run, make_server: Callable[..., Server]) -> None:
    done, _ = run(read_rows([tautulli_film()]))
    with pytest.raises(UnknownImport):
        undo(engine, make_server(), done.id)
    assert house.engagement(ADA, HARBOUR) is not None


def test_an_undo_in_pages_ends_in_the_same(engine: Engine, known: Server, house: House, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.connect.histories.recorded.PER_PAGE", 7)
    before = house.state()
    rows = [tautulli_film(row_id=number, started=STARTED + 10**4 * number) for number in range(1, 31)]
    done, tally = run(read_rows(rows))
    assert tally.counts == {"n_read": 30, "n_plays": 30, "n_not_matched": 0, "n_refused": 0}
    assert undo(engine, known, done.id) == (30, 0)
    assert house.state() == before


def test_ratings_go_with_their_import(engine: Engine, known: Server, house: House, run: Run) -> None:
    done, _ = run([told(HARBOUR, DAY_ONE, signal="rating", value=9)], kind="trakt", digest=b"a")
    assert house.engagement(ADA, HARBOUR)["rating"] == 9  # type: ignore[index]
    changed, _ = run([told(HARBOUR, DAY_ONE + timedelta(days=1), signal="rating", value=6)], kind="trakt", digest=b"b")
    assert house.engagement(ADA, HARBOUR)["rating"] == 6  # type: ignore[index]
    undo(engine, known, changed.id)
    assert house.engagement(ADA, HARBOUR)["rating"] == 9  # type: ignore[index]
    undo(engine, known, done.id)
    assert house.engagement(ADA, HARBOUR) is None


def test_an_erased_user_is_not_brought_back_and_their_import_is_gone(engine: Engine, known: Server, house: House, run: Run) -> None:
    done, _ = run(read_rows([tautulli_film()]))
    house.erase(ADA)
    _, tally = run(read_rows([tautulli_film()]), digest=b"2")
    assert tally.faults == {"unknown user": 1}
    assert house.state()["plays"] == []
    assert undo(engine, known, done.id) == (0, 0)


def test_people_are_who_they_are_told_to_be(house: House, run: Run) -> None:
    _, tally = run(read_rows([tautulli_film(user="stranger", friendly_name="The Stranger")]))
    assert tally.strangers == {"4711 or stranger or The Stranger": 1}
    run(read_rows([tautulli_film(user="stranger", friendly_name="The Stranger")]), "STRANGER=bo")
    assert house.engagement(BO, HARBOUR) is not None
    run(read_rows([tautulli_film(row_id=10)]), everybody=BO)
    assert house.engagement(ADA, HARBOUR) is None


@pytest.mark.parametrize("told", [["nobody=Cy"], ["=Ada"], ["Ada"], ["Ada="]])
def test_a_user_who_is_not_here_is_a_mistake(engine: Engine, known: Server, told: list[str]) -> None:
    with engine.begin() as connection, pytest.raises(BadInput):
        whose(connection, known, None, told)


def test_a_number_is_nobodys_id_but_plexs(engine: Engine, known: Server, house: House) -> None:
    house.users(user("4711", name="Cy"), user("x1", name="Twin"), user("x2", name="twin"))
    with engine.begin() as connection:
        people = whose(connection, known, None, [])
        plex = whose(connection, Server(known.id, "p", "p", "plex", {}), None, [])
    assert people.ours(("4711",)) is None
    assert plex.ours(("4711",)) == "4711"
    assert people.ours(("Twin",)) is None
    assert people.ours(("ADADADAD-adad-adad-adad-adadadadadad",)) == ADA


def test_an_import_that_broke_off_goes_on_and_ends_in_the_same_rows(
    engine: Engine, known: Server, house: House, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.connect.histories.bring.PER_PAGE", 4)
    rows = [tautulli_film(row_id=number, started=STARTED + 10**4 * number) for number in range(1, 20)]

    def breaking() -> Any:
        yield from read_rows(rows[:10])
        raise BadInput("the disk is gone")

    with pytest.raises(BadInput, match="disk"):
        run(breaking())
    with engine.begin() as connection:
        [half] = list_imports(connection, known.id)
    assert half.ended_at is None
    assert len(house.state()["plays"]) == 8
    done, tally = run(read_rows(rows))
    assert (done.id, done.was_known, tally.n_created, tally.counts["n_plays"]) == (half.id, False, 11, 19)
    broken_off = house.state()
    undo(engine, known, done.id)
    run(read_rows(rows))
    assert house.state() == broken_off


def test_what_has_no_row_of_use_is_refused_and_is_no_import(engine: Engine, known: Server, run: Run) -> None:
    with pytest.raises(BadInput, match="row 1"):
        run(read_rows([tautulli_film(media_type="track"), 7, None]))
    with engine.begin() as connection:
        assert list_imports(connection, known.id) == []


def test_earlier_times_that_only_a_number_tells_of_do_not_count_twice(house: House, run: Run, write: Any) -> None:
    import json

    # As a Jellyfin tells three viewings: the last with its time.
    house.plays(play(ADA, HARBOUR, "last", started_at=AT, completed=True), source="jellyfin")
    for number in (1, 2):
        house.plays(play(ADA, HARBOUR, f"earlier {number}"), source="jellyfin")
    run(read_trakt(write("watched.json", json.dumps(trakt_watched()))), everybody=ADA, kind="trakt")
    assert house.engagement(ADA, HARBOUR)["n_plays"] == 3  # type: ignore[index]
    series = house.engagement(ADA, ORCHARD)
    assert series is not None
    assert (series["n_episodes"], series["completion"]) == (2, None)
