"""What each format says, and what it does not."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.connect.histories.files import HistoryFile
from app.connect.histories.jellystat import read_jellystat
from app.connect.histories.netflix import read_netflix
from app.connect.histories.playback_reporting import read_playback_reporting
from app.connect.histories.streamystats import read_streamystats
from app.connect.histories.tautulli import read_tautulli
from app.connect.histories.told import Told, Unread
from app.connect.histories.trakt import read_trakt
from app.errors import BadInput
from app.ingest_types import Wanted
from tests.connect.histories.payloads import (
    ADA,
    FILM,
    HARBOUR,
    NETFLIX,
    ORCHARD,
    PLAYBACK_REPORTING,
    SECOND,
    SHOW,
    dashed,
    jellystat,
    jellystat_row,
    session,
    streamystats,
    tautulli,
    tautulli_episode,
    tautulli_film,
    trakt_history,
    trakt_ratings,
    trakt_watched,
)

Write = Callable[[str, bytes | str], HistoryFile]
EIGHT = datetime(2026, 1, 1, 20, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def one(rows: Any) -> Told:
    [told] = rows
    assert isinstance(told, Told), told
    return told


def reasons(rows: Any) -> list[str]:
    return [row.reason for row in rows if isinstance(row, Unread)]


def test_a_row_of_tautulli_is_a_sitting_with_its_length(write: Write) -> None:
    told = one(read_tautulli(write("t.json", json.dumps(tautulli(tautulli_film())))))
    assert (told.at, told.played_seconds, told.percent, told.is_completed) == (EIGHT, 5400, 90.0, True)
    assert told.people == ("4711", "ada", "Ada")
    assert told.wanted == (Wanted("movie", "Salt Harbour", 2019, own_id="90"),)


def test_an_episode_of_tautulli_is_of_its_series_and_not_of_its_own_year(write: Write) -> None:
    row = tautulli_episode(year=2021, guid="com.plexapp.agents.thetvdb://75897/1/1?lang=en")
    told = one(read_tautulli(write("t.json", json.dumps([row]))))
    assert told.wanted == (Wanted("episode", "The Tin Orchard", own_id="91", tvdb="75897", season=1, episode=1, part_name="Pilot"),)


def test_what_tautulli_does_not_know_stays_unknown(write: Write) -> None:
    row = tautulli_film(started="", date=None, duration=None, percent_complete="", watched_status=None)
    told = one(read_tautulli(write("t.json", json.dumps([row]))))
    assert (told.at, told.played_seconds, told.percent, told.is_completed) == (None, None, None, None)


@pytest.mark.parametrize("fault", [
    {"percent_complete": 10**30}, {"duration": "an hour"}, {"started": 10**12}, {"duration": True}, {"title": "\x00"}, {"title": ["a"]},
    {"media_type": "track"}, {"live": 1}, {"state": "playing"}, {"year": -1}, {"title": "x" * 600}, {"duration": -1}, {"title": ""},
])  # fmt: skip
def test_a_row_that_cannot_be_is_refused_and_the_next_is_read(write: Write, fault: dict[str, Any]) -> None:
    rows = list(read_tautulli(write("t.json", json.dumps([tautulli_film(**fault), tautulli_film()]))))
    assert isinstance(rows[0], Unread)
    assert rows[0].place == "row 1"
    assert isinstance(rows[1], Told)


def test_jellystat_tells_the_end_and_the_sitting_begins_before_it(write: Write) -> None:
    told = one(read_jellystat(write("j.json", json.dumps(jellystat(jellystat_row())))))
    assert (told.at, told.played_seconds, told.percent, told.is_completed) == (EIGHT, 5400, None, None)
    assert told.wanted[0].own_id == HARBOUR
    took_over = one(read_jellystat(write("j.json", json.dumps(jellystat(jellystat_row(imported=True))))))
    assert took_over.at == EIGHT + timedelta(hours=1.5)


def test_jellystat_line_by_line_says_the_same_as_whole(write: Write) -> None:
    tables = jellystat(jellystat_row(EpisodeId=dashed("e9" * 16), NowPlayingItemId=ORCHARD), jellystat_row(NowPlayingItemId="99" * 16))
    by_line = [
        json.dumps(row)
        for table in tables
        for name, rows in table.items()
        for row in [{"type": "table", "table": name}, *({"type": "row", "table": name, "data": row} for row in rows)]
    ]
    rows = list(read_jellystat(write("b.jsonl", "\r\n".join([*by_line, '{"type": "row", "ta']))))
    assert [row.reason for row in rows if isinstance(row, Unread)] == ["is neither a film nor an episode", "is no JSON"]
    [whole] = [row for row in read_jellystat(write("b.json", json.dumps(tables))) if isinstance(row, Told)]
    [lined] = [row for row in rows if isinstance(row, Told)]
    assert lined.wanted == whole.wanted
    assert (lined.wanted[0].season, lined.wanted[0].episode) == (1, 2)


def test_a_session_of_streamystats_is_a_sitting_and_what_it_concluded_is_none(write: Write) -> None:
    rows = list(read_streamystats(write("s.json", json.dumps(streamystats(session(), session(isInferred=True))))))
    told = one(rows[:1])
    assert (told.at, told.played_seconds, told.percent, told.is_completed) == (EIGHT, 5400, 90.5, True)
    assert isinstance(rows[1], Unread)


def test_playback_reporting_writes_the_media_servers_own_clock(write: Write) -> None:
    rows = list(read_playback_reporting(write("p.tsv", PLAYBACK_REPORTING), BERLIN))
    assert isinstance(rows[0], Told)
    assert rows[0].at is not None
    assert rows[0].at.replace(microsecond=0) == EIGHT
    assert isinstance(rows[1], Told)
    assert rows[1].played_seconds is None
    assert rows[1].wanted[0] == Wanted(
        "episode", "The Tin Orchard", own_id="77" * 16, is_sure=True, season=1, episode=2, part_name="Half: A Story"
    )
    assert reasons(rows) == ["is neither a film nor an episode"]
    assert reasons(read_playback_reporting(write("p.csv", PLAYBACK_REPORTING.replace("\t", ",")), BERLIN)) == reasons(rows)


def test_trakts_history_has_times_but_no_lengths(write: Write) -> None:
    film, part = read_trakt(write("history.json", json.dumps(trakt_history())))
    assert isinstance(film, Told)
    assert (film.at, film.played_seconds, film.percent, film.is_completed) == (EIGHT + timedelta(hours=1.5), None, None, None)
    assert film.wanted == (Wanted("movie", "Salt Harbour", 2019, tmdb="862", imdb="tt0114709"),)
    assert isinstance(part, Told)
    assert part.wanted == (Wanted("episode", "The Tin Orchard", 2020, tvdb="75897", season=1, episode=2, part_name="Half: A Story"),)


def test_a_zip_of_trakt_holds_what_was_watched_rated_and_listed(write: Write) -> None:
    bytes_ = io.BytesIO()
    with zipfile.ZipFile(bytes_, "w") as archive:
        archive.writestr("ada/watched/watched-shows.json", json.dumps(trakt_watched()))
        archive.writestr("ada/ratings/ratings.json", json.dumps(trakt_ratings()))
        archive.writestr("ada/lists/watchlist.json", json.dumps([{"listed_at": "2026-01-01T00:00:00Z", "type": "show", "show": SHOW}]))
        archive.writestr("ada/user/profile.json", json.dumps({"username": "ada"}))
    rows = [row for row in read_trakt(write("trakt.zip", bytes_.getvalue())) if isinstance(row, Told)]
    assert {(row.signal, row.value) for row in rows} == {(None, None), ("rating", 9), ("rating", 7), ("watchlist", 1)}
    assert len(rows) == 6


def test_trakts_unknown_time_is_unknown(write: Write) -> None:
    row = {"watched_at": "1970-01-01T00:00:00.000Z", "type": "movie", "movie": FILM}
    assert one(read_trakt(write("h.json", json.dumps([row])))).at is None


def test_a_day_of_netflix_is_its_noon_and_says_nothing_of_completion(write: Write) -> None:
    rows = [row for row in read_netflix(write("n.csv", NETFLIX), BERLIN, None) if isinstance(row, Told)]
    assert len(rows) == 6
    assert rows[0].at == datetime(2026, 1, 31, 11, tzinfo=UTC)
    assert {(row.played_seconds, row.percent, row.is_completed) for row in rows} == {(None, None, None)}
    assert Wanted("episode", "The Tin Orchard", season=1, part_name="Half: A Story") in rows[1].wanted
    assert Wanted("movie", "The Tin Orchard: Season 1: Half: A Story") in rows[1].wanted


@pytest.mark.parametrize(("date", "day"), [("31/01/2026", 31), ("31.1.26", 31), ("2026-01-31", 31), ("1/31/26", 31), ("2026. 1. 31.", 31)])
def test_netflix_writes_days_in_the_way_of_the_country(write: Write, date: str, day: int) -> None:
    told = one(read_netflix(write("n.csv", f"Title,Date\nSalt Harbour,{date}\n"), UTC, None))
    assert told.at == datetime(2026, 1, day, 12, tzinfo=UTC)


def test_days_that_may_be_months_are_not_guessed(write: Write) -> None:
    file = write("n.csv", "Title,Date\nSalt Harbour,1/2/26\n")
    with pytest.raises(BadInput, match="--dates"):
        list(read_netflix(file, UTC, None))
    assert one(read_netflix(file, UTC, "day-first")).at == datetime(2026, 2, 1, 12, tzinfo=UTC)
    assert one(read_netflix(file, UTC, "month-first")).at == datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16", "utf-8"])
def test_encodings_and_line_ends_of_all_kinds_are_read(write: Write, coding: str) -> None:
    content = 'Title,Date\r\n"Die Brücke","31.01.26"\r\n'.encode(coding)
    for file in (write("n.csv", content), write("n.csv.gz", gzip.compress(content))):
        told = one(read_netflix(file, UTC, None))
        assert told.wanted[0].name == "Die Brücke"


def test_a_line_in_another_encoding_is_refused_and_the_rest_is_read(write: Write) -> None:
    rows = list(read_netflix(write("n.csv", b"Title,Date\nDie Br\xfccke,31.01.26\nSalt Harbour,31.01.26\n"), UTC, None))
    assert reasons(rows) == ["the title holds what is no text"]
    assert len(rows) == 2


def test_half_a_file_gives_its_half(write: Write) -> None:
    content = gzip.compress(("Title,Date\n" + "".join(f"Film {number},31.01.26\n" for number in range(5000))).encode())
    rows = list(read_netflix(write("n.csv.gz", content[: len(content) // 2]), UTC, None))
    assert reasons(rows) == ["the file breaks off here"]
    assert len(rows) > 100


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x01\x02", b"not json", b'{"a": 1}', b"[1, 2]", b"[" * 5000, b"\x1f\x8b\x08", b"PK\x03\x04..", b"\xff\xfea"]
)
@pytest.mark.parametrize("read", [read_tautulli, read_jellystat, read_streamystats, read_trakt])
def test_what_is_nothing_of_the_kind_is_refused_in_one_line(write: Write, content: bytes, read: Callable[[HistoryFile], Any]) -> None:
    with pytest.raises(BadInput) as error:
        list(read(write("x.json", content)))
    assert "\n" not in str(error.value)


def test_one_kind_is_not_another(write: Write) -> None:
    readers: dict[Any, Any] = {
        read_tautulli: tautulli(tautulli_film()), read_jellystat: jellystat(jellystat_row()), read_streamystats: streamystats(session()),
        read_trakt: trakt_history(),
    }  # fmt: skip
    for read in readers:
        for other, payload in readers.items():
            if read is not other:
                with pytest.raises(BadInput):
                    list(read(write("x.json", json.dumps(payload))))


def test_ids_with_dashes_are_ids(write: Write) -> None:
    row = session(
        itemId=dashed(SECOND), seriesId=dashed(ORCHARD), seriesName="The Tin Orchard", itemName="Half: A Story", userId=dashed(ADA)
    )
    wanted = one(read_streamystats(write("s.json", json.dumps(streamystats(row))))).wanted[0]
    assert (wanted.kind, wanted.own_id, wanted.series_own_id) == ("episode", SECOND, ORCHARD)
