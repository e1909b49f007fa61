"""A ranker with the facts that its features are made of: what a model's bytes hold, and what a serving process keeps in memory."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.learn.events import Floats
from app.learn.features import NAMES, Listed, features_of
from app.learn.item_facts import ItemFacts
from app.learn.ranker import Ranker, read_ranker


class FeaturesDiffer(Exception):
    """A model was trained on other features than this version computes: it cannot be used."""


@dataclass(frozen=True)
class SecondStage:
    ranker: Ranker
    facts: ItemFacts

    def rank(self, listed: Listed) -> tuple[Floats, Floats]:
        """Scores (n,), the highest first, and the features (n, n_features) they were made of."""
        features = features_of(self.facts, listed)
        return self.ranker.score(features), features

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        arrays = {f"facts_{name}": values for name, values in self.facts.arrays().items()}
        arrays |= {f"ranker_{name}": values for name, values in self.ranker.arrays().items()}
        np.savez_compressed(buffer, allow_pickle=False, features=np.array(NAMES), **arrays)
        return buffer.getvalue()


def read_second_stage(name: str, content: bytes) -> SecondStage:
    """Of a ranker's name and `to_bytes`. Raises FeaturesDiffer, and ValueError or KeyError for bytes that are something else."""
    with np.load(io.BytesIO(content), allow_pickle=False) as kept:
        if tuple(kept["features"].tolist()) != NAMES:
            raise FeaturesDiffer
        arrays: dict[str, npt.NDArray[Any]] = {key: kept[key] for key in kept.files}
    facts = {key.removeprefix("facts_"): values for key, values in arrays.items() if key.startswith("facts_")}
    ranker = {key.removeprefix("ranker_"): values for key, values in arrays.items() if key.startswith("ranker_")}
    return SecondStage(read_ranker(name, ranker), ItemFacts.from_arrays(facts))
