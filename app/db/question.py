"""What one retrieval is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from app.db.asker import Asker, GivenTaste
from app.db.searches import LEARNED, Search
from app.types import Filters, SpaceInUse, SpaceKind

# What the prior may add to a similarity; EXPERIMENTS, facets and prior.
PRIOR_WEIGHT = 0.5
# From so many items on, a taste speaks for itself.
ENOUGH_EVIDENCE = 4


@dataclass(frozen=True)
class Question:
    """`evidence`: how many items speak for the taste, None where the household has no say; `words`: for titles.

    `kinds`: of the live spaces, those to search; `given`: tastes that are no rows, by the kind of their space.
    """

    asker: Asker
    filters: Filters
    search: Search
    now: datetime
    explain: bool = True
    has_vectors: bool = False
    kinds: Sequence[SpaceKind] = ("text",)
    given: Mapping[SpaceKind, GivenTaste] | None = None
    evidence: int | None = None
    n_facets: int = 0
    # Only this facet of the stored taste, from 1.
    only_facet: int | None = None
    prior_weight: float = PRIOR_WEIGHT
    words: dict[str, Any] = field(default_factory=dict)

    @property
    def is_personal(self) -> bool:
        return self.search.startswith(("near", "exact"))

    @property
    def spaces(self) -> list[SpaceInUse]:
        """What is searched: text first."""
        return [self.asker.spaces[kind] for kind in ("text", *LEARNED) if kind in self.kinds and kind in self.asker.spaces]

    def exactly(self) -> "Question":
        """The same, through every row."""
        return replace(self, search="exact and title" if self.search == "near and title" else "exact")
