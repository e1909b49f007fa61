"""What a caller may send: mistakes are said, by index and field, and not stored."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic_core import from_json

from app.connect.bodies import ITEMS, PLAYS, SIGNALS, USERS, Reader

ITEM = {"item_id": "i", "type": "movie", "name": "Heat"}
EPISODE = {"item_id": "e", "type": "episode", "name": "One", "series_id": "s"}
USER = {"user_id": "u", "name": "Ada"}
PLAY = {"play_id": "p", "user_id": "u", "item_id": "i"}
SIGNAL = {"user_id": "u", "item_id": "i", "kind": "like"}
READERS: list[tuple[Reader[Any], dict[str, Any]]] = [(ITEMS, ITEM), (USERS, USER), (PLAYS, PLAY), (SIGNALS, SIGNAL)]


def refusal(reader: Reader[Any], body: Any) -> str:
    """Why the second of three is refused; the others are not."""
    good = next(good for known, good in READERS if known is reader)
    rows, indexes, rejected = reader.read([good, body, good])
    assert (len(rows), indexes, [one.index for one in rejected]) == (2, [0, 2], [1]), body
    return rejected[0].error


def accepted(reader: Reader[Any], body: Any) -> Any:
    rows, _, rejected = reader.read([body])
    assert not rejected
    return rows[0]


@pytest.mark.parametrize("reader", [reader for reader, _ in READERS])
@pytest.mark.parametrize("body", [None, 5, "text", [], [{}], {}, True, {"planted": "planted"}])
def test_what_is_no_body_is_refused(reader: Reader[Any], body: Any) -> None:
    assert refusal(reader, body)


@pytest.mark.parametrize(
    ("reader", "body"),
    [
        (ITEMS, ITEM | {"year": "1995"}), (ITEMS, ITEM | {"year": 1995.5}), (ITEMS, ITEM | {"year": False}), (ITEMS, ITEM | {"year": 0}),
        (ITEMS, ITEM | {"runtime_seconds": "5"}), (ITEMS, ITEM | {"runtime_seconds": True}), (ITEMS, ITEM | {"runtime_seconds": -1}),
        (ITEMS, ITEM | {"community_rating": "5"}), (ITEMS, ITEM | {"community_rating": False}), (ITEMS, ITEM | {"community_rating": 10.1}),
        (ITEMS, ITEM | {"vote_count": 1.5}), (ITEMS, ITEM | {"genres": "Drama"}), (ITEMS, ITEM | {"genres": [None]}),
        (ITEMS, ITEM | {"genres": {"Drama": 1}}), (ITEMS, ITEM | {"provider_ids": {"tmdb": 949}}), (ITEMS, ITEM | {"item_id": 5}),
        (ITEMS, ITEM | {"item_id": ""}), (ITEMS, ITEM | {"item_id": "x" * 257}), (ITEMS, ITEM | {"people": ["Pacino"]}),
        (ITEMS, ITEM | {"images": {"primary": 5}}), (ITEMS, EPISODE | {"series_id": None}), (ITEMS, EPISODE | {"season_number": -1}),
        (USERS, USER | {"is_disabled": 0}), (USERS, USER | {"is_disabled": "false"}), (USERS, USER | {"library_ids": "a,b"}),
        (USERS, USER | {"max_parental_age": "12"}), (USERS, USER | {"max_parental_age": False}), (USERS, USER | {"name": None}),
        (PLAYS, PLAY | {"played_seconds": "5"}), (PLAYS, PLAY | {"played_seconds": False}), (PLAYS, PLAY | {"percent": 100.5}),
        (PLAYS, PLAY | {"percent": "50"}), (PLAYS, PLAY | {"completed": 1}), (PLAYS, PLAY | {"completed": "yes"}),
        (PLAYS, PLAY | {"order": 1.5}), (PLAYS, PLAY | {"order": "1"}),
        (PLAYS, PLAY | {"recommendation_id": "planted"}),
        (SIGNALS, SIGNAL | {"kind": "rating"}), (SIGNALS, SIGNAL | {"kind": "rating", "value": True}),
        (SIGNALS, SIGNAL | {"kind": "rating", "value": "5"}), (SIGNALS, SIGNAL | {"kind": "rating", "value": 10.5}),
        (SIGNALS, SIGNAL | {"value": 1}), (SIGNALS, SIGNAL | {"value": 0}), (SIGNALS, SIGNAL | {"value": "true"}),
        (SIGNALS, SIGNAL | {"kind": "watched", "value": False}), (SIGNALS, SIGNAL | {"kind": "shown", "value": False}),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_type_or_size_is_refused_and_not_read_as_another(reader: Reader[Any], body: dict[str, Any]) -> None:
    assert refusal(reader, body)


@pytest.mark.parametrize(
    ("reader", "body", "field"), [(ITEMS, ITEM, "runtime_seconds"), (ITEMS, ITEM, "community_rating"), (ITEMS, ITEM, "year"),
                                  (ITEMS, ITEM, "vote_count"), (PLAYS, PLAY, "played_seconds"), (PLAYS, PLAY, "percent"),
                                  (PLAYS, PLAY, "order"), (SIGNALS, SIGNAL | {"kind": "rating"}, "value")],
)  # fmt: skip
@pytest.mark.parametrize(
    "number", [math.nan, math.inf, -math.inf, 2**53 + 1, 2**63, -(2**63), 10**400, 1e308], ids=lambda number: f"{str(number)[:12]}"
)
def test_a_number_that_is_none_or_too_large_is_refused(reader: Reader[Any], body: dict[str, Any], field: str, number: float) -> None:
    assert field in refusal(reader, body | {field: number})


def test_numbers_too_large_for_json_are_refused_as_numbers() -> None:
    for written in (b"1e400", b"-1e400", b"9" * 500):
        body = from_json(b'{"item_id": "i", "type": "movie", "name": "Heat", "community_rating": ' + written + b"}")
        assert refusal(ITEMS, body)


@pytest.mark.parametrize(
    ("reader", "body"),
    [
        (ITEMS, ITEM | {"name": "a\x00b"}), (ITEMS, ITEM | {"item_id": "\x00"}), (ITEMS, ITEM | {"overview": "\x00"}),
        (ITEMS, ITEM | {"genres": ["\x00"]}), (ITEMS, ITEM | {"people": [{"name": "\x00"}]}), (ITEMS, ITEM | {"images": {"\x00": "x"}}),
        (ITEMS, ITEM | {"provider_ids": {"imdb": "\x00"}}), (ITEMS, ITEM | {"official_rating": "\x00"}),
        (USERS, USER | {"blocked_tags": ["\x00"]}),
        (USERS, USER | {"library_ids": ["\x00"]}), (PLAYS, PLAY | {"play_id": "\x00"}), (SIGNALS, SIGNAL | {"signal_id": "a\x00"}),
    ],
)  # fmt: skip
def test_a_nul_character_is_refused_anywhere(reader: Reader[Any], body: dict[str, Any]) -> None:
    assert "NUL" in refusal(reader, body)


@pytest.mark.parametrize(
    ("reader", "body"), [(ITEMS, ITEM | {"name": "\ud800"}), (PLAYS, PLAY | {"play_id": "\ud800"}), (USERS, USER | {"name": "\udfff"})]
)
def test_half_a_character_is_refused(reader: Reader[Any], body: dict[str, Any]) -> None:
    assert refusal(reader, body)


TIMES = [(PLAYS, PLAY, "started_at"), (SIGNALS, SIGNAL, "at"), (ITEMS, ITEM, "added_at")]


@pytest.mark.parametrize(("reader", "body", "field"), TIMES)
@pytest.mark.parametrize(
    "time", ["2026-03-01T20:15:00", "2026-03-01", "planted", "", 1772396100, 5.5, True, "2026-13-01T00:00:00Z", "2026-03-01T20:15:00+25:00"]
)
def test_a_time_needs_a_date_a_time_and_an_offset(reader: Reader[Any], body: dict[str, Any], field: str, time: Any) -> None:
    assert field in refusal(reader, body | {field: time})


@pytest.mark.parametrize("time", ["5", "1772396100", "1772396100000", "-1.5"])
def test_a_number_as_text_is_no_time(time: str) -> None:
    assert "started_at" in refusal(PLAYS, PLAY | {"started_at": time})


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-23:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"])
def test_a_time_that_python_or_a_sum_could_not_hold_is_refused(time: str) -> None:
    assert "started_at" in refusal(PLAYS, PLAY | {"started_at": time})


@pytest.mark.parametrize("time", ["2026-03-01T20:15:00Z", "2026-03-01T21:15:00+01:00", "2026-03-01t20:15:00.000z", "2026-03-01 20:15:00Z"])
def test_a_time_with_an_offset_is_that_moment(time: str) -> None:
    assert accepted(PLAYS, PLAY | {"started_at": time}).started_at == datetime(2026, 3, 1, 20, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("reader", "body"), [(ITEMS, ITEM | {"type": "film"}), (ITEMS, ITEM | {"type": "Movie"}), (SIGNALS, SIGNAL | {"kind": "love"})]
)
def test_a_wrong_word_is_answered_with_the_right_ones(reader: Reader[Any], body: dict[str, Any]) -> None:
    assert "movie" in refusal(reader, body) or "favourite" in refusal(reader, body)


@pytest.mark.parametrize(
    ("reader", "body"),
    [
        (ITEMS, ITEM | {"year": "planted"}), (ITEMS, ITEM | {"name": ["planted"]}), (ITEMS, ITEM | {"type": "planted"}),
        (ITEMS, ITEM | {"overview": "planted" * 5000}), (ITEMS, ITEM | {"added_at": "planted"}),
        (ITEMS, ITEM | {"images": {"a": ["planted"]}}),
        (ITEMS, EPISODE | {"series_id": None, "name": "planted"}), (USERS, USER | {"library_ids": "planted"}),
        (USERS, USER | {"is_disabled": "planted"}), (PLAYS, PLAY | {"started_at": "planted"}),
        (PLAYS, PLAY | {"recommendation_id": "planted"}),
        (PLAYS, PLAY | {"user_id": "planted\x00"}), (SIGNALS, SIGNAL | {"kind": "planted"}), (SIGNALS, SIGNAL | {"value": "planted"}),
        (SIGNALS, SIGNAL | {"kind": "rating", "value": True, "item_id": "planted"}), (SIGNALS, "planted"), (PLAYS, ["planted"]),
    ],
)  # fmt: skip
def test_a_reason_does_not_repeat_what_was_sent(reader: Reader[Any], body: Any) -> None:
    assert "planted" not in refusal(reader, body)


def test_a_reason_names_the_field_and_no_more_than_two() -> None:
    assert refusal(ITEMS, {"item_id": "i", "type": "movie", "name": "Heat", "yaer": 1995}).startswith("yaer: ")
    assert refusal(ITEMS, ITEM | {"people": [{"name": "a"}, {"name": 5}]}).startswith("people.1.name: ")
    assert refusal(PLAYS, PLAY | {"percent": -1, "order": "x", "completed": 2}).count(";") == 1


def test_a_line_that_was_no_json_keeps_its_own_reason() -> None:
    assert refusal(ITEMS, ValueError("not valid JSON")) == "not valid JSON"


def test_whole_seconds_are_stored_and_a_runtime_of_zero_is_unknown() -> None:
    assert accepted(ITEMS, ITEM | {"runtime_seconds": 5400.9}).runtime_seconds == 5400
    assert accepted(ITEMS, ITEM | {"runtime_seconds": 0}).runtime_seconds is None
    assert accepted(PLAYS, PLAY | {"played_seconds": 0}).played_seconds == 0


def test_what_is_not_said_is_unknown() -> None:
    row = accepted(PLAYS, PLAY)
    assert (row.started_at, row.play_order, row.played_seconds, row.percent, row.is_completed) == (None,) * 5


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ({"kind": "rating", "value": 0}, 0), ({"kind": "rating", "value": 7.5}, 7.5), ({"kind": "rating", "value": False}, None),
        ({"kind": "like"}, 1), ({"kind": "hide", "value": True}, 1), ({"kind": "favourite", "value": False}, 0), ({"kind": "watched"}, 1),
    ],
)  # fmt: skip
def test_the_value_of_a_signal(said: dict[str, Any], stored: float | None) -> None:
    assert accepted(SIGNALS, SIGNAL | said).value == stored


def test_signals_on_one_subject_at_one_time_have_one_key_and_an_own_id_is_another() -> None:
    def key(**more: Any) -> str:
        found: str = accepted(SIGNALS, SIGNAL | more).source_key
        return found

    assert key() == key(kind="dislike") != key(kind="favourite")
    assert key(at="2026-03-01T20:15:00Z") == key(at="2026-03-01T21:15:00+01:00") != key()
    assert key(signal_id="x") not in (key(), key(signal_id="y"))
    assert len({key(), key(user_id="v"), key(item_id="j"), key(order=1)}) == 4
