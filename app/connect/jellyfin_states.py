"""What a Jellyfin keeps of a user and an item (UserData), as plays and signals.

It is partial knowledge: how often something was begun, when last, where it was left, and whether it counts as played. How long anybody
watched it does not say, and of what came before the last time nothing but a number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.connect.bodies import SUBJECTS
from app.connect.jellyfin_client import JellyfinClient, Parameters
from app.connect.jellyfin_items import BARE, PARTS, TITLES
from app.connect.jellyfin_values import MAX_TICKS, TICKS_PER_SECOND, mapping, moment, plain_id, rating, within, word

SOURCE = "jellyfin"
PLAYABLE = ("Movie", "Episode")
# A thumb up or down is kept as a rating of 10 or 1, and a rating means that something was seen.
THUMBS = (10.0, 1.0)
MOST_EARLIER_PLAYS = 50


@dataclass(frozen=True, slots=True)
class Question:
    """A list of a user's that is asked for: these types, of which the filter holds. `ends_at_known`: newest first, up to what is known."""

    types: Sequence[str]
    filter: str | None
    ends_at_known: bool = False


# All titles, as those that come back are those the user may see; of the rest what anything was said about.
EVERYTHING = (
    Question(TITLES, None), Question(("Episode",), "IsPlayed"), Question(("Episode",), "IsResumable"),
    Question(PARTS, "IsFavorite"), Question(PARTS, "Likes"), Question(PARTS, "Dislikes"),
)  # fmt: skip
# The server can't say what changed of a user (minDateLastSavedForUser looks at the item): what is short is read whole.
NEWS = (
    Question(PLAYABLE, "IsPlayed", ends_at_known=True), Question(PLAYABLE, "IsResumable"),
    Question(TITLES + PARTS, "IsFavorite"), Question(TITLES + PARTS, "Likes"), Question(TITLES + PARTS, "Dislikes"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class State:
    """A user's data of one item. `percent` 0..100 where it was left; None where it is at its beginning, or how long it is is unknown."""

    item_id: str
    type: str
    key: str
    n_plays: int
    is_played: bool
    percent: float | None
    last_at: datetime | None
    is_favourite: bool
    likes: bool | None
    rating: float | None

    @property
    def was_begun(self) -> bool:
        """Series and seasons are never: what is played of them are their episodes."""
        return self.type in PLAYABLE and (self.is_played or self.percent is not None or self.last_at is not None)


def read_states(client: JellyfinClient, user: str, question: Question, known_until: datetime | None) -> Iterator[list[State]]:
    """Page by page. `known_until`: what was played before is known. Raises as `JellyfinClient.get`."""
    asked: Parameters = {**BARE, "recursive": True, "userId": user, "enableUserData": True, "includeItemTypes": question.types}
    asked = {**asked, "excludeLocationTypes": "Virtual"}
    if question.filter is not None:
        asked = {**asked, "filters": question.filter}
    if question.filter == "IsPlayed":
        asked = {**asked, "sortBy": "DatePlayed", "sortOrder": "Descending"}
    else:
        asked = {**asked, "sortBy": "DateCreated,SortName", "sortOrder": "Ascending"}
    for page in client.pages("/Items", asked):
        states = [state for item in page.items if (state := state_of(item)) is not None]
        yield states
        times = [state.last_at for state in states if state.last_at is not None]
        # Those without a time come after all that have one.
        if question.ends_at_known and known_until is not None and states and (not times or min(times) < known_until):
            return


def read_states_by_id(client: JellyfinClient, user: str, ids: Sequence[str]) -> Iterator[list[State]]:
    """Of those of these items that the user may see, some at a time."""
    asked: Parameters = {**BARE, "userId": user, "enableUserData": True, "includeItemTypes": TITLES + PARTS}
    for items in client.by_id(ids, asked):
        yield [state for item in items if (state := state_of(item)) is not None]


def state_of(item: Any) -> State | None:
    """What this BaseItemDto says of the user that was asked for; None where it is no item."""
    key = plain_id(item.get("Id")) if isinstance(item, dict) else None
    if key is None or item.get("Type") not in TITLES + PARTS:
        return None
    data = mapping(item.get("UserData"))
    position, runtime = (
        within(data.get("PlaybackPositionTicks"), 1, MAX_TICKS),
        within(item.get("RunTimeTicks"), TICKS_PER_SECOND, MAX_TICKS),
    )
    likes = data.get("Likes")
    return State(
        key, item["Type"], word(data.get("Key"), 100) or key, within(data.get("PlayCount"), 0, 2**31) or 0, data.get("Played") is True,
        None if position is None or runtime is None else min(100 * position / runtime, 100.0), moment(data.get("LastPlayedDate")),
        data.get("IsFavorite") is True, likes if isinstance(likes, bool) else None, rating(data.get("Rating")),
    )  # fmt: skip


def play_bodies(user: str, state: State, *, n_earlier: int) -> Iterator[dict[str, Any]]:
    """The sitting that it tells of, and so many before it, of which nothing but their number is known.

    Named by the key that the server keeps the data under, which outlives a renamed file, and by when it began: told again,
    and under another id, it is the same. It has no length, so that a webhook's report of the same sitting overlaps it.
    """
    if not state.was_begun:
        return
    began = "unknown" if state.last_at is None else state.last_at.isoformat()
    yield {
        "play_id": f"{user}:{state.type}:{state.key}:{began}", "user_id": user, "item_id": state.item_id,
        "started_at": None if state.last_at is None else state.last_at.isoformat(),
        "completed": state.is_played, "percent": None if state.is_played else state.percent,
    }  # fmt: skip
    if state.is_played:
        for number in range(1, min(n_earlier, MOST_EARLIER_PLAYS - 1) + 1):
            yield {"play_id": f"{user}:{state.type}:{state.key}:earlier {number}", "user_id": user, "item_id": state.item_id}


def subject(kind: str) -> str:
    """Signals of one subject are one, of which the last word stands."""
    return SUBJECTS.get(kind, kind)


def said(state: State) -> dict[str, bool | float]:
    """The kinds of signals that it stands for, with their values."""
    found: dict[str, bool | float] = {}
    if state.is_favourite:
        found["favourite"] = True
    if state.likes is not None:
        found["like" if state.likes else "dislike"] = True
    if state.rating is not None and (state.likes is None or state.rating not in THUMBS):
        found["rating"] = state.rating
    return found


def signal_body(user: str, item_id: str, kind: str, value: bool | float) -> dict[str, Any]:
    """The server does not say since when."""
    return {"signal_id": f"{user}:{item_id}:{subject(kind)}", "user_id": user, "item_id": item_id, "kind": kind, "value": value}


def watched_body(user: str, item_id: str, at: datetime | None) -> dict[str, Any]:
    said_at = None if at is None else at.isoformat()
    return {"signal_id": f"{user}:{item_id}:watched {said_at}", "user_id": user, "item_id": item_id, "kind": "watched", "at": said_at}


def unwatched_body(user: str, item_id: str, at: datetime) -> dict[str, Any]:
    said_at = at.isoformat()
    return {"signal_id": f"{user}:{item_id}:unwatched {said_at}", "user_id": user, "item_id": item_id, "kind": "unwatched", "at": said_at}
