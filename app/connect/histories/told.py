"""What a foreign history tells, row by row, before anybody knows what it is about here."""

from dataclasses import dataclass
from datetime import datetime

from app.connect.bodies import SignalKind
from app.ingest_types import Wanted


@dataclass(frozen=True, slots=True)
class Told:
    """A sitting, or with `signal` something said.

    `place`: where it stands, for people; `key` names it within its source; `people`: ids and names of whom it is told of, empty where the
    file is one person's; `wanted`: what it may be about, of which one must be found. What nobody said is None.
    """

    place: str
    key: str
    people: tuple[str, ...]
    wanted: tuple[Wanted, ...]
    at: datetime | None
    played_seconds: int | None = None
    percent: float | None = None
    is_completed: bool | None = None
    signal: SignalKind | None = None
    value: float | None = None

    @property
    def label(self) -> str:
        """What it is about, as a person would say it."""
        first = self.wanted[0]
        year = f" ({first.year})" if first.year else ""
        numbers = f" {first.season}x{first.episode:02}" if first.season is not None and first.episode is not None else ""
        part = f": {first.part_name}" if first.part_name and not numbers else ""
        return f"{first.name or first.own_id or first.tmdb or first.imdb or first.tvdb}{year}{numbers}{part}"


@dataclass(frozen=True, slots=True)
class Unread:
    """A row that can't be used, and why."""

    place: str
    reason: str
