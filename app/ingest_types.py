"""Rows that a media server, an import or a caller tells, ready to store. `external_id`: the media server's own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from app.types import EntryKind


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One item body of the API, ready to store. `parental_age` in years, `runtime_seconds` in seconds."""

    external_id: str
    kind: EntryKind
    series_external_id: str | None
    library_external_id: str | None
    season_number: int | None
    episode_number: int | None
    runtime_seconds: int | None
    parental_age: int | None
    access_tags: list[str]
    tmdb: str | None
    imdb: str | None
    tvdb: str | None
    title_key: str | None
    added_at: datetime | None
    body: str


@dataclass(frozen=True, slots=True)
class UserRow:
    external_id: str
    name: str
    is_disabled: bool
    library_external_ids: list[str] | None
    max_parental_age: int | None
    blocked_tags: list[str]
    allowed_tags: list[str]
    is_opted_out: bool | None


@dataclass(frozen=True, slots=True)
class PlayRow:
    """One sitting. `percent` 0..100."""

    source_key: str
    user_external_id: str
    entry_external_id: str
    started_at: datetime | None
    play_order: int | None
    played_seconds: int | None
    percent: float | None
    is_completed: bool | None
    recommendation_id: UUID | None


@dataclass(frozen=True, slots=True)
class SignalRow:
    """Something said about an entry. `value`: a rating 0..10, else 1 said and 0 taken back; None: a rating taken back."""

    source_key: str
    user_external_id: str
    entry_external_id: str
    kind: str
    value: float | None
    at: datetime | None
    signal_order: int | None
    recommendation_id: UUID | None


@dataclass(frozen=True, slots=True)
class Sitting:
    """Of one user with one entry on one device, as far as it was told. `position_seconds`: where in the title; None: not told."""

    started_at: datetime
    position_seconds: int | None
    watched_seconds: int
    told_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Rejection:
    index: int
    error: str


@dataclass(frozen=True, slots=True)
class IngestOutcome:
    """`received` is the sum of the others."""

    received: int
    created: int
    updated: int
    unchanged: int
    rejected: Sequence[Rejection] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A film or an episode as a foreign history names it. `own_id`, `series_own_id`: the media server's own, where the history is of one;
    `is_sure`: no other thing can have that id, else its name must agree. Provider ids, `name` and `year` are the film's or the series';
    an episode has its numbers, or `part_name`, its name. `kind` series: the series as a whole."""

    kind: EntryKind
    name: str | None
    year: int | None = None
    own_id: str | None = None
    is_sure: bool = False
    series_own_id: str | None = None
    tmdb: str | None = None
    imdb: str | None = None
    tvdb: str | None = None
    season: int | None = None
    episode: int | None = None
    part_name: str | None = None


Fault = Literal["unknown title", "ambiguous title", "unknown episode", "ambiguous episode"]


@dataclass(frozen=True, slots=True)
class Match:
    """`how`: "id", "provider id", "title and year" or "title", and then `entry`, the media server's own id; else `fault` says why not."""

    how: str | None
    entry: str | None
    fault: Fault | None
