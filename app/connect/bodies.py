"""The bodies that callers send, checked row by row and made ready to store.

Strict on purpose: `"5"` is no number and `false` no zero, so that a caller's mistake is said and not stored.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from app.connect.parental import parental_age
from app.ingest_types import EntryRow, PlayRow, Rejection, SignalRow, UserRow

MAX_INT = 2**31 - 1
# A number as text would be read as seconds since 1970.
DATE = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]")


def _no_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain a NUL character")
    return value


def _text_only(value: Any) -> Any:
    if not (isinstance(value, datetime) or (isinstance(value, str) and DATE.match(value))):
        raise ValueError("must be a date and time as text, such as 2026-03-01T20:15:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    """PostgreSQL reads fewer offsets and later years than Python does, and a play's end must be a time too."""
    if not 1900 <= value.year <= 2200:
        raise ValueError("must be a time between the years 1900 and 2200")
    return value.astimezone(UTC)


def _one(value: float) -> int:
    return int(value)


def _stored(value: float) -> float:
    """PostgreSQL's `real` holds nothing nearer to zero, and refuses rather than rounds."""
    return 0.0 if abs(value) < 1e-37 else value


PlainText = AfterValidator(_no_nul)
Id = Annotated[str, StringConstraints(min_length=1, max_length=256), PlainText]
Word = Annotated[str, StringConstraints(min_length=1, max_length=512), PlainText]
Prose = Annotated[str, StringConstraints(max_length=20_000), PlainText]
Moment = Annotated[
    AwareDatetime,
    Strict(False),
    BeforeValidator(_text_only),
    AfterValidator(_in_utc),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Uuid = Annotated[UUID, Strict(False), BeforeValidator(lambda value: value), WithJsonSchema({"type": "string", "format": "uuid"})]
Count = Annotated[int, Field(ge=0, le=MAX_INT)]
Seconds = Annotated[float, Field(ge=0, le=MAX_INT), AfterValidator(_one)]
Order = Annotated[int, Field(ge=-(2**53), le=2**53)]


class Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Person(Body):
    name: Word
    kind: Word = "actor"


class ProviderIds(Body):
    model_config = ConfigDict(strict=True, extra="ignore")

    tmdb: Annotated[str, StringConstraints(max_length=64), PlainText] | None = None
    imdb: Annotated[str, StringConstraints(max_length=64), PlainText] | None = None
    tvdb: Annotated[str, StringConstraints(max_length=64), PlainText] | None = None


class ItemBody(Body):
    item_id: Id
    type: Literal["movie", "series", "season", "episode"]
    name: Word
    original_name: Word | None = None
    year: Annotated[int, Field(ge=1, le=9999)] | None = None
    overview: Prose | None = None
    genres: Annotated[list[Word], Field(max_length=200)] = []
    tags: Annotated[list[Word], Field(max_length=1000)] = []
    people: Annotated[list[Person], Field(max_length=1000)] = []
    studios: Annotated[list[Word], Field(max_length=200)] = []
    runtime_seconds: Seconds | None = None
    community_rating: Annotated[float, Field(ge=0, le=10), AfterValidator(_stored)] | None = None
    vote_count: Count | None = None
    official_rating: Word | None = None
    provider_ids: ProviderIds = ProviderIds()
    library_id: Id | None = None
    series_id: Id | None = None
    season_number: Count | None = None
    episode_number: Count | None = None
    added_at: Moment | None = None
    images: Annotated[dict[Id, Word], Field(max_length=50)] = {}

    @model_validator(mode="after")
    def _parts_name_their_series(self) -> "ItemBody":
        if self.type in ("season", "episode") and self.series_id is None:
            raise ValueError(f"{'an' if self.type == 'episode' else 'a'} {self.type} needs series_id")
        return self

    def row(self) -> EntryRow:
        is_title = self.type in ("movie", "series")
        provider = {name: _provider_id(value) for name, value in self.provider_ids} if is_title else {}
        return EntryRow(
            external_id=self.item_id,
            kind=self.type,
            series_external_id=None if is_title else self.series_id,
            library_external_id=self.library_id,
            season_number=self.season_number,
            episode_number=self.episode_number,
            runtime_seconds=self.runtime_seconds or None,  # type: ignore[arg-type]  # Seconds ends as an int
            parental_age=parental_age(self.official_rating),
            access_tags=sorted({tag.strip().casefold() for tag in self.tags}),
            tmdb=provider.get("tmdb"),
            imdb=provider.get("imdb"),
            tvdb=provider.get("tvdb"),
            title_key=f"{' '.join(self.name.split()).casefold()} ({self.year})" if is_title and self.year else None,
            added_at=self.added_at,
            body=self.model_dump_json(exclude_none=False),
        )


class UserBody(Body):
    user_id: Id
    name: Word
    is_disabled: bool = False
    library_ids: Annotated[list[Id], Field(max_length=10_000)] | None = None
    max_parental_age: Annotated[int, Field(ge=0, le=120)] | None = None
    blocked_tags: Annotated[list[Word], Field(max_length=1000)] = []
    allowed_tags: Annotated[list[Word], Field(max_length=1000)] = []
    # Where it is left out, what was said before stands: a sync knows nothing of it.
    opted_out: bool | None = None

    def row(self) -> UserRow:
        return UserRow(
            external_id=self.user_id,
            name=self.name,
            is_disabled=self.is_disabled,
            library_external_ids=None if self.library_ids is None else sorted(set(self.library_ids)),
            max_parental_age=self.max_parental_age,
            blocked_tags=sorted({tag.strip().casefold() for tag in self.blocked_tags}),
            allowed_tags=sorted({tag.strip().casefold() for tag in self.allowed_tags}),
            is_opted_out=self.opted_out,
        )


class PlayBody(Body):
    play_id: Id
    user_id: Id
    item_id: Id
    started_at: Moment | None = None
    order: Order | None = None
    played_seconds: Seconds | None = None
    completed: bool | None = None
    percent: Annotated[float, Field(ge=0, le=100), AfterValidator(_stored)] | None = None
    recommendation_id: Uuid | None = None

    def row(self) -> PlayRow:
        return PlayRow(
            source_key=source_key(self.play_id),
            user_external_id=self.user_id,
            entry_external_id=self.item_id,
            started_at=self.started_at,
            play_order=self.order,
            played_seconds=self.played_seconds,  # type: ignore[arg-type]  # Seconds ends as an int
            percent=self.percent,
            is_completed=self.completed,
            recommendation_id=self.recommendation_id,
        )


SignalKind = Literal["rating", "favourite", "like", "dislike", "watchlist", "hide", "watched", "unwatched", "shown", "clicked"]
# One subject, of which the last word stands.
SUBJECTS = {"like": "liking", "dislike": "liking", "watched": "watched", "unwatched": "watched"}
TAKEN_BACK = frozenset({"rating", "favourite", "like", "dislike", "watchlist", "hide"})


class SignalBody(Body):
    signal_id: Id | None = None
    user_id: Id
    item_id: Id
    kind: SignalKind
    value: bool | Annotated[float, Field(ge=0, le=10), AfterValidator(_stored)] | None = None
    at: Moment | None = None
    order: Order | None = None
    recommendation_id: Uuid | None = None

    @model_validator(mode="after")
    def _value_fits_kind(self) -> "SignalBody":
        if self.kind == "rating" and (self.value is None or self.value is True):
            raise ValueError("a rating needs a value from 0 to 10, or false to take it back")
        if self.kind != "rating" and self.value is not None and not isinstance(self.value, bool):
            raise ValueError(f"a {self.kind} takes true or false, or no value")
        if self.value is False and self.kind not in TAKEN_BACK:
            raise ValueError(f"a {self.kind} cannot be taken back with false")
        return self

    def _stored_value(self) -> float | None:
        if self.kind == "rating":
            return None if self.value is False else float(self.value or 0)
        return 0.0 if self.value is False else 1.0

    def row(self) -> SignalRow:
        subject = SUBJECTS.get(self.kind, self.kind)
        # A signal without an id is the one that this user gave on this subject at that time.
        own = self.signal_id or repr((self.user_id, self.item_id, subject, self.at and self.at.timestamp(), self.order))
        return SignalRow(
            source_key=source_key(("id:" if self.signal_id else "of:") + own),
            user_external_id=self.user_id,
            entry_external_id=self.item_id,
            kind=self.kind,
            value=self._stored_value(),
            at=self.at,
            signal_order=self.order,
            recommendation_id=self.recommendation_id,
        )


def source_key(own_id: str) -> str:
    """A narrow key for an id of any length (an MD5 digest in the form of a UUID; nothing secret hangs on it)."""
    return str(UUID(bytes=hashlib.md5(own_id.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()))


def _provider_id(value: str | None) -> str | None:
    """Media servers write an unknown id as an empty text or a zero."""
    stripped = (value or "").strip().lower()
    return None if stripped.strip("t0") == "" else stripped


T = TypeVar("T", bound=ItemBody | UserBody | PlayBody | SignalBody)
R = TypeVar("R", EntryRow, UserRow, PlayRow, SignalRow)


class Reader(Generic[R]):
    """Reads rows of one kind of body; what cannot be read is rejected with its index and reason."""

    def __init__(self, body: type[Any]) -> None:
        self.body = body
        self._adapter: TypeAdapter[Any] = TypeAdapter(body)

    def read(self, values: Sequence[Any]) -> tuple[list[R], list[int], list[Rejection]]:
        """Returns rows, the index that each had, and rejections. A `ValueError` among the values is its row's reason."""
        rows: list[R] = []
        indexes: list[int] = []
        rejected: list[Rejection] = []
        for index, value in enumerate(values):
            if isinstance(value, ValueError):
                rejected.append(Rejection(index, str(value)))
                continue
            try:
                rows.append(self._adapter.validate_python(value).row())
                indexes.append(index)
            except ValidationError as error:
                rejected.append(Rejection(index, reason(error)))
        return rows, indexes, rejected


def reason(error: ValidationError) -> str:
    """The first two faults, in words, without repeating what was sent."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    said = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}".removeprefix(": ") for fault in faults[:2]]
    return "; ".join(said)


ITEMS: Reader[EntryRow] = Reader(ItemBody)
USERS: Reader[UserRow] = Reader(UserBody)
PLAYS: Reader[PlayRow] = Reader(PlayBody)
SIGNALS: Reader[SignalRow] = Reader(SignalBody)
