"""What a Jellyfin keeps of a user and an item: UserData."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.connect.jellyfin_client import JellyfinClient
from app.connect.jellyfin_items import BARE, provider_ids
from app.connect.jellyfin_values import MAX_TICKS, TICKS_PER_SECOND, mapping, moment, plain_id, rating, within, word
from app.connect.media_client import Parameters
from app.connect.states import PARTS, PLAYABLE, TITLES, State


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
        key, item["Type"],
        word(data.get("Key"), 100) or _provider_key(item) or key,
        within(data.get("PlayCount"), 0, 2**31) or 0, data.get("Played") is True,
        None if position is None or runtime is None else min(100 * position / runtime, 100.0), moment(data.get("LastPlayedDate")),
        data.get("IsFavorite") is True, likes if isinstance(likes, bool) else None, rating(data.get("Rating")),
    )  # fmt: skip


def _provider_key(item: dict[str, Any]) -> str | None:
    """An Emby does not say its key: by this it would be known again under another id."""
    ids = provider_ids(item.get("ProviderIds"))
    return next((f"{name}:{ids[name]}" for name in ("tmdb", "tvdb", "imdb") if ids.get(name)), None)
