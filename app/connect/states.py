"""What a media server keeps of a user and an item, as plays and signals.

It is partial knowledge: how often something was begun, when last, where it was left, and whether it counts as played. How long anybody
watched it does not say, and of what came before the last time nothing but a number.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.connect.bodies import SUBJECTS

TITLES = ("Movie", "Series")
PARTS = ("Season", "Episode")
PLAYABLE = ("Movie", "Episode")
# A thumb up or down is kept as a rating of 10 or 1, and a rating means that something was seen.
THUMBS = (10.0, 1.0)
MOST_EARLIER_PLAYS = 50


@dataclass(frozen=True, slots=True)
class State:
    """A user's data of one item. `percent` 0..100 where it was left; None where it is at its beginning, or how long it is is unknown.

    `sitting`: a name for the last sitting that stays while its time moves (Plex). `is_shown` False: no proof that the user may see the
    title.
    """

    item_id: str
    type: str
    n_plays: int
    is_played: bool
    percent: float | None
    last_at: datetime | None
    is_favourite: bool
    likes: bool | None
    rating: float | None
    sitting: str | None = None
    is_shown: bool = True

    @property
    def was_begun(self) -> bool:
        """Series and seasons are never: what is played of them are their episodes."""
        return self.type in PLAYABLE and (self.is_played or self.percent is not None or self.last_at is not None)

    @property
    def is_begun_again(self) -> bool:
        """What counts as played stays so on a Jellyfin 12 while it is watched again: that it is finished was said of a sitting before."""
        return self.is_played and self.percent is not None

    @property
    def n_before(self) -> int:
        """Sittings before the last."""
        return max(self.n_plays - 1, int(self.is_begun_again))


def play_bodies(user: str, state: State, *, n_earlier: int) -> Iterator[dict[str, Any]]:
    """The sitting that it tells of, and so many before it, of which nothing but their number is known.

    Named by the id and by when it began: told again it is the same play, and under the id of a renamed file another of the same sitting.
    It has no length, so that a webhook's report of the same sitting overlaps it.
    """
    if not state.was_begun:
        return
    began = state.sitting or ("unknown" if state.last_at is None else state.last_at.isoformat())
    name = f"{user}:{state.type}:{state.item_id}"
    yield {
        "play_id": f"{name}:{began}", "user_id": user, "item_id": state.item_id,
        "started_at": None if state.last_at is None else state.last_at.isoformat(),
        "completed": None if state.is_begun_again else state.is_played, "percent": state.percent,
    }  # fmt: skip
    if state.is_played:
        for number in range(1, min(n_earlier, MOST_EARLIER_PLAYS - 1) + 1):
            is_finished = {"completed": True} if state.is_begun_again and number == 1 else {}
            yield {"play_id": f"{name}:earlier {number}", "user_id": user, "item_id": state.item_id} | is_finished


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
