"""How far a feature as served is from the same feature as trained: both counted in the bins of the training, then compared."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Verdict = Literal["too few", "stable", "moderate", "shifted"]

# The usual rule for the population stability index (N. Siddiqi, Credit Risk Scorecards, 2006): below the first nothing changed,
# above the second the model sees another population.
PSI_MODERATE, PSI_SHIFTED = 0.1, 0.25
# Two samples of one distribution in b bins differ by a PSI of (b - 1)(1/n + 1/m) on average. All items of a slate share what is known
# of the user, so slates count: a hundred keep twelve bins' chance differences at a PSI of .11. Slates may be short, so rows count too.
MIN_ROWS, MIN_SLATES = 1_000, 100
# Of a list, what counts as shown, in training and serving alike.
N_SHOWN = 20
# In each bin beside what was counted: none is then empty (Krichevsky and Trofimov, 1981).
SMOOTHING = 0.5


@dataclass(frozen=True)
class Trained:
    """A feature's values as trained: bins (-inf, e1], (e1, e2], ..., (ek, inf) between `edges`, the missing last in `counts`."""

    name: str
    edges: npt.NDArray[np.float32]
    counts: Counts


@dataclass(frozen=True)
class Skew:
    """None where the sample is too small. `kl`: of served from trained, in nats."""

    name: str
    n_served: int
    psi: float | None
    kl: float | None

    @property
    def verdict(self) -> Verdict:
        return verdict(self.psi)


def count_in(edges: npt.NDArray[np.float32], values: npt.NDArray[np.float32]) -> Counts:
    """How many values lie in each bin; the missing (NaN) in one of their own, the last. Serving and training count by this."""
    places = np.searchsorted(edges, values, side="left")
    places[np.isnan(values)] = len(edges) + 1
    return np.bincount(places, minlength=len(edges) + 2).astype(np.int64)


def compare(trained: Trained, served: Counts, n_slates: int) -> Skew:
    n_served = int(served.sum())
    if n_slates < MIN_SLATES or min(n_served, int(trained.counts.sum())) < MIN_ROWS:
        return Skew(trained.name, n_served, None, None)
    p, q = _shares(served), _shares(trained.counts)
    ratio = np.log(p / q)
    return Skew(trained.name, n_served, float(((p - q) * ratio).sum()), float((p * ratio).sum()))


def verdict(psi: float | None) -> Verdict:
    if psi is None:
        return "too few"
    return "shifted" if psi > PSI_SHIFTED else "moderate" if psi > PSI_MODERATE else "stable"


def trained_from(card: dict[str, Any]) -> list[Trained]:
    """The features of a ranker's card, in the order it takes them. Raises ValueError where the card is not one.

    Served are only the items that were shown: where the card knows how those were distributed when it was trained, they are compared
    with that, else with all candidates.
    """
    try:
        return [_trained(feature) for feature in card.get("features", [])]
    except (KeyError, TypeError) as error:
        raise ValueError(f"a feature is not described: {error!r}") from error


def _trained(feature: dict[str, Any]) -> Trained:
    edges = np.asarray(feature["edges"], dtype=np.float32)
    shown = feature.get("shown_counts")
    counts = [*feature["counts"], feature["n_missing"]] if shown is None else [*shown, feature["shown_n_missing"]]
    if len(counts) != len(edges) + 2:
        raise ValueError(f"{feature['name']} has {len(counts) - 1} bins for {len(edges)} edges")
    return Trained(feature["name"], edges, np.asarray(counts, dtype=np.int64))


def _shares(counts: Counts) -> npt.NDArray[np.float64]:
    smoothed = counts + SMOOTHING
    return np.asarray(smoothed / smoothed.sum(), dtype=np.float64)
