"""What a media server tells while it happens. Webhooks of every kind and sockets are read to these; what can't be read is unknown, and what
a sender would have to say and does not is refused with a reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from app.connect.lenient import moment, rating, word
from app.errors import UnclearNews

# A sender's clock may be this far ahead of ours; what comes with a later time is taken to be of now.
AHEAD = timedelta(minutes=5)
# A position further past the end than this counts as unknown.
OVER_THE_END_SECONDS = 60
MAX_SECONDS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Report:
    """Of somebody who is watching. None: not told."""

    user_id: str
    item_id: str
    device: str
    what: Literal["start", "progress", "stop"]
    at: datetime
    position_seconds: int | None
    runtime_seconds: int | None
    is_completed: bool | None

    @property
    def percent(self) -> float | None:
        if not self.runtime_seconds or self.position_seconds is None:
            return None
        return min(100.0 * self.position_seconds / self.runtime_seconds, 100.0)


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody marked or rated, as bodies of the API. `subjects`: all that it speaks of; what stands of them and is not among
    `signals` is taken back."""

    user_id: str
    item_id: str
    plays: Sequence[dict[str, Any]]
    signals: Sequence[dict[str, Any]]
    subjects: frozenset[str]


@dataclass(frozen=True, slots=True)
class LibraryNews:
    """Something is in the library that was not, or `gone` no longer is."""

    gone: str | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    reason: str


News = Report | Said | LibraryNews | Ignored


def own_id(payload: Mapping[str, Any], name: str) -> str:
    """An id of the media server's. Raises UnclearNews."""
    value = payload.get(name)
    found = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(found, str) or not 1 <= len(found) <= 256 or not found.isprintable():
        raise UnclearNews(f"{name} is missing, or no id.")
    return found


def told_at(value: Any, now: datetime) -> datetime:
    """When the sender says it was; else now."""
    found = moment(value)
    return found if found is not None and found <= now + AHEAD else now


def position_in(seconds: int | None, runtime_seconds: int | None) -> int | None:
    return None if seconds is None or (runtime_seconds and seconds > runtime_seconds + OVER_THE_END_SECONDS) else seconds


def flag(value: Any) -> bool | None:
    """Templates write True and False as text."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def whole(value: Any, per: int) -> int | None:
    """A count of so many per second, in seconds; templates write numbers as text."""
    text = word(value, 20) if isinstance(value, str) else None
    if text is not None and text.isascii() and text.isdigit():
        value = int(text)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < MAX_SECONDS * per:
        return None
    return value // per


def grade(value: Any) -> float | None:
    """0..10"""
    try:
        return rating(float(value) if isinstance(value, str) else value)
    except ValueError:
        return None
