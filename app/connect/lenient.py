"""Single values of a media server's answers: what can't be is unknown, and nothing of it is an error. `histories/strict.py` refuses."""

from datetime import datetime
from typing import Any

TICKS_PER_SECOND = 10_000_000  # of 100 ns
MAX_TICKS = 2**31 * TICKS_PER_SECOND


def guid(value: Any) -> str | None:
    """32 lower-case hex, as it stands in addresses; None for what is none."""
    plain = value.replace("-", "").lower() if isinstance(value, str) else ""
    return plain if len(plain) == 32 and all(letter in "0123456789abcdef" for letter in plain) else None


def plain_id(value: Any) -> str | None:
    """A guid, or the number that an Emby gives an item; None for what is no id."""
    is_number = isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20
    return value if is_number else guid(value)


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def word(value: Any, longest: int) -> str | None:
    return (value.replace("\x00", "")[:longest] or None) if isinstance(value, str) else None


def words(values: Any, most: int) -> list[str]:
    return [found for value in listed(values) if (found := word(value, 512)) is not None][:most]


def moment(value: Any) -> datetime | None:
    """A time of the server, with its seven digits of a second. Where it knows none, .NET says the year 1."""
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None and 1900 < found.year < 2200 else None


def seconds(ticks: Any) -> float | None:
    found = within(ticks, TICKS_PER_SECOND, MAX_TICKS - TICKS_PER_SECOND)
    return None if found is None else float(found // TICKS_PER_SECOND)


def rating(value: Any) -> float | None:
    """0..10"""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 10 else None


def within(value: Any, least: int, most: int) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most else None
