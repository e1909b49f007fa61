"""Whatever stands in a file: a row is read, or refused with its reason, and no play is of what it does not name."""

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.connect.histories.files import HistoryFile
from app.connect.histories.jellystat import read_jellystat
from app.connect.histories.netflix import read_netflix
from app.connect.histories.playback_reporting import read_playback_reporting
from app.connect.histories.streamystats import read_streamystats
from app.connect.histories.tautulli import read_tautulli
from app.connect.histories.told import Told, Unread
from app.connect.histories.trakt import read_trakt
from app.errors import BadInput
from tests.connect.histories.payloads import (
    NETFLIX,
    PLAYBACK_REPORTING,
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

PAYLOADS: list[tuple[Callable[[HistoryFile], Any], Any]] = [
    (read_tautulli, tautulli(tautulli_film(), tautulli_episode())),
    (read_jellystat, jellystat(jellystat_row(), jellystat_row(EpisodeId="e9" * 16))),
    (read_streamystats, streamystats(session(), session(seriesId="50" * 16, seriesName="The Tin Orchard"))),
    (read_trakt, trakt_history() + trakt_watched() + trakt_ratings()),
    (lambda file: read_netflix(file, UTC, "month-first"), NETFLIX),
    (lambda file: read_playback_reporting(file, None), PLAYBACK_REPORTING),
]
STRANGE: list[Any] = [
    None, "", 0, -1, 2**31, 2**63, 10**40, 1e308, True, [], {}, "\x00", "\ud800", "x" * 600, "1e999", "NaN", "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z", "2026-01-01", "tt", "-5", 3.5, [[]], {"ids": 1}, "🎬", "' OR 1=1", "%s", "\u202e", "12" * 16,
]  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in it."""
    keys = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, inner in keys for found in [(value, key), *places(inner)]]


def mutated(payload: Any, random: Random) -> bytes:
    if isinstance(payload, str):
        letters = list(payload.encode())
        for _ in range(random.randint(1, 6)):
            spot = random.randrange(len(letters))
            letters[spot : spot + random.randint(0, 8)] = random.choice([b"", b'"', b"\xff", b"\t", b"\n", b",", b"\x00", b"9" * 20])
        return bytes(letters)
    changed = json.loads(json.dumps(payload))
    for _ in range(random.randint(1, 4)):
        found = places(changed)
        if not found:
            break
        container, key = random.choice(found)
        if isinstance(container, dict) and random.random() < 0.2:
            del container[key]
        else:
            container[key] = copy.deepcopy(random.choice(STRANGE))
    written = json.dumps(changed).encode("utf-8", "surrogatepass")
    return written[: random.randrange(len(written))] if random.random() < 0.1 else written


def check(folder: Path, number: int, seed: int) -> None:
    read, payload = PAYLOADS[number]
    file = folder / "x.json"
    file.write_bytes(mutated(payload, Random(seed)))
    try:
        rows = list(read(HistoryFile(file)))
    except BadInput:
        return
    for row in rows:
        if isinstance(row, Unread):
            assert row.reason
            continue
        assert isinstance(row, Told)
        assert row.at is None or datetime(1970, 1, 2, tzinfo=UTC) <= row.at < datetime(2201, 1, 1, tzinfo=UTC)
        assert row.played_seconds is None or 0 < row.played_seconds < 2**31
        assert row.percent is None or 0 <= row.percent <= 100
        assert row.is_completed in (None, True, False)
        assert row.value is None or 1 <= row.value <= 10
        assert row.wanted
        for wanted in row.wanted:
            texts = (wanted.name, wanted.own_id, wanted.series_own_id, wanted.tmdb, wanted.imdb, wanted.tvdb, wanted.part_name)
            for text in texts:
                assert text is None or (text.encode() and "\x00" not in text)
            for count in (wanted.year, wanted.season, wanted.episode):
                assert count is None or 0 <= count < 2**31
        assert row.label


def bounded(n_examples: int) -> settings:
    return settings(
        max_examples=n_examples, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )


MUTATION = {"number": st.integers(0, len(PAYLOADS) - 1), "seed": st.integers(0, 2**32 - 1)}


@bounded(300)
@given(**MUTATION)
def test_no_row_is_an_unforeseen_error(tmp_path: Path, number: int, seed: int) -> None:
    check(tmp_path, number, seed)


@pytest.mark.soak
@settings(bounded(5000), derandomize=False)
@given(**MUTATION)
def test_no_row_of_five_thousand_is_an_unforeseen_error(tmp_path: Path, number: int, seed: int) -> None:
    check(tmp_path, number, seed)


def test_every_format_is_read_whole_where_nothing_is_changed(tmp_path: Path) -> None:
    for read, payload in PAYLOADS:
        file = tmp_path / "x.json"
        file.write_text(payload if isinstance(payload, str) else json.dumps(payload))
        assert sum(isinstance(row, Told) for row in read(HistoryFile(file))) >= 2
