"""The interests inside a taste: spherical k-means over the items that weigh most, weighted and without chance.

k-means on the unit sphere (Dhillon and Modha 2001): a facet is the direction of the weighted sum of its members.
It starts from the heaviest item, then again and again from the item whose weight times distance to all starts is greatest.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

MAX_FACETS = 5
# So many items for each facet, or it is an accident.
MIN_ITEMS = 4
# Older or weaker items than these hardly move a facet, and clustering is what a taste costs most.
MAX_ITEMS = 100
MAX_ROUNDS = 5
# So often may a few odd items be set aside; a taste without any two alike would go on for ever.
MAX_ASIDE = 4
# One more facet must bring its items so much nearer to their centre (weighted mean cosine).
MIN_GAIN = 0.03


@dataclass(frozen=True)
class Facet:
    """`vector` of unit length; `members`: positions in what was clustered, heaviest first; `share` of the weight, 0..1."""

    vector: Floats
    members: Ints
    share: float


def facets_of(vectors: Floats, positions: Ints, weights: Floats) -> list[Facet]:
    """Of the unit rows of `vectors` at `positions`, by falling positive weight (n,). By falling share; none where
    one interest is all there is."""
    vectors, weights = vectors[positions[:MAX_ITEMS]], weights[:MAX_ITEMS]
    if len(vectors) < 2 * MIN_ITEMS:
        return []
    centres = _centres(vectors, weights)
    if len(centres) == 1:
        return []
    best = _Clusters.around(vectors, weights, centres, n_rounds=0)
    total = weights.sum()
    found = [
        Facet(centre, np.flatnonzero(best.members == number), float(weights[best.members == number].sum() / total))
        for number, centre in enumerate(best.centres)
    ]
    return sorted(found, key=lambda facet: -facet.share)


def _centres(vectors: Floats, weights: Floats) -> Floats:
    """As many as pay. A few items of another kind are no interest: they are set aside while centres are looked for."""
    kept, n_aside = np.ones(len(vectors), dtype=bool), 0
    best = _Clusters.around(vectors, weights, vectors[:1])
    while len(best.centres) < MAX_FACETS and kept.sum() >= MIN_ITEMS * (len(best.centres) + 1):
        inside, heavy = vectors[kept], weights[kept]
        # The next start: what weighs most and lies farthest from every centre.
        start = inside[np.argmax(heavy * (1 - (inside @ best.centres.T).max(axis=1)))]
        more = _Clusters.around(inside, heavy, np.vstack([best.centres, start]))
        if more.sizes.min() == 0 or n_aside == MAX_ASIDE:
            break
        if more.sizes.min() < MIN_ITEMS:
            kept[np.flatnonzero(kept)[more.members == np.argmin(more.sizes)]] = False
            n_aside += 1
            if kept.sum() >= MIN_ITEMS:
                best = _Clusters.around(vectors[kept], weights[kept], best.centres)
            continue
        if more.fit < best.fit + MIN_GAIN:
            break
        best = more
    return best.centres


@dataclass(frozen=True)
class _Clusters:
    centres: Floats  # (k, d)
    members: Ints  # (n,), the centre that each item is nearest to
    closeness: Floats  # (n,), to that centre
    fit: float  # weighted mean of it
    sizes: Ints  # (k,)

    @classmethod
    def around(cls, vectors: Floats, weights: Floats, centres: Floats, n_rounds: int = MAX_ROUNDS) -> "_Clusters":
        """k-means from these starts."""
        members = np.argmax(vectors @ centres.T, axis=1)
        for _ in range(n_rounds):
            chosen = np.zeros((len(vectors), len(centres)), dtype=np.float32)
            chosen[np.arange(len(vectors)), members] = weights
            sums = chosen.T @ vectors
            lengths = np.linalg.norm(sums, axis=1, keepdims=True)
            centres = np.where(lengths > 1e-6, sums / np.maximum(lengths, 1e-6), centres).astype(np.float32)
            similarity = vectors @ centres.T
            moved = np.argmax(similarity, axis=1)
            if (moved == members).all():
                break
            members = moved
        similarity = vectors @ centres.T
        closeness = similarity[np.arange(len(vectors)), members]
        fit = float(weights @ closeness / weights.sum())
        return cls(centres, members, closeness, fit, np.bincount(members, minlength=len(centres)))
