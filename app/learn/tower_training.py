"""How the two towers of `two_tower` are trained. Imports torch: import it only where something is trained.

Chance comes from the seed and the number of the epoch alone, so that what was stopped goes on as if it had not been.
"""

import hashlib
import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from app.learn.events import Events, Floats
from app.learn.item_content import Content
from app.learn.stretches import Stretches, batches, n_batches
from app.learn.towers import ItemTower, as_arrays, bpr_losses, kernel, left_out, softmax_losses
from app.learn.two_tower import Parameters
from app.types import Progress

# The share of steps in which the learning rate rises to its height; all along it falls as a cosine to LAST_RATE of that.
WARM_UP, LAST_RATE = 0.05, 0.05


def train(counted: Events, content: Content, parameters: Parameters, progress: Progress, checkpoint: Path | None) -> tuple[Floats, Floats]:
    """History and target vectors of all items, (n_items, dimension) each. All `counted` events weigh above 0."""
    training = Training(counted, content, parameters)
    mark = fingerprint(counted, content, parameters)
    n_done = 0 if checkpoint is None else training.resume(checkpoint, mark)
    for number in range(n_done, training.n_epochs):
        progress(number, training.n_epochs)
        training.epoch(number)
        if checkpoint is not None:
            training.save(checkpoint, mark, number + 1)
    progress(training.n_epochs, training.n_epochs)
    return as_arrays(training.tower, counted.n_items)


class Training:
    """The item tower, its optimiser, and what they are shown."""

    def __init__(self, counted: Events, content: Content, parameters: Parameters) -> None:
        self._counted, self._parameters = counted, parameters
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        n_events = np.bincount(counted.items, minlength=counted.n_items)
        self._warm = torch.from_numpy(np.flatnonzero(n_events)).to(self._device)
        self._share = torch.from_numpy(n_events / max(len(counted), 1)).float().to(self._device)
        generator = torch.Generator().manual_seed(parameters.seed)
        self.tower = ItemTower(content, torch.from_numpy(n_events > 0), parameters.dimension, generator).to(self._device)
        self._optimiser = torch.optim.AdamW(self.tower.parameters(), weight_decay=parameters.weight_decay, fused=True)
        self._kernel = kernel(parameters.n_before, parameters.n_moments, parameters.order_decay).to(self._device)
        self._cut = {"n_moments": parameters.n_moments, "n_stretches": parameters.n_stretches, "size": parameters.batch}
        self._n_batches = n_batches(counted, **self._cut)
        self.n_epochs = max(parameters.n_epochs, -(-parameters.min_steps // max(self._n_batches, 1))) if self._n_batches else 0

    def epoch(self, number: int) -> None:
        chance = np.random.default_rng((self._parameters.seed, number))
        generator = torch.Generator().manual_seed(int(chance.integers(2**62)))
        shown = batches(self._counted, chance, n_before=self._parameters.n_before, **self._cut)
        for place, stretches in enumerate(shown):
            for group in self._optimiser.param_groups:
                group["lr"] = self._rate(number * self._n_batches + place)
            loss = self.loss(stretches, generator)
            self._optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()

    def _rate(self, step: int) -> float:
        total = self.n_epochs * self._n_batches
        falling = LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * step / total))
        return self._parameters.learning_rate * min(1.0, (step + 1) / (WARM_UP * total)) * falling

    def loss(self, stretches: Stretches, generator: torch.Generator) -> Tensor:
        """Of all moments of these stretches, each by what its event counts."""
        items, weights, counts = (self._sent(values) for values in (stretches.items, stretches.weights, stretches.counts.reshape(-1)))
        rows = counts.nonzero()[:, 0]
        wanted = self._sent(stretches.wanted.reshape(-1))[rows]
        columns = self._columns(wanted, generator)
        # Each item goes through the tower once.
        needed = torch.unique(torch.cat([items.flatten(), columns]))
        own_weight = self._kept((len(needed), 1), self._parameters.own_dropout, generator)
        history, target = self.tower(needed, own_weight)
        # As embeddings: the gradient of plain indexing costs five times as much (EXPERIMENTS, two towers).
        seen = functional.embedding(torch.searchsorted(needed, items), history)
        tastes = functional.embedding(rows, self._tastes(seen, weights, generator).flatten(0, 1))
        found = functional.embedding(torch.searchsorted(needed, columns), target)
        theirs = self._theirs(items, weights, columns)[rows // self._parameters.n_moments]
        losses = self._losses(tastes, found, columns, theirs)
        return (losses * counts[rows]).sum() / counts[rows].sum()

    def _columns(self, wanted: Tensor, generator: torch.Generator) -> Tensor:
        """The items that are scored: those that are wanted, and some drawn evenly beside them, for BPR one for each."""
        n_drawn = len(wanted) if self._parameters.loss == "bpr" else self._parameters.n_drawn
        drawn = torch.randint(len(self._warm), (n_drawn,), generator=generator).to(self._device)
        return torch.cat([wanted, self._warm[drawn]])

    def _tastes(self, history: Tensor, weights: Tensor, generator: torch.Generator) -> Tensor:
        """Unit vectors at all moments, divided by the temperature; (n, n_moments, dimension)."""
        weights = weights * self._kept(weights.shape, self._parameters.history_dropout, generator)
        tastes = functional.normalize(self._kernel @ (history * weights[..., None]), dim=2)
        kept = self._kept(tastes.shape, self._parameters.taste_dropout, generator)
        return tastes * kept / ((1 - self._parameters.taste_dropout) * self._parameters.temperature)

    def _theirs(self, items: Tensor, weights: Tensor, columns: Tensor) -> Tensor:
        """Whether each stretch holds each column, (n, c)."""
        held = torch.zeros((len(items), self._counted.n_items), dtype=torch.bool, device=self._device)
        row, place = (weights > 0).nonzero(as_tuple=True)
        held[row, items[row, place]] = True
        return held[:, columns]

    def _losses(self, tastes: Tensor, found: Tensor, columns: Tensor, theirs: Tensor) -> Tensor:
        """Of `tastes` (m, d), the first m of the `columns` being what is wanted; `found` (c, d) are their target vectors."""
        n = len(tastes)
        if self._parameters.loss == "bpr":
            losses = bpr_losses((tastes * found[:n]).sum(1), (tastes * found[n:]).sum(1))
            return torch.where(theirs[:, n:].diagonal(), 0.0, losses)
        expected = n * self._share[columns] + self._parameters.n_drawn / len(self._warm)
        own = torch.arange(n, device=self._device)
        return softmax_losses(tastes @ found.T, own, expected.log(), left_out(columns, columns[:n], theirs))

    def _kept(self, shape: tuple[int, ...], dropout: float, generator: torch.Generator) -> Tensor:
        """1, and 0 for a share of `dropout`."""
        return (torch.rand(shape, generator=generator) >= dropout).float().to(self._device)

    def _sent(self, values: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(values).to(self._device)

    def save(self, checkpoint: Path, mark: str, n_done: int) -> None:
        """Whole or not at all."""
        beside = checkpoint.with_name(f"{checkpoint.name}.new")
        state = {"mark": mark, "n_done": n_done, "tower": self.tower.state_dict(), "optimiser": self._optimiser.state_dict()}
        torch.save(state, beside)
        os.replace(beside, checkpoint)

    def resume(self, checkpoint: Path, mark: str) -> int:
        """How many epochs were done before; 0 where there is no checkpoint, or one of another training."""
        if not checkpoint.exists():
            return 0
        state = torch.load(checkpoint, map_location=self._device, weights_only=True)
        if state["mark"] != mark:
            return 0
        self.tower.load_state_dict(state["tower"])
        self._optimiser.load_state_dict(state["optimiser"])
        return int(state["n_done"])


def fingerprint(counted: Events, content: Content, parameters: Parameters) -> str:
    """The same only for a training that comes to the same end."""
    digest = hashlib.sha256(json.dumps(asdict(parameters), sort_keys=True).encode())
    names = content.names
    order = np.zeros(0) if counted.has_order is None else counted.has_order
    for values in (counted.users, counted.items, counted.weights, order, names.indptr, names.indices, names.data, content.text):
        digest.update(str(values.shape).encode() + np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
