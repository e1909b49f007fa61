"""Which weights a server uses: a preset by name, with what its settings change of it."""

import functools
import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol

from app.taste.facets import MAX_FACETS
from app.taste.history import Floats, History
from app.taste.streamystats import StreamystatsWeights
from app.taste.watching import WatchingWeights
from app.taste.weights import PalateWeights
from app.types import Server, SpaceKind

# Raised when the same settings come to say something else: every stored taste is then computed anew.
VERSION = 2

PRESETS: dict[str, type[PalateWeights] | type[StreamystatsWeights]] = {"palate": PalateWeights, "streamystats": StreamystatsWeights}


class Weights(Protocol):
    def weigh(self, history: History, now: float) -> tuple[Floats, float | None]: ...


@dataclass(frozen=True)
class Recipe:
    """Weights under a name that differs wherever they do: it is kept with each taste that they made.

    `max_facets`: interests to look for inside the whole.
    """

    name: str
    weights: Weights
    max_facets: int = MAX_FACETS


WATCHING_WEIGHTS = WatchingWeights()


def recipe_of(server: Server, kind: SpaceKind) -> Recipe:
    """Of a space of this kind. Settings that are not known, of an older or newer version, are passed over."""
    if kind == "collab":
        return _watching()
    preset = server.settings.get("preset", "palate")
    return _recipe(preset if preset in PRESETS else "palate", json.dumps(server.settings.get("weights") or {}, sort_keys=True))


def is_text_alone(server: Server) -> bool:
    """Who chose the behaviour of Streamystats is answered from no other space."""
    return server.settings.get("preset") == "streamystats"


@functools.cache
def _watching() -> Recipe:
    return Recipe(f"watching {VERSION} {_digest(asdict(WATCHING_WEIGHTS))}", WATCHING_WEIGHTS, max_facets=0)


@functools.lru_cache(maxsize=1024)
def _recipe(preset: str, changes: str) -> Recipe:
    kind = PRESETS[preset]
    known = {field.name for field in fields(kind)}
    weights = kind(**{name: value for name, value in json.loads(changes).items() if name in known})
    return Recipe(f"{preset} {VERSION} {_digest(asdict(weights))}", weights)


def _digest(constants: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(constants, sort_keys=True).encode()).hexdigest()[:12]
