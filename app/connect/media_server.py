"""What a sync needs of a media server, whatever its make."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, Self

from app.connect.states import State

# The source of plays that the Playback Reporting plugin of a Jellyfin tells.
HISTORY = "playback reporting"
# What libraries of a kind hold that we read, titles before their parts.
FILMS, SHOWS = ("Movie",), ("Series", "Season", "Episode")


@dataclass(frozen=True, slots=True)
class ServerInfo:
    id: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Library:
    """`types`: those of its items that we read, titles before their parts."""

    id: str
    name: str
    types: Sequence[str]


@dataclass(frozen=True, slots=True)
class MediaUser:
    """`body` as in the API. `is_unlimited`: their policy, of which `policy_digest` is a digest, leaves nothing out."""

    id: str
    body: dict[str, Any]
    is_disabled: bool
    is_administrator: bool
    is_unlimited: bool
    policy_digest: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a connection would read: (library, type, how many), (user, played films and episodes), missing plugins; what to know."""

    libraries: Sequence[tuple[str, str, int]]
    users: Sequence[tuple[str, int]]
    missing_plugins: Sequence[str]
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """`plays` as bodies of the API; what is no film or episode, or can't be read, is left out."""

    last_row: int
    plays: Sequence[dict[str, Any]]


class MediaServer(Protocol):
    """Open until closed. What asks raises MediaServerRefused, MediaServerDown, MediaServerUnclear or MediaServerSlow.

    `answered_at`: when it last answered, by its own clock. Plays and signals are stored under its `source`.
    """

    source: str
    product: str

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    @property
    def url(self) -> str: ...

    @property
    def n_requests(self) -> int: ...

    @property
    def answered_at(self) -> datetime | None: ...

    def info(self) -> ServerInfo:
        """Also the check of the token."""

    def look_around(self) -> Found:
        """Counts alone."""

    def libraries(self) -> list[Library]:
        """Those that hold films or series."""

    def count_items(self, library: Library, kind: str) -> int: ...

    def items(self, library: Library, saved_since: datetime | None) -> Iterator[list[dict[str, Any]]]:
        """Bodies page by page, titles first; only what was saved since then, where that is given."""

    def items_by_id(self, library: Library, ids: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        """Bodies of those of these that are there, some at a time."""

    def ids(self, library: Library) -> tuple[set[str], bool]:
        """The ids of all that the library holds, and whether they are as many as the server counts."""

    def users(self) -> list[MediaUser]:
        """All of them, or an error."""

    def everything(self, user: str) -> Iterator[list[State]]:
        """The state of every title the user may see, and of every season and episode they played, rated or marked (of a Plex no season)."""

    def news(self, user: str, known_until: datetime | None) -> Iterator[list[State]]:
        """What was played since then; and of a Jellyfin or an Emby all favourites, likes and unfinished titles, as it does not say when
        those changed."""

    def states_by_id(self, user: str, ids: Sequence[str]) -> Iterator[list[State]]:
        """Of those of these items that the user may see, some at a time."""

    def saved_titles(self, user: str, saved_since: datetime) -> set[str]:
        """Titles saved since then that the server shows the user."""

    def visible_among(self, user: str, ids: Sequence[str]) -> set[str]:
        """Those of these titles that the server shows a user whom no policy limits."""

    def present_among(self, ids: Sequence[str]) -> set[str]:
        """Those of these items that are there, whoever may see them."""

    def history(self, known_row: int | None) -> Iterator[HistoryPage]:
        """What a plugin kept of plays, with their times and lengths, since that row of it."""
