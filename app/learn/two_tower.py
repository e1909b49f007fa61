"""Item vectors from two towers trained against each other: who watched this so far, and what came next.

The user tower is what serving can do without a model: taste = sum of weight * history vector, the k-th newest weighing
interest * k^-order_decay, brought to unit length. The item tower gives each item a history and a target vector: its own, and the sum of
those of its genres, people and text, which is all that a new item has. Trained so that taste . target is highest for what was watched
next: softmax over the items of a batch, corrected for how often each is drawn (Yi et al. 2019), with items drawn evenly beside them (Yang
et al. 2020) and without what is of the same history; or BPR (Rendle et al. 2009).

Targets are whitened as those of the next-item model are. Torch is imported where something is learned.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from app.learn.collaborative import scores_of, weighed
from app.learn.events import ORDER_DECAY, Case, Events, Floats, Ints
from app.learn.item_content import Content
from app.learn.next_item import ItemVectors
from app.learn.ranking import popularity_of, ranked
from app.learn.whitening import whitened
from app.types import Progress, unseen


@dataclass(frozen=True)
class Parameters:
    """Chosen in EXPERIMENTS, two towers."""

    dimension: int = 256
    loss: Literal["softmax", "bpr"] = "softmax"
    order_decay: float = ORDER_DECAY
    n_before: int = 192
    n_moments: int = 64
    n_stretches: int = 4
    """Of `n_moments` each, of one history in one epoch."""
    batch: int = 16
    """Stretches at a time."""
    n_epochs: int = 4
    min_steps: int = 300
    """Where little was watched, there are more epochs."""
    learning_rate: float = 0.003
    weight_decay: float = 0.3
    temperature: float = 0.07
    history_dropout: float = 0.1
    taste_dropout: float = 0.2
    own_dropout: float = 0.1
    """How often an item has to do with what its content says."""
    n_drawn: int = 1024
    seed: int = 0


def learn(
    events: Events, content: Content, parameters: Parameters, progress: Progress = unseen, checkpoint: Path | None = None
) -> ItemVectors:
    """`content` at the positions of `events`. An item without events gets what its content says, zeros where that is nothing.

    The same on every run with as many threads of the same processor. `checkpoint`: a file that is written after each epoch; where it is
    of the same training, that goes on where it stood.
    """
    # Waiting threads that spin take the other core from PostgreSQL.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from app.learn.tower_training import train

    counted = events.rows(events.weights > 0)
    n_events = np.bincount(counted.items, minlength=events.n_items)
    history, target = train(counted, content, parameters, progress, checkpoint)
    known = (n_events > 0) | (np.diff(content.names.indptr) > 0) | content.text.any(axis=1)
    history[~known], target[~known] = 0, 0
    history, target = whitened(history, target, n_events > 0)
    return ItemVectors(history, target, n_events)


class TwoTower:
    """Scores by matrix, as no database is asked. `content` at the positions of the events that it is fitted to."""

    name = "two-tower"

    def __init__(self, content: Content, parameters: Parameters | None = None) -> None:
        self._content, self._parameters = content, parameters or Parameters()

    def fit(self, train: Events) -> None:
        self._popularity = popularity_of(train)
        self._vectors = learn(weighed(train), self._content, self._parameters)

    def recommend(self, cases: list[Case], n: int) -> Ints:
        return ranked(self._scores, self._popularity, cases, n)

    def _scores(self, cases: list[Case]) -> Floats:
        return scores_of(cases, self._vectors.history, self._vectors.target, self._parameters.order_decay)
