"""Recorded payloads of real programs."""

from collections.abc import Callable
from typing import Any

import pytest

from app.connect.histories.files import HistoryFile
from app.connect.histories.jellystat import read_jellystat
from app.connect.histories.streamystats import read_streamystats
from app.connect.histories.tautulli import read_tautulli
from app.connect.histories.told import Told, Unread
from app.connect.histories.trakt import read_trakt
from app.errors import BadInput
from tests.connect.samples import FOLDER, sample

READERS: list[Callable[[HistoryFile], Any]] = [read_tautulli, read_jellystat, read_streamystats, read_trakt]


def history(name: str) -> HistoryFile:
    return HistoryFile(sample(name))


@pytest.mark.parametrize("name", ["tautulli_get_history.json", "tautulli_tau_hist_movie.json"])
def test_every_recorded_sitting_of_tautulli_is_read(name: str) -> None:
    import orjson

    recorded = orjson.loads(sample(name).read_bytes())["response"]["data"]["data"]
    rows = list(read_tautulli(history(name)))
    assert len(rows) == len(recorded) > 0
    for row, said in zip(rows, recorded, strict=True):
        assert isinstance(row, Told)
        assert row.at is not None
        assert (row.at.timestamp(), row.played_seconds, row.percent) == (
            said["started"],
            said["duration"] or None,
            said["percent_complete"],
        )
        [wanted] = row.wanted
        if said["media_type"] == "movie":
            assert (wanted.kind, wanted.name, wanted.year) == ("movie", said["title"], said["year"])
        else:
            told = (wanted.name, wanted.season, wanted.episode, wanted.part_name)
            assert told == (said["grandparent_title"], said["parent_media_index"], said["media_index"], said["title"])


def test_every_recorded_episode_of_trakt_is_read() -> None:
    rows = list(read_trakt(history("trakt_watched.json")))
    assert len(rows) == 13
    for number, row in enumerate(rows, start=1):
        assert isinstance(row, Told)
        assert (row.wanted[0].season, row.wanted[0].episode, row.wanted[0].tvdb is not None) == (1, number, True)
        assert row.at is not None


@pytest.mark.parametrize("read", READERS)
def test_answers_of_a_media_server_are_no_history(read: Callable[[HistoryFile], Any]) -> None:
    with pytest.raises(BadInput):
        list(read(history("jellyfin_emby_items_SYNTHETIC.json")))


def test_every_recorded_payload_is_read_or_refused() -> None:
    sample("trakt_watched.json")
    for path in sorted(FOLDER.glob("*.json")):
        for read in READERS:
            try:
                assert all(isinstance(row, Told | Unread) for row in read(HistoryFile(path)))
            except BadInput:
                continue
