"""What a Jellyfin keeps of a user and an item: UserData."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.connect.jellyfin_client import JellyfinClient
from app.connect.jellyfin_items import BARE, SINGLE
from app.connect.lenient import MAX_TICKS, TICKS_PER_SECOND, mapping, moment, plain_id, rating, within
from app.connect.media_client import Parameters
from app.connect.states import PARTS, PLAYABLE, TITLES, State


@dataclass(frozen=True, slots=True)
class Question:
    """One list to ask for, as one user: items of these types that `filter` accepts. `ends_at_known`: it comes newest first, and reading
    stops at what was played before `known_until`."""

    types: Sequence[str]
    filter: str | None
    ends_at_known: bool = False


# Nobody asks for dislikes: 10.11 would answer what is liked, and 12 all that is not.
# All titles, because what comes back is what the user may see; of seasons and episodes only those with a play, a favourite or a like.
EVERYTHING = (
    Question(TITLES, None), Question(("Episode",), "IsPlayed"), Question(("Episode",), "IsResumable"),
    Question(PARTS, "IsFavorite"), Question(PARTS, "Likes"),
)  # fmt: skip
# The server can't say what changed of a user (minDateLastSavedForUser looks at the item): what is short is read whole.
NEWS = (
    Question(PLAYABLE, "IsPlayed", ends_at_known=True), Question(PLAYABLE, "IsResumable"),
    Question(TITLES + PARTS, "IsFavorite"), Question(TITLES + PARTS, "Likes"),
)  # fmt: skip


def read_states(client: JellyfinClient, user: str, question: Question, known_until: datetime | None) -> Iterator[list[State]]:
    """Page by page. `known_until`: what was played before is known. Raises as `JellyfinClient.get`."""
    asked: Parameters = {**SINGLE, **BARE, "userId": user, "enableUserData": True, "includeItemTypes": question.types}
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
        key, item["Type"],
        within(data.get("PlayCount"), 0, 2**31) or 0, data.get("Played") is True,
        None if position is None or runtime is None else min(100 * position / runtime, 100.0), moment(data.get("LastPlayedDate")),
        data.get("IsFavorite") is True, likes if isinstance(likes, bool) else None, rating(data.get("Rating")),
    )  # fmt: skip
