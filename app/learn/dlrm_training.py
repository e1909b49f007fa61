"""How the networks of `dlrm` are trained. Imports torch: import it only where something is trained."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from app.learn.dlrm import DlrmParameters, Scale, Weights
from app.learn.events import Floats, Ints
from app.learn.metrics import ndcg_of_graded
from app.learn.ranker import Lists
from app.types import Progress

# The share of steps in which the learning rate rises to its height; all along it falls as a cosine to LAST_RATE of that.
WARM_UP, LAST_RATE = 0.05, 0.02
# The vectors of bins begin this large.
INITIAL_SPREAD = 0.1
# The score of what only fills a list up.
NEVER = -1e9
# Rows that are scored at once where nothing is learned.
MANY = 8192


def train_dlrm(scale: Scale, train: Lists, later: Lists, parameters: DlrmParameters, progress: Progress) -> Weights:
    """As they were when the NDCG@10 of `later` was highest."""
    n_steps = max(parameters.n_epochs * -(-len(train) // parameters.batch), parameters.min_steps)
    due = -(-n_steps // parameters.n_checks)
    highest, weights, n_worse = -1.0, None, 0
    with one_thread():
        training = Training(scale, train, parameters)
        for done, lists in enumerate(_batches(len(train), n_steps, parameters), start=1):
            training.step(lists, parameters.learning_rate * _rate(done / n_steps))
            if done % due and done < n_steps:
                continue
            progress(done, n_steps)
            found = training.ndcg(later)
            n_worse = 0 if found > highest else n_worse + 1
            if found > highest:
                highest, weights = found, training.net.weights()
            if n_worse == parameters.patience:
                break
    assert weights is not None
    return weights


@contextmanager
def one_thread() -> Iterator[None]:
    """The products are small: threads would wait for each other, and the sums would come in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Net(nn.Module):
    """What `Dlrm.score` computes; the parameters bear the names of `Weights`."""

    def __init__(self, scale: Scale, parameters: DlrmParameters) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(parameters.seed)
        n_vectors, d = len(scale.cut) + 1, parameters.dimension
        n_rows = len(scale.cut) * (parameters.n_bins + 1)
        self.tables = nn.Parameter(torch.randn((n_rows, d), generator=generator) * INITIAL_SPREAD)
        widths = {
            "bottom": (scale.n_dense, parameters.n_bottom), "narrow": (parameters.n_bottom, d),
            "top": (d + n_vectors * (n_vectors - 1) // 2, parameters.n_top), "last": (parameters.n_top, parameters.n_last),
            "score": (parameters.n_last, 1),
        }  # fmt: skip
        for name, (n_in, n_out) in widths.items():
            for part, shape in ((name, (n_in, n_out)), (f"{name}_bias", (n_out,))):
                even = torch.rand(shape, generator=generator) * 2 - 1
                self.register_parameter(part, nn.Parameter(even / math.sqrt(n_in)))
        self.register_buffer("pairs", torch.triu_indices(n_vectors, n_vectors, 1), persistent=False)

    def forward(self, dense: Tensor, codes: Tensor) -> Tensor:
        """Scores (n,) of `Scale.dense` and `Scale.codes`."""
        found = self._layer("narrow", self._layer("bottom", dense))
        vectors = torch.cat([found[:, None], functional.embedding(codes, self.tables)], dim=1)
        first, second = self.get_buffer("pairs")
        products = (vectors @ vectors.mT)[:, first, second]
        found = self._layer("last", self._layer("top", torch.cat([found, products], dim=1)))
        return (found @ self.get_parameter("score") + self.get_parameter("score_bias"))[:, 0]

    def _layer(self, name: str, values: Tensor) -> Tensor:
        return torch.addmm(self.get_parameter(f"{name}_bias"), values, self.get_parameter(name)).relu()

    def weights(self) -> Weights:
        return Weights(**{field.name: self.get_parameter(field.name).detach().numpy().copy() for field in fields(Weights)})


class Training:
    """The net, its optimiser, and what they are shown."""

    def __init__(self, scale: Scale, train: Lists, parameters: DlrmParameters) -> None:
        self.net = Net(scale, parameters)
        self._scale, self._train, self._loss = scale, train, parameters.loss
        self._optimiser = torch.optim.AdamW(self.net.parameters(), weight_decay=parameters.weight_decay)
        self._starts = np.cumsum(train.sizes) - train.sizes

    def step(self, lists: Ints, rate: float) -> None:
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        loss = self.loss(lists)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()

    def loss(self, lists: Ints) -> Tensor:
        sizes = self._train.sizes[lists]
        rows = np.repeat(self._starts[lists] - (np.cumsum(sizes) - sizes), sizes) + np.arange(sizes.sum())
        labels = torch.from_numpy(self._train.labels[rows]).float()
        scores = self._scores(self._train.features[rows])
        if self._loss == "pointwise":
            return functional.binary_cross_entropy_with_logits(scores, (labels > 0).float(), reduction="sum") / len(lists)
        lengths = sizes.tolist()
        beside = nn.utils.rnn.pad_sequence(list(torch.split(scores, lengths)), batch_first=True, padding_value=NEVER)
        wanted = nn.utils.rnn.pad_sequence(list(torch.split(labels, lengths)), batch_first=True)
        return functional.cross_entropy(beside, wanted / wanted.sum(dim=1, keepdim=True))

    def ndcg(self, lists: Lists) -> float:
        """NDCG@10, a title of grade g being worth 2^g - 1; of what scores the same the worthless stands above."""
        with torch.no_grad():
            parts = [self._scores(lists.features[start : start + MANY]) for start in range(0, len(lists.features), MANY)]
        is_there = np.arange(lists.sizes.max()) < lists.sizes[:, None]
        scores, worth = np.full(is_there.shape, NEVER), np.zeros(is_there.shape)
        scores[is_there], worth[is_there] = torch.cat(parts).numpy(), 2.0**lists.labels - 1
        return float(ndcg_of_graded(worth, scores).mean())

    def _scores(self, features: Floats) -> Tensor:
        found: Tensor = self.net(torch.from_numpy(self._scale.dense(features)), torch.from_numpy(self._scale.codes(features)))
        return found


def _batches(n_lists: int, n_steps: int, parameters: DlrmParameters) -> Iterator[Ints]:
    """Each list once before any comes again."""
    generator = np.random.default_rng(parameters.seed)
    left: Ints = np.zeros(0, dtype=np.int64)
    for _ in range(n_steps):
        if not len(left):
            left = generator.permutation(n_lists)
        yield left[: parameters.batch]
        left = left[parameters.batch :]


def _rate(progress: float) -> float:
    return min(1.0, progress / WARM_UP) * (LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * progress)))
