"""A neural ranker beside LambdaMART: DLRM (Naumov et al. 2019), as far as a list of features goes.

Some features are cut into bins, and each bin has a vector; the rest of what is known goes through a small network into one more vector.
The inner products of all these vectors by twos, and that last vector, go through another network into the score. Trained with PyTorch,
served with numpy: two hundred candidates are a few small products of matrices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from app.learn.events import Floats, Ints
from app.learn.ranker import Lists
from app.types import Progress, unseen

# What is cut into bins and gets vectors: what stands for which title it is, and how it stands in its list.
FIELDS = (
    "collab_rank", "collab_long_rank", "two_tower_rank", "text_rank", "next_3_rank", "next_10_rank", "popularity", "popularity_gap",
    "mean_rating", "year", "year_gap_1", "genres_10", "n_watched",
)  # fmt: skip
# In standard deviations, after logarithms: what lies further off says no more.
FURTHEST = 5.0
# Rows that the scale of features is taken from.
N_SCALED = 200_000
# Lists that importance is measured on.
N_SHUFFLED = 50


@dataclass(frozen=True)
class DlrmParameters:
    """Chosen in EXPERIMENTS, the second stage."""

    loss: Literal["softmax", "pointwise"] = "softmax"
    """Over each list, or of each candidate alone."""
    dimension: int = 16
    n_bins: int = 32
    n_bottom: int = 128
    n_top: int = 128
    n_last: int = 64
    learning_rate: float = 0.001
    weight_decay: float = 0.0001
    batch: int = 64
    """Lists at a time."""
    n_epochs: int = 3
    min_steps: int = 200
    """Where there are few lists, there are more epochs."""
    n_checks: int = 9
    patience: int = 3
    """Checks without a better one before it ends."""
    seed: int = 1


@dataclass(frozen=True, eq=False)
class Scale:
    """How features become what the networks take.

    `centre`, `spread` (n_features,): where a feature is taken from and by what it is divided before its logarithm; `mean`, `deviation`: of
    that, 0 for a feature that is always the same or never known: it counts for nothing. `partly`: features that are sometimes known.
    `cut`: the features that are cut, `edges` (len(cut), n_bins - 1): where, infinite where there are no more.
    """

    centre: Floats
    spread: Floats
    mean: Floats
    deviation: Floats
    partly: Ints
    cut: Ints
    edges: Floats

    @property
    def n_dense(self) -> int:
        return len(self.centre) + len(self.partly)

    def dense(self, features: Floats) -> Floats:
        """Shape (n, n_dense): what is not known is 0, and for those of `partly` a 1 says so."""
        is_unknown = np.isnan(features)
        compressed = _compressed(features, self.centre, self.spread)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.clip((compressed - self.mean) / self.deviation, -FURTHEST, FURTHEST)
        found[is_unknown | (self.deviation == 0)] = 0
        return np.concatenate([found, is_unknown[:, self.partly]], axis=1, dtype=np.float32)

    def codes(self, features: Floats) -> Ints:
        """Shape (n, len(cut)): the row of each one's vector in a table of n_bins + 1 for each field, the first for what is not known."""
        n_rows = self.edges.shape[1] + 2
        found = np.empty((len(features), len(self.cut)), dtype=np.int64)
        for field, column in enumerate(self.cut):
            values = features[:, column]
            place = np.searchsorted(self.edges[field], values, side="right")
            found[:, field] = field * n_rows + np.where(np.isnan(values), 0, 1 + place)
        return found


@dataclass(frozen=True, eq=False)
class Weights:
    """`tables` (n_fields * (n_bins + 1), dimension); of each layer the matrix (n_in, n_out) and what is added (n_out,)."""

    tables: Floats
    bottom: Floats
    bottom_bias: Floats
    narrow: Floats
    narrow_bias: Floats
    top: Floats
    top_bias: Floats
    last: Floats
    last_bias: Floats
    score: Floats
    score_bias: Floats


@dataclass(frozen=True, eq=False)
class Dlrm:
    """`importances` (n_features,): see `importances`."""

    scale: Scale
    weights: Weights
    importances: Floats
    name: str = "dlrm"

    def score(self, features: Floats) -> Floats:
        weights = self.weights
        dense = _layer(self.scale.dense(features), weights.bottom, weights.bottom_bias)
        dense = _layer(dense, weights.narrow, weights.narrow_bias)
        vectors = np.concatenate([dense[:, None], weights.tables[self.scale.codes(features)]], axis=1)
        first, second = np.triu_indices(vectors.shape[1], 1)
        products = (vectors @ vectors.transpose(0, 2, 1))[:, first, second]
        found = _layer(np.concatenate([dense, products], axis=1), weights.top, weights.top_bias)
        found = _layer(found, weights.last, weights.last_bias)
        return np.asarray((found @ weights.score + weights.score_bias)[:, 0], dtype=np.float32)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        found = {f"scale_{name}": values for name, values in vars(self.scale).items()}
        found |= {f"weights_{name}": values for name, values in vars(self.weights).items()}
        return found | {"importances": self.importances}

    def importance(self) -> Floats:
        return self.importances


def read_dlrm(arrays: Mapping[str, npt.NDArray[Any]]) -> Dlrm:
    """Of what `arrays` answered."""
    scale = Scale(**{field.name: arrays[f"scale_{field.name}"] for field in fields(Scale)})
    return Dlrm(scale, Weights(**{field.name: arrays[f"weights_{field.name}"] for field in fields(Weights)}), arrays["importances"])


def fit_dlrm(train: Lists, later: Lists, names: tuple[str, ...], parameters: DlrmParameters, progress: Progress = unseen) -> Dlrm:
    """Goes on until the NDCG@10 of `later` no longer rises. Imports torch. The same on every run on the same processor."""
    from app.learn.dlrm_training import train_dlrm

    generator = np.random.default_rng(parameters.seed)
    n = len(train.features)
    looked_at = np.sort(generator.choice(n, N_SCALED, replace=False)) if n > N_SCALED else slice(None)
    cut = np.array([names.index(name) for name in FIELDS if name in names], dtype=np.int64)
    scale = scale_of(train.features[looked_at], cut, parameters.n_bins)
    weights = train_dlrm(scale, train, later, parameters, progress)
    unmeasured = Dlrm(scale, weights, np.zeros(len(names), dtype=np.float32))
    return Dlrm(scale, weights, importances(unmeasured, later, generator))


def scale_of(features: Floats, cut: Ints, n_bins: int) -> Scale:
    quartiles = np.array([_quantiles(column, [0.25, 0.5, 0.75]) for column in features.T], dtype=np.float32)
    deviations = np.array([_known(column).std() if len(_known(column)) else 0 for column in features.T], dtype=np.float32)
    centre, spread = quartiles[:, 1], quartiles[:, 2] - quartiles[:, 0]
    spread = np.where(spread > 0, spread, np.where(deviations > 0, deviations, 1)).astype(np.float32)
    compressed = _compressed(features, centre, spread)
    known = [_known(column) for column in compressed.T]
    mean, deviation = (np.array([of(column) if len(column) else 0 for column in known], dtype=np.float32) for of in (np.mean, np.std))
    edges = np.full((len(cut), n_bins - 1), np.inf, dtype=np.float32)
    for field, column in enumerate(cut):
        found = np.unique(_quantiles(features[:, column], [number / n_bins for number in range(1, n_bins)]))
        edges[field, : len(found)] = found
    share = np.isnan(features).mean(axis=0)
    return Scale(centre, spread, mean, np.where(deviation > 1e-6, deviation, 0), np.flatnonzero((share > 0) & (share < 1)), cut, edges)


def importances(ranker: Dlrm, lists: Lists, generator: np.random.Generator) -> Floats:
    """Of each feature, by how much a candidate moves against its list where that feature is another candidate's; shape (n_features,)."""
    sizes = lists.sizes[:N_SHUFFLED]
    features = lists.features[: sizes.sum()].copy()
    starts = np.cumsum(sizes) - sizes
    usual, others = ranker.score(features), generator.permutation(len(features))
    found = np.zeros(features.shape[1], dtype=np.float32)
    for column in range(features.shape[1]):
        kept = features[:, column].copy()
        features[:, column] = kept[others]
        moved = ranker.score(features) - usual
        found[column] = np.abs(moved - np.repeat(np.add.reduceat(moved, starts) / sizes, sizes)).mean()
        features[:, column] = kept
    return found


def _layer(values: Floats, matrix: Floats, bias: Floats) -> Floats:
    return np.asarray(np.maximum(values @ matrix + bias, 0))


def _compressed(features: Floats, centre: Floats, spread: Floats) -> Floats:
    """Logarithms of what lies far off: counts and sums of scores have long tails."""
    found = (features - centre) / spread
    return np.asarray(np.sign(found) * np.log1p(np.abs(found)), dtype=np.float32)


def _known(values: Floats) -> Floats:
    return values[~np.isnan(values)]


def _quantiles(values: Floats, at: Sequence[float]) -> Floats:
    """Zeros where nothing is known."""
    known = _known(values)
    return np.asarray(np.quantile(known, at) if len(known) else np.zeros(len(at)), dtype=np.float32)
