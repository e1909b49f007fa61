"""What became of the rows of a history, for people and as JSON."""

from collections import Counter
from typing import Any

from app.connect.histories.told import Told, Unread
from app.ingest_types import IngestOutcome, Match

# Of what was not found or could not be read; their number is told.
MAX_EXAMPLES = 20


class Tally:
    """Counts, and examples: all of them where `keeps_all`, which takes memory for each title."""

    def __init__(self, *, keeps_all: bool = False) -> None:
        self._most = None if keeps_all else MAX_EXAMPLES
        self.n_read = self.n_created = self.n_updated = self.n_refused = 0
        self.kinds: Counter[str] = Counter()
        self.how: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.matches: Counter[tuple[str, str, str]] = Counter()
        self.misses: Counter[tuple[str, str]] = Counter()
        self.strangers: Counter[str] = Counter()
        self.refused: list[Unread] = []

    def refuse(self, unread: Unread) -> None:
        self.n_refused += 1
        if self._most is None or len(self.refused) < self._most:
            self.refused.append(unread)

    def settle(self, told: Told, match: Match) -> None:
        """What a row is about was looked for."""
        if match.how is not None and match.entry is not None:
            self.how[match.how] += 1
            self._count(self.matches, (told.label, match.how, match.entry))
        else:
            self.faults[match.fault or ""] += 1
            self._count(self.misses, (told.label, match.fault or ""))

    def miss_person(self, told: Told) -> None:
        self.faults["unknown user"] += 1
        self._count(self.strangers, " or ".join(told.people) or "nobody")

    def store(self, kind: str, outcome: IngestOutcome) -> None:
        self.kinds[kind] += outcome.received - len(outcome.rejected)
        self.n_created += outcome.created
        self.n_updated += outcome.updated

    @property
    def counts(self) -> dict[str, int]:
        """As they are kept with the import: the same for the same file and library, however often it is imported."""
        kept = {f"n_{kind}": count for kind, count in sorted(self.kinds.items())}
        return {"n_read": self.n_read, **kept, "n_not_matched": self.faults.total(), "n_refused": self.n_refused}

    def as_json(self) -> dict[str, Any]:
        return {
            **self.counts,
            "n_created": self.n_created,
            "n_updated": self.n_updated,
            "matched": dict(self.how),
            "not_matched": dict(self.faults),
            "matches": [{"title": title, "how": how, "item_id": entry, "n": n} for (title, how, entry), n in self.matches.items()],
            "misses": [{"title": title, "why": why, "n": n} for (title, why), n in self.misses.items()],
            "unknown_users": dict(self.strangers),
            "refused": [{"place": one.place, "reason": one.reason} for one in self.refused],
        }

    def _count(self, counter: Counter[Any], key: Any) -> None:
        if self._most is None or key in counter or len(counter) < self._most:
            counter[key] += 1
