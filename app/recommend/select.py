"""The order in which good candidates are shown: variety without losing what fits best.

Greedy maximal marginal relevance (Carbonell and Goldstein 1998): the next item is the one whose score, less `variety` times its
greatest similarity to what was chosen before, is highest. A facet that has had fewer places than its share of the taste gains by
`balance` for each place it lacks (calibration, Steck 2018). A franchise or a genre that has its share waits behind everything else.
"""

import functools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from app.db.finding import Found
from app.db.searches import MAX_FACETS
from app.types import Candidate, Server

# Caps count anew after so many places: what is on a screen at once.
SCREEN = 20
FRESH_HALF_LIFE_DAYS = 14.0

Floats = npt.NDArray[np.float32]
One = TypeVar("One", Candidate, Found)


@dataclass(frozen=True)
class Selection:
    """What a server sets and a request may turn off. None of the caps, 0 of the others: off. Defaults: EXPERIMENTS, variety."""

    variety: float = 0.2
    balance: float = 0.07
    franchise_cap: int | None = 2
    genre_cap: float | None = None
    freshness: float = 0.05

    @classmethod
    def of(cls, server: Server, *, is_varied: bool = True, is_fresh: bool = True) -> "Selection":
        known = {name: server.settings[name] for name in cls.__dataclass_fields__ if name in server.settings}
        chosen = cls(**known)
        if not is_varied:
            chosen = replace(chosen, variety=0.0, balance=0.0, franchise_cap=None, genre_cap=None)
        return chosen if is_fresh else replace(chosen, freshness=0.0)

    @property
    def needs_vectors(self) -> bool:
        return self.variety > 0


def select(
    candidates: Sequence[One], selection: Selection, now: datetime, shares: Sequence[float] = (), n: int | None = None,
    worth: Sequence[float] | None = None,
) -> list[One]:  # fmt: skip
    """The same candidates, or the first `n`, in the order to show them; places keep their falling scores. `shares` of the taste's facets,
    from the first; `worth`: own scores in place of theirs."""
    if not candidates:
        return []
    worth = [one.own_score for one in candidates] if worth is None else worth
    own = [value + selection.freshness * _newness(one, now) for one, value in zip(candidates, worth, strict=True)]
    scores = np.array(own, dtype=np.float32)
    franchises, genres = [franchise_of(one.name) for one in candidates], [one.genres for one in candidates]
    # What the household brought stands for no interest of this person's.
    facets = [one.facet - 1 if one.is_near and one.facet is not None else -1 for one in candidates]
    order = vary(scores, _vectors(candidates), franchises, genres, selection, facets, shares[:MAX_FACETS], n)
    falling = sorted((one.score for one in candidates), reverse=True)
    return [_told(candidates[chosen], score, worth[chosen]) for chosen, score in zip(order, falling, strict=False)]


def _told(one: One, score: float, own_score: float) -> One:
    if isinstance(one, Found):
        return one._replace(score=score, own_score=own_score)
    return replace(one, score=score, own_score=own_score)


def vary(
    scores: Floats, vectors: Floats, franchises: Sequence[str], genres: Sequence[Sequence[str]], selection: Selection,
    facets: Sequence[int] = (), shares: Sequence[float] = (), n: int | None = None,
) -> list[int]:  # fmt: skip
    """A permutation of the candidates, or its first `n`: scores (n,), unit vectors (n, d) or (n, 0) where similarity is no matter, each
    one's facet from 0 (-1: none), and the facets' shares of the taste."""
    nearest = np.zeros(len(scores), dtype=np.float32)
    balance = _Balance(facets, shares, selection.balance)
    is_left = np.ones(len(scores), dtype=bool)
    caps = _Caps(franchises, genres, selection)
    order: list[int] = []
    while len(order) < min(len(scores), n if n is not None else len(scores)):
        caps.turn(len(order))
        ranks = np.where(is_left, scores - selection.variety * nearest + balance.gains(), -np.inf)
        open_ranks = np.where(caps.is_open, ranks, -np.inf)
        best = int(np.argmax(open_ranks if np.isfinite(open_ranks).any() else ranks))
        order.append(best)
        is_left[best] = False
        caps.count(best)
        balance.count(best)
        if vectors.shape[1]:
            nearest = np.maximum(nearest, vectors @ vectors[best])
    return order


class _Balance:
    """What a candidate gains where its facet has had fewer places than its share."""

    def __init__(self, facets: Sequence[int], shares: Sequence[float], weight: float) -> None:
        # The last place stands for no facet, which lacks nothing.
        self._facets, self._weight = np.array(facets, dtype=np.int64), weight
        self._wanted = np.append(np.array(shares, dtype=np.float32) / max(sum(shares), 1e-6), 0).astype(np.float32)
        self._n_chosen = np.zeros(len(shares) + 1, dtype=np.float32)
        self._is_on = len(shares) > 0 and len(facets) > 0

    def gains(self) -> Floats | float:
        if not self._is_on:
            return 0.0
        lacking = self._wanted * (self._n_chosen.sum() + 1) - self._n_chosen
        lacking[-1] = 0
        return np.asarray(self._weight * lacking[self._facets], dtype=np.float32)

    def count(self, chosen: int) -> None:
        if self._is_on:
            self._n_chosen[self._facets[chosen]] += 1


class _Caps:
    """Which candidates may be chosen on this screen."""

    def __init__(self, franchises: Sequence[str], genres: Sequence[Sequence[str]], selection: Selection) -> None:
        self._franchises, self._genres, self._selection = np.array(franchises), genres, selection
        self.is_open = np.ones(len(franchises), dtype=bool)

    def turn(self, place: int) -> None:
        if place % SCREEN == 0:
            self.is_open[:] = True
            self._n_franchise: Counter[str] = Counter()
            self._n_genre: Counter[str] = Counter()

    def count(self, chosen: int) -> None:
        cap, share = self._selection.franchise_cap, self._selection.genre_cap
        franchise = str(self._franchises[chosen])
        self._n_franchise[franchise] += 1
        if cap is not None and franchise and self._n_franchise[franchise] >= cap:
            self.is_open &= self._franchises != franchise
        if share is not None:
            self._n_genre.update(self._genres[chosen])
            full = {genre for genre, n in self._n_genre.items() if n >= share * SCREEN}
            if full:
                self.is_open &= [not genres or not full.issuperset(genres) for genres in self._genres]


NUMBERED = re.compile(r"(?:\s+(?:part|chapter|vol(?:ume)?|episode))?\.?\s+(?:\d{1,2}|[ivx]+)$|(?<=[^\W\d_])\d$")
ARTICLE = re.compile(r"^(?:the|a|an|der|die|das|le|la|les|el|il)\s+")
# "Star Trek: ...", "Kill Bill (...)", "Dune - ..."; a comma only before what counts or an article set behind: "Karate Kid, Part II, The".
SUBTITLE = re.compile(r"\s*[:(]\s*|\s+[-\u2013]\s+|,\s*(?=(?:part|chapter|vol|episode|the|a|an|\d)\b)")


# The best known titles are in every list.
@functools.lru_cache(maxsize=16_384)
def franchise_of(name: str) -> str:
    """What titles of one series of films have in common, by their names alone: "Alien" and "Alien 3", "Star Trek: First Contact"."""
    head = ARTICLE.sub("", SUBTITLE.split(name.casefold().strip(), maxsplit=1)[0])
    return NUMBERED.sub("", head).strip() or head


def _newness(candidate: Candidate | Found, now: datetime) -> float:
    """1 at the moment it was added, half of it after FRESH_HALF_LIFE_DAYS."""
    if candidate.added_at is None:
        return 0.0
    return float(2 ** (-max((now - candidate.added_at).total_seconds(), 0) / 86_400 / FRESH_HALF_LIFE_DAYS))


def _vectors(candidates: Sequence[Candidate] | Sequence[Found]) -> Floats:
    """Unit rows; zeros for what has no vector."""
    nothing = bytes(next((len(one.vector) for one in candidates if one.vector is not None), 4))
    joined = b"".join(one.vector or nothing for one in candidates)
    # The number of dimensions and a reserved word, two bytes each, come first.
    rows = np.frombuffer(joined, dtype=">f2").reshape(len(candidates), -1)[:, 2:].astype(np.float32)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6), dtype=np.float32)
