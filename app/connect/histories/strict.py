"""Single values of a foreign row. What is empty or null is unknown; what can't be makes the row unreadable, with the reason.

`connect/lenient.py` passes over what can't be.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from app.connect.bodies import MAX_INT

Row = Mapping[str, Any]
MAX_TITLE = 512
UNKNOWN = (None, "")


class UnreadableError(ValueError):
    """Why a row can't be used."""


def mapping(value: Any, name: str) -> Row:
    if not isinstance(value, dict):
        raise UnreadableError(f"{name} is no object")
    return value


def words(row: Row, name: str) -> str | None:
    value = row.get(name)
    if value in UNKNOWN:
        return None
    if not isinstance(value, str):
        raise UnreadableError(f"{name} is no text")
    return plain(value, name)


def identifier(row: Row, name: str) -> str | None:
    """Ids are numbers in one version and text in the next."""
    value = row.get(name)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else words(row, name)


def plain(value: str, name: str) -> str | None:
    if len(value) > MAX_TITLE:
        raise UnreadableError(f"{name} is longer than {MAX_TITLE} letters")
    if "\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise UnreadableError(f"{name} holds what is no text")
    return value.strip() or None


def number(row: Row, name: str, least: float, most: float) -> float | None:
    value = row.get(name)
    if value in UNKNOWN:
        return None
    if isinstance(value, str):
        try:
            value = float(value) if len(value) < 40 else None
        except ValueError:
            value = None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise UnreadableError(f"{name} is no number")
    if not least <= value <= most:
        raise UnreadableError(f"{name} is not between {least:,} and {most:,}")
    return float(value)


def whole(row: Row, name: str, least: int = 0, most: int = MAX_INT) -> int | None:
    found = number(row, name, least, most)
    return None if found is None else int(found)


def flag(row: Row, name: str) -> bool | None:
    value = row.get(name)
    if value is not None and not isinstance(value, bool):
        raise UnreadableError(f"{name} is neither true nor false")
    return value


def year(row: Row, name: str) -> int | None:
    return whole(row, name, 0, 9999) or None


def moment(row: Row, name: str, zone: tzinfo | None = UTC) -> datetime | None:
    """A time as text; where it names no zone, of `zone`, None: the machine's."""
    value = words(row, name)
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
        found = found if found.tzinfo is not None else found.replace(tzinfo=zone)
        return possible(found.astimezone(UTC), name)
    except (ValueError, OverflowError):
        raise UnreadableError(f"{name} is no time that can be") from None


def epoch(row: Row, name: str) -> datetime | None:
    """Seconds since 1970; 0 is unknown."""
    found = whole(row, name)
    return possible(datetime.fromtimestamp(found, UTC), name) if found else None


def possible(found: datetime, name: str) -> datetime | None:
    """The first day of 1970 is how programs write that they do not know."""
    if not 1970 <= found.year <= 2200:
        raise UnreadableError(f"{name} is no time that can be")
    return None if (found.year, found.month, found.day) == (1970, 1, 1) else found
