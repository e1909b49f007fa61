"""What somebody would have been offered at a moment of the past: retrieval's arithmetic in memory, on half-precision vectors as stored.

Facets are left out: they move an item by a fifth of how much nearer it is to one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from app.db.question import PRIOR_WEIGHT
from app.db.retrieval import HOUSEHOLD_WEIGHT
from app.db.searches import N_RANKED, N_RANKED_BESIDE
from app.learn.events import Floats, Ints
from app.learn.features import N_NEAR, N_NEAR_TEXT, N_RECENT, Listed, Nearness
from app.taste.recipes import Recipe, Weights
from jobs.watched import Grades, Watched

Mask = npt.NDArray[np.bool_]

# What the title that was begun next is worth beside those that were later (EXPERIMENTS, what a ranker is to find).
NEXT = 3
# Scores of a batch, in memory at once: 4 bytes each, in six arrays.
BATCH_SCORES = 2_000_000


@dataclass(frozen=True)
class Vectors:
    """Of a space, at the positions of the events' items; 0 where not `is_known`. `weight`: of its scores among those of all spaces."""

    history: Floats
    target: Floats
    is_known: Mask
    weight: float

    @classmethod
    def none(cls, n_items: int) -> "Vectors":
        nothing = np.zeros((n_items, 1), dtype=np.float32)
        return cls(nothing, nothing, np.zeros(n_items, dtype=np.bool_), 0.0)

    @classmethod
    def halved(cls, history: Floats, target: Floats, is_known: Mask, weight: float) -> "Vectors":
        """As precise as they are stored."""
        return cls(history.astype(np.float16).astype(np.float32), target.astype(np.float16).astype(np.float32), is_known, weight)


@dataclass(frozen=True)
class Retrieval:
    """What retrieval works with; what is not `is_open` is no longer in the library."""

    collab: Vectors
    two_tower: Vectors
    text: Vectors
    prior: Floats
    popularity: Floats
    is_open: Mask
    recipe: Recipe
    text_recipe: Recipe


@dataclass(frozen=True)
class Offered:
    """The candidates of a moment, best first as retrieval ranks them. `place`: of the title that was begun then, -1 where it is not among
    them; `grades` (n,): NEXT of that title, of those that were begun later what finding them would have been worth, 0 of all others."""

    listed: Listed
    place: int
    grades: Grades


def lists_of(watched: Watched, found: Retrieval, chosen: Ints) -> Iterator[Offered]:
    """One for each of the `chosen` moments, in their order."""
    worth = watched.grades
    size = max(16, BATCH_SCORES // max(watched.events.n_items, 1))
    with threadpool_limits(1, user_api="blas"):
        for start in range(0, len(chosen), size):
            yield from _batch(watched, worth, found, np.asarray(chosen[start : start + size]))


@dataclass(frozen=True)
class _Near:
    """Scores of every item at the moments of a batch, by the taste and by its longer memory; shape (n, n_items)."""

    taste: Floats
    long_term: Floats


def _batch(watched: Watched, worth: Grades, found: Retrieval, chosen: Ints) -> Iterator[Offered]:
    events = watched.events
    firsts, ends = (np.searchsorted(events.users, events.users[chosen], side) for side in ("left", "right"))
    moments = [_moment(watched, first, row) for first, row in zip(firsts.tolist(), chosen.tolist(), strict=True)]
    pasts = [watched.history.rows(slice(first, row)) for first, row in zip(firsts.tolist(), chosen.tolist(), strict=True)]

    def weigh(weights: Weights) -> list[npt.NDArray[np.float64]]:
        return [weights.weigh(past, at)[0] for past, at in zip(pasts, moments, strict=True)]

    weighed = weigh(found.recipe.weights)
    watching = _matrix(watched, firsts, chosen, weighed)
    long_term = watching if found.recipe.long_term is None else _matrix(watched, firsts, chosen, weigh(found.recipe.long_term))
    learned = (found.collab, found.two_tower)
    collab, two_tower = (_Near(_scores(watching, space), _scores(long_term, space)) if space.is_known.any() else None for space in learned)
    text = _scores(_matrix(watched, firsts, chosen, weigh(found.text_recipe.weights)), found.text)
    own = found.text.weight * (text + PRIOR_WEIGHT * found.prior) + HOUSEHOLD_WEIGHT * (found.popularity - found.prior)
    for near, space in ((collab, found.collab), (two_tower, found.two_tower)):
        own = own if near is None else own + space.weight * near.taste
    own[:, ~found.is_open] = -np.inf
    grades = np.zeros(events.n_items, dtype=np.int8)
    for row, (first, last, end) in enumerate(zip(firsts.tolist(), chosen.tolist(), ends.tolist(), strict=True)):
        before, later = events.items[first:last], events.items[last:end]
        own[row, before] = -np.inf
        seen = before[(weighed[row] > 0) & pasts[row].is_seen]
        rows = [None if near is None else (near.taste[row], near.long_term[row]) for near in (collab, two_tower)]
        one = _One(watched, found, own[row], rows[0], rows[1], text[row], seen, last - first, moments[row])
        place = np.flatnonzero(one.best == events.items[last])
        grades[later] = worth[last:end]
        grades[events.items[last]] = NEXT
        yield Offered(one.listed(), int(place[0]) if len(place) else -1, grades[one.best])
        grades[later] = 0


def _moment(watched: Watched, first: int, last: int) -> float:
    """When it was, or the latest time that is known of what came before."""
    known = watched.begun_at[first : last + 1]
    known = known[~np.isnan(known)]
    at = watched.begun_at[last]
    return float(at) if not np.isnan(at) else float(known.max()) if len(known) else 0.0


def _matrix(watched: Watched, firsts: Ints, chosen: Ints, weighed: Sequence[npt.NDArray[np.float64]]) -> csr_matrix:
    """What each item of each history weighed, shape (n, n_items)."""
    rows = np.repeat(np.arange(len(chosen)), chosen - firsts)
    items = [watched.events.items[first:last] for first, last in zip(firsts.tolist(), chosen.tolist(), strict=True)]
    return csr_matrix((np.concatenate(weighed), (rows, np.concatenate(items))), shape=(len(chosen), watched.events.n_items))


def _scores(weights: csr_matrix, space: Vectors) -> Floats:
    """Of tastes at unit length, as they would have been stored."""
    summed = np.asarray(weights @ space.history)
    tastes = summed / np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-9)
    return np.asarray(tastes.astype(np.float16).astype(np.float32) @ space.target.T)


class _One:
    """One list: `best`, the items that the branches of a search bring, by what retrieval gives them."""

    def __init__(
        self, watched: Watched, found: Retrieval, own: Floats, collab: tuple[Floats, Floats] | None,
        two_tower: tuple[Floats, Floats] | None, text: Floats, seen: Ints, n_watched: int, at: float,
    ) -> None:  # fmt: skip
        self._watched, self._found, self._n_watched, self._at = watched, found, n_watched, at
        self._collab, self._two_tower, self._text = collab, two_tower, text
        self._recent = seen[::-1][:N_RECENT]
        is_open = np.isfinite(own)
        self._by_collab = _first(None if collab is None else collab[0], is_open & found.collab.is_known, N_RANKED)
        self._by_two_tower = _first(None if two_tower is None else two_tower[0], is_open & found.two_tower.is_known, N_RANKED)
        self._by_text = _first(text, is_open & found.text.is_known, N_RANKED_BESIDE)
        is_found = self._by_collab | self._by_two_tower | self._by_text | _first(found.popularity, is_open, N_RANKED_BESIDE)
        best = np.flatnonzero(is_found)
        self.best = best[np.argsort(-own[best], kind="stable")][:N_RANKED]

    def listed(self) -> Listed:
        found = self._found
        return Listed(
            item_ids=self._watched.item_ids[self.best],
            collab=self._nearness(found.collab, self._collab),
            two_tower=self._nearness(found.two_tower, self._two_tower),
            text=np.where(found.text.is_known[self.best], self._text[self.best], np.nan),
            near_text=self._near(found.text, N_NEAR_TEXT),
            found_by_collab=self._by_collab[self.best].astype(np.float32),
            found_by_two_tower=self._by_two_tower[self.best].astype(np.float32),
            found_by_text=self._by_text[self.best].astype(np.float32),
            times_shown=np.full(len(self.best), np.nan, dtype=np.float32),
            recent=self._watched.item_ids[self._recent],
            n_watched=self._n_watched,
            at=self._at if self._at > 0 else np.nan,
        )

    def _nearness(self, space: Vectors, scores: tuple[Floats, Floats] | None) -> Nearness:
        if scores is None:
            unknown = np.full(len(self.best), np.nan, dtype=np.float32)
            return Nearness(unknown, unknown, np.full((len(self.best), N_NEAR), np.nan, dtype=np.float32))
        taste, long_term = (np.where(space.is_known[self.best], one[self.best], np.nan) for one in scores)
        return Nearness(taste, long_term, self._near(space, N_NEAR))

    def _near(self, space: Vectors, n: int) -> Floats:
        """To the latest titles."""
        recent = self._recent[:n]
        near = np.full((len(self.best), n), np.nan, dtype=np.float32)
        near[:, : len(recent)] = space.target[self.best] @ space.history[recent].T
        near[:, : len(recent)][:, ~space.is_known[recent]] = np.nan
        near[~space.is_known[self.best]] = np.nan
        return near


def _first(scores: Floats | None, among: Mask, n: int) -> Mask:
    """What a branch brings: the `n` best, of equal ones the first."""
    found = np.zeros(len(among), dtype=np.bool_)
    if scores is None:
        return found
    ranked = np.where(among, scores, -np.inf)
    last = np.partition(ranked, -min(n, len(ranked)))[-min(n, len(ranked))]
    found[ranked > last] = True
    found[np.flatnonzero(among & (ranked == last))[: n - int(found.sum())]] = True
    return found
