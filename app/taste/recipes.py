"""Which weights a server uses: a preset by name, with what its settings change of it."""

import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from app.taste.facets import MAX_FACETS
from app.taste.history import Floats, History
from app.taste.streamystats import StreamystatsWeights
from app.taste.watching import WatchingWeights
from app.taste.weights import PalateWeights
from app.types import Server, SpaceKind

# Raised when the same settings come to say something else: every stored taste is then computed anew.
VERSION = 3

PRESETS: dict[str, type[PalateWeights] | type[StreamystatsWeights]] = {"palate": PalateWeights, "streamystats": StreamystatsWeights}


class Weights(Protocol):
    def weigh(self, history: History, now: float) -> tuple[Floats, float | None]: ...


@dataclass(frozen=True)
class Recipe:
    """Weights under a name that differs wherever they do: it is kept with each taste that they made.

    `max_facets`: interests to look for inside the whole. `newest_first`: positions in a history, where its latest titles are kept.
    `long_term`: of a second vector, facet 1, which a ranker looks at beside the whole.
    """

    name: str
    weights: Weights
    max_facets: int = MAX_FACETS
    newest_first: Callable[[History], npt.NDArray[np.int64]] | None = None
    long_term: Weights | None = None


WATCHING_WEIGHTS = WatchingWeights()
# What was watched long ago counts almost as much: what the second stage gains most from (EXPERIMENTS, the second stage).
LONG_TERM_WEIGHTS = WatchingWeights(order_decay=0.3)


def recipe_of(server: Server, kind: SpaceKind) -> Recipe:
    """Of a space of this kind. Settings that are not known, of an older or newer version, are passed over."""
    if kind in ("collab", "two_tower"):
        return _watching()
    preset = server.settings.get("preset", "palate")
    return _recipe(preset if preset in PRESETS else "palate", json.dumps(server.settings.get("weights") or {}, sort_keys=True))


def is_text_alone(server: Server) -> bool:
    """A server that chose the behaviour of Streamystats is answered from no other space."""
    return server.settings.get("preset") == "streamystats"


@functools.cache
def _watching() -> Recipe:
    return Recipe(
        f"watching {VERSION} {_digest(asdict(WATCHING_WEIGHTS) | {'long_term': asdict(LONG_TERM_WEIGHTS)})}",
        WATCHING_WEIGHTS,
        0,
        WATCHING_WEIGHTS.newest_first,
        LONG_TERM_WEIGHTS,
    )


@functools.lru_cache(maxsize=1024)
def _recipe(preset: str, changes: str) -> Recipe:
    kind = PRESETS[preset]
    known = {field.name for field in fields(kind)}
    weights = kind(**{name: value for name, value in json.loads(changes).items() if name in known})
    return Recipe(f"{preset} {VERSION} {_digest(asdict(weights))}", weights)


def _digest(constants: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(constants, sort_keys=True).encode()).hexdigest()[:12]
