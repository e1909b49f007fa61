"""The parameters of GET /api/recommendations, read as Streamystats reads them: what is no number or no truth is the default."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.api.streamystats_callers import selector_in
from app.db.connections import Selector
from app.errors import PalateError
from app.types import Filters

TRUTHS = {"true": True, "1": True, "false": False, "0": False}
# Its default, the words that it may be, and how that is said.
WORDS = {
    "type": ("all", ("Movie", "Series", "all"), "Movie, Series, or all"),
    "range": ("all", ("7d", "30d", "90d", "thisMonth", "all"), "7d, 30d, 90d, thisMonth, or all"),
    "format": ("full", ("full", "ids"), "full or ids"),
}


class BadParameter(PalateError):
    """A parameter can't be what it is."""

    status = 400

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.title = said


@dataclass(frozen=True, slots=True)
class Asked:
    selector: Selector
    limit: int
    type: str
    range: str
    format: str
    start: datetime | None
    end: datetime | None
    includes_based_on: bool
    includes_reasons: bool
    target_user_id: str | None

    @property
    def filters(self) -> Filters:
        return Filters(kind="movie" if self.type == "Movie" else "series" if self.type == "Series" else None)

    def said(self) -> dict[str, Any]:
        """As it is told back."""
        return {
            "limit": self.limit, "type": self.type, "range": self.range,
            "start": self.start and self.start.isoformat(), "end": self.end and self.end.isoformat(),
            "includeBasedOn": self.includes_based_on, "includeReasons": self.includes_reasons,
            "targetUserId": self.target_user_id, "format": self.format,
        }  # fmt: skip


def read_asked(query: Mapping[str, str]) -> Asked:
    """Raises NoSelector and BadParameter."""
    selector = selector_in(query)
    chosen = {name: query.get(name, default) for name, (default, _, _) in WORDS.items()}
    for name, (_, words, said) in WORDS.items():
        if chosen[name] not in words:
            raise BadParameter(f"Invalid '{name}'. Must be {said}.")
    start, end = _moment(query, "start"), _moment(query, "end")
    if start is not None and end is not None and start > end:
        raise BadParameter("'start' must be <= 'end'.")
    return Asked(
        selector, number(query, "limit", 20), start=start, end=end, includes_based_on=truth(query, "includeBasedOn"),
        includes_reasons=truth(query, "includeReasons"), target_user_id=query.get("targetUserId") or None, **chosen,
    )  # fmt: skip


def number(query: Mapping[str, str], name: str, default: int) -> int:
    """1..100"""
    try:
        found = int(query.get(name, "")[:9])
    except ValueError:
        found = 0
    return min(max(found or default, 1), 100)


def truth(query: Mapping[str, str], name: str) -> bool:
    return TRUTHS.get(query.get(name, ""), True)


def _moment(query: Mapping[str, str], name: str) -> datetime | None:
    value = query.get(name)
    if not value:
        return None
    try:
        # The plus of an offset comes as a blank where it was not encoded.
        found = datetime.fromisoformat(value.replace(" ", "+") if "T" in value else value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadParameter(f"Invalid '{name}'. Must be an ISO timestamp.") from None
