"""Whether a revision may take the place of the live one: asked of what was watched lately, which neither has learned from.

Two revisions learned by one recipe differ only by what was watched and what was changed in between: the live one is asked as it stands of
what was begun since it was learned, and beside it what the new one would be without that. Where the recipe is another, what was begun in
the last two weeks is taken away from both, and both are learned anew; and where the live one is older than that, it is asked as it stands.
Where somebody has left since, by opting out or being erased, the live one is learned anew without them too, or not asked at all: that it
still knows them is no merit. The same goes for one that is two months old: nothing is refused for ever.
"""

from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from app.db import Engine, spaces
from app.errors import NothingToLearn
from app.learn.collaborative import scores_of
from app.learn.events import ORDER_DECAY, Case, Events, Floats
from app.learn.metrics import accuracy, interval
from app.learn.next_item import Parameters
from app.learn.ranking import popularity_of, ranked
from app.learn.splits import by_time
from app.types import Server, Space, unseen
from jobs.revision import VERSION, ItemIds, Material
from jobs.watched import watched_in

HELD_OUT, LONGEST_LIFE = timedelta(days=14), timedelta(days=60)
# Fewer people say nothing of which is better; more say no more, and asking them all takes long.
MIN_CASES, MAX_CASES = 20, 5_000
N_FIRST, SEED = 10, 0

# History and target at the positions of the material's items, zeros for those unknown; shape (n_items, r) each.
Vectors = tuple[Floats, Floats]


@dataclass(frozen=True)
class Verdict:
    """NDCG@10 of both and the difference with its 95% interval over `n_cases` people, or None where too few began anything since."""

    held_from: datetime
    n_cases: int
    ndcg_10: float | None = None
    live_ndcg_10: float | None = None
    minus_live: tuple[float, float] | None = None

    @property
    def is_worse(self) -> bool:
        return self.minus_live is not None and self.minus_live[1] < 0

    def __str__(self) -> str:
        day = f"{self.held_from:%d %B %Y}"
        if self.n_cases < MIN_CASES:
            return f"not compared with what was live: {self.n_cases} people began anything since {day}, it takes {MIN_CASES}"
        if self.ndcg_10 is None or self.live_ndcg_10 is None or self.minus_live is None:
            return f"not compared with what was live: too little is known from before {day}"
        low, high = self.minus_live
        return (
            f"NDCG@10 {self.ndcg_10:.4f} on what {self.n_cases:,} people began since {day}, {self.live_ndcg_10:.4f} by what was live "
            f"(difference {low:+.4f} to {high:+.4f})"
        )

    def as_card(self) -> dict[str, Any]:
        return asdict(self) | {"held_from": self.held_from.isoformat(), "is_worse": self.is_worse}


def judge(
    engine: Engine,
    server: Server,
    rows: npt.NDArray[Any],
    people: dict[str, Any],
    material: Material,
    parameters: Parameters,
    now: datetime,
) -> Verdict | None:
    """Compare what `parameters` make of `material` and `rows` (engagement of `people`) with the live revision; None where there is none
    to compare with."""
    with engine.begin() as connection:
        live = spaces.live_space(connection, server.id, "collab")
        if live is None:
            return None
        card = spaces.read_card(connection, live)
    if not {"learned_at", "parameters"} <= card.keys():
        return None
    learned_at = datetime.fromisoformat(card["learned_at"])
    former = Parameters(**card["parameters"]) if _can_be_repeated(live, card, material) else None
    is_over = card.get("people", {}).get("left_out") != people["left_out"] or learned_at <= now - LONGEST_LIFE
    if is_over and former is None:
        return None
    as_it_stands = not is_over and (former in (None, parameters) or learned_at <= now - HELD_OUT)
    held_from = max(learned_at, now - HELD_OUT) if as_it_stands else now - HELD_OUT
    cut = held_from.timestamp()
    watched = watched_in(rows, material.item_ids, as_of=cut)
    [task] = by_time(watched.events, watched.begun_at, watched.is_wanted, cut)
    cases = _some(task.cases)
    if len(cases) < MIN_CASES:
        return Verdict(held_from, len(cases))
    before = watched.events.counting(~(watched.begun_at > cut))
    try:
        new = _learned(material, before, parameters, now)
        old = _read(engine, live, material.item_ids) if as_it_stands or former is None else _learned(material, before, former, now)
    except NothingToLearn:
        return Verdict(held_from, len(cases))
    otherwise = popularity_of(before)
    figures = [_ndcg(side, cases, otherwise) for side in (new, old)]
    difference = interval(figures[0] - figures[1], SEED)
    return Verdict(held_from, len(cases), float(figures[0].mean()), float(figures[1].mean()), difference)


def _can_be_repeated(live: Space, card: dict[str, Any], material: Material) -> bool:
    """Whether this code makes of the same events what the live revision is."""
    pack = card.get("pack", {}).get("space_id")
    is_known = {field.name for field in fields(Parameters)} == set(card["parameters"])
    return is_known and live.template_version == VERSION and pack == (material.base.space_id if material.base else None)


def _learned(material: Material, events: Events, parameters: Parameters, now: datetime) -> Vectors:
    found = material.learned_from(events, parameters, now, unseen).vectors
    return found.history, found.target


def _some(cases: list[Case]) -> list[Case]:
    if len(cases) <= MAX_CASES:
        return cases
    chosen = np.random.default_rng(SEED).choice(len(cases), MAX_CASES, replace=False)
    return [cases[number] for number in np.sort(chosen)]


def _read(engine: Engine, space: Space, item_ids: ItemIds) -> Vectors:
    with engine.begin() as connection:
        found = spaces.read_learned_vectors(connection, space)
    found = found[np.isin(found["item_id"], item_ids)]
    history, target = (np.zeros((len(item_ids), space.dimension), dtype=np.float32) for _ in range(2))
    place = np.searchsorted(item_ids, found["item_id"])
    history[place], target[place] = found["history"], found["target"]
    return history, target


def _ndcg(vectors: Vectors, cases: list[Case], otherwise: Floats) -> npt.NDArray[np.float64]:
    score = partial(scores_of, history=vectors[0], target=vectors[1], order_decay=ORDER_DECAY)
    return accuracy(ranked(score, otherwise, cases, N_FIRST), cases, len(otherwise)).ndcg_10
