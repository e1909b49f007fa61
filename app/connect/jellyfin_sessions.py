"""Who is watching what on a Jellyfin, as its sessions say it: read to reports, like a webhook's."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.connect.lenient import TICKS_PER_SECOND, listed, mapping, plain_id, word
from app.connect.news import Report, position_in, whole
from app.connect.states import PLAYABLE


def reports_of(sessions: Any, now: datetime) -> list[Report]:
    """Of each person who has a film or an episode open; what is no session is left out."""
    return [report for session in listed(sessions) for report in _reports(mapping(session), now)]


def _reports(session: Mapping[str, Any], now: datetime) -> list[Report]:
    item, state = mapping(session.get("NowPlayingItem")), mapping(session.get("PlayState"))
    key = plain_id(item.get("Id"))
    if key is None or item.get("Type") not in PLAYABLE:
        return []
    runtime = whole(item.get("RunTimeTicks"), TICKS_PER_SECOND) or None
    position = position_in(whole(state.get("PositionTicks"), TICKS_PER_SECOND), runtime)
    # Those who watch together are one session.
    users = [session.get("UserId"), *(mapping(one).get("UserId") for one in listed(session.get("AdditionalUsers")))]
    device = word(session.get("DeviceId"), 512) or ""
    known = dict.fromkeys(plain_id(one) for one in users)
    return [Report(user, key, device, "progress", now, position, runtime, None) for user in known if user is not None]


class Watched:
    """Turns one look at the sessions after the other into starts, progress and stops."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, str], Report] | None = None

    def look(self, sessions: Any, now: datetime) -> Sequence[Report]:
        """What was open at the first look may have begun long before it: its beginning is not told."""
        seen = {(one.device, one.user_id, one.item_id): one for one in reports_of(sessions, now)}
        before = self._open
        self._open = seen
        if before is None:
            return list(seen.values())
        begun = [replace(one, what="start") if key not in before else one for key, one in seen.items()]
        # Where it ended is where it was last seen; whether that was its end nobody says.
        return [*begun, *(replace(one, what="stop", at=now) for key, one in before.items() if key not in seen)]
