"""What crosses boundaries. `*_id: int` is ours, `external_id: str` the media server's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

import numpy as np
import numpy.typing as npt

Scope = Literal["read", "ingest", "admin"]
MediaServerKind = Literal["jellyfin", "emby", "plex"]
ServerKind = MediaServerKind | Literal["api"]
SpaceKind = Literal["text", "collab", "two_tower"]
# What is wrong with the text space that answers: it lost some of its vectors, or all; or the one before it answers in its place.
Fault = Literal["text_space_incomplete", "text_space_empty", "previous_text_space"]
# Why an answer is less good than it should be. `no_query_vector` is as it should be while the text model loads.
Degraded = Fault | Literal["no_text_space", "no_ranker", "no_query_vector"]
ModelKind = Literal["ranker"]
EntryKind = Literal["movie", "series", "season", "episode"]
Source = Literal["personal", "household", "popular", "new", "none"]


@dataclass(frozen=True, slots=True)
class Server:
    id: int
    external_id: str
    name: str
    kind: ServerKind
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """Who asks. `server_id` is None for a key that may see every server, `id` for the bootstrap key, which is no row."""

    id: int | None
    name: str
    scopes: frozenset[Scope]
    server_id: int | None

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or "admin" in self.scopes


@dataclass(frozen=True, slots=True)
class Space:
    """A coordinate system in which the items of one server have vectors. `shelf` names the partition that holds them.

    `pinned_over`: somebody went back to it from what this setting names, and it stays; `n_vectors`: held when it was last filled;
    `fault`: why answers from it are degraded.
    """

    id: int
    server_id: int
    kind: SpaceKind
    status: Literal["building", "candidate", "live", "kept", "retired"]
    model_name: str
    model_digest: str
    template_version: int
    dimension: int
    shelf: int
    centre: tuple[float, ...] | None
    centre_source: Literal["items", "model"] | None
    pinned_over: str | None = None
    n_vectors: int | None = None
    fault: Fault | None = None

    @property
    def has_own_partition(self) -> bool:
        return self.shelf == self.id


@dataclass(frozen=True, slots=True)
class Model:
    """Something trained, without its bytes. `metrics["against"]`: differences to others, by their id as text or `fused`."""

    id: int
    server_id: int
    kind: ModelKind
    name: str
    status: Literal["candidate", "live", "kept", "retired"]
    parameters: dict[str, Any]
    metrics: dict[str, Any]
    data_window: dict[str, Any]
    card: dict[str, Any]
    code_revision: str
    digest: str
    size_bytes: int
    created_at: datetime
    live_at: datetime | None
    promoted_because: str | None


@dataclass(frozen=True, slots=True)
class ItemToEmbed:
    item_id: int
    text_digest: bytes
    body: dict[str, Any]


class Progress(Protocol):
    """Told how far long work is."""

    def __call__(self, done: int, total: int, /) -> None: ...


def unseen(_done: int, _total: int) -> None:
    """Progress that nobody looks at."""


@dataclass(frozen=True, slots=True)
class SpaceInUse:
    """What a request needs to know of a live space. `strength`: how far it is to be trusted, 0..1."""

    id: int
    server_id: int
    kind: SpaceKind
    shelf: int
    dimension: int
    strength: float = 1.0

    @property
    def is_indexed(self) -> bool:
        return self.shelf == self.id


@dataclass(frozen=True, slots=True)
class Viewer:
    """A user who asks, and what they may see. `max_parental_age` in years, None: no limit; `grant_id`: the titles that the media server
    shows them, None: all that the rest allows."""

    user_id: int
    external_id: str
    name: str
    is_disabled: bool
    is_opted_out: bool
    engagement_version: int
    has_all_libraries: bool
    library_ids: list[int]
    max_parental_age: int | None
    blocked_tags: list[str]
    allowed_tags: list[str]
    grant_id: int | None = None

    @property
    def is_restricted(self) -> bool:
        limits = self.max_parental_age is not None or self.blocked_tags or self.allowed_tags
        return bool(not self.has_all_libraries or limits or self.grant_id is not None)


@dataclass(frozen=True, slots=True)
class StoredTaste:
    """What is known of a viewer's taste before it is used; `labels` and `shares` are its facets'. `recent_ids`: newest first."""

    engagement_version: int
    recipe: str
    due_at: datetime | None
    is_known: bool
    n_positive: int
    labels: Sequence[str | None]
    shares: Sequence[float]
    recent_ids: Sequence[int] = ()
    n_items: int = 0


@dataclass(frozen=True, slots=True)
class Filters:
    """What the caller wants. Genres in lower case, `exclude_ids` and `library_id` the media server's own, `exclude_item_ids` ours."""

    kind: Literal["movie", "series"] | None = None
    genres: list[str] | None = None
    exclude_genres: list[str] | None = None
    exclude_ids: list[str] | None = None
    year_from: int | None = None
    year_to: int | None = None
    max_runtime_seconds: int | None = None
    library_id: str | None = None
    include_seen: bool = False
    exclude_item_ids: Sequence[int] | None = None
    min_rating: float | None = None
    max_votes: int | None = None


@dataclass(frozen=True, slots=True)
class BasedOn:
    item_id: str
    name: str
    weight: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """One row of an answer as retrieval found it.

    `similarity` to the whole text taste is None where the item has no vector or nothing was searched; `facet` is the nearest one's number
    and `nearest` the similarity to it. `collab` and `two_tower` are similarities in the spaces learned from behaviour: 0 the mean item, 1
    one standard deviation above.
    `own_score` is the item's, `score` what its place in the list is worth, falling. `vector`: big-endian halfvec, as PostgreSQL sends it.
    `n_others` of the household watched it, `n_lately` in the last 30 days; None where not counted.
    """

    item_id: int
    external_id: str
    kind: Literal["movie", "series"]
    name: str
    year: int | None
    genres: list[str]
    community_rating: float | None
    runtime_seconds: int | None
    images: dict[str, str]
    provider_ids: dict[str, str]
    added_at: datetime | None
    similarity: float | None
    nearest: float | None
    own_score: float
    score: float
    facet: int | None
    collab: float | None
    two_tower: float | None
    is_near: bool
    is_collab: bool
    is_two_tower: bool
    is_popular: bool
    is_titled: bool
    vector: bytes | None
    n_others: int | None
    n_lately: int | None
    based_on: Sequence[BasedOn]


@dataclass(frozen=True, slots=True)
class SlateItem:
    candidate: Candidate
    rank: int
    score: float
    sources: Sequence[str]
    reason: str


@dataclass(frozen=True, slots=True)
class Slate:
    """One answer, in order. `model_id`: the ranker that put it in order; `features` (n_items, n_features): as it saw them.

    `is_settled`: made of what is stored, by the model that is live; asked again, it would be the same until something changes.
    """

    id: UUID
    user_id: int
    source: Source
    degraded: Sequence[Degraded]
    space_ids: Sequence[int]
    items: Sequence[SlateItem]
    next_offset: int | None
    model_id: int | None = None
    features: npt.NDArray[np.float32] | None = None
    is_settled: bool = True

    @property
    def counts_others(self) -> bool:
        """Whether it says, or might have said, how many others watched something."""
        return any(item.candidate.n_others is not None for item in self.items)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a home page; the slates of its rows have one id."""

    id: str
    title: str
    slate: Slate
