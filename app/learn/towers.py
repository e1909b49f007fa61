"""The two towers of `two_tower`, and what they are trained by. Imports torch: import it only where something is trained."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from app.learn.events import Floats
from app.learn.item_content import Content

# A column that is left out.
NEVER = -1e9
INITIAL_SPREAD = 0.05


class ItemTower(nn.Module):
    """An item's history and target vectors, side by side: its own, and the sum of those of its genres, its people and its text.

    What an item without events is, its content says.
    """

    is_warm: Tensor
    text: Tensor
    first: Tensor
    columns: Tensor
    values: Tensor

    def __init__(self, content: Content, is_warm: Tensor, dimension: int, generator: torch.Generator) -> None:
        super().__init__()
        names = content.names
        self.own = nn.Parameter(torch.randn((len(is_warm), 2 * dimension), generator=generator) * INITIAL_SPREAD)
        self.of_names = nn.Parameter(torch.zeros((names.shape[1], 2 * dimension)))
        self.of_text = nn.Parameter(torch.zeros((content.text.shape[1], 2 * dimension)))
        self._keep("is_warm", is_warm.float()[:, None])
        self._keep("text", torch.from_numpy(content.text))
        self._keep("first", torch.from_numpy(names.indptr.astype(np.int64)))
        self._keep("columns", torch.from_numpy(names.indices.astype(np.int64)))
        self._keep("values", torch.from_numpy(names.data.astype(np.float32)))

    def _keep(self, name: str, values: Tensor) -> None:
        """Goes where the parameters go, and is no part of what is saved."""
        self.register_buffer(name, values, persistent=False)

    def forward(self, items: Tensor, own_weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """History and target, (n, dimension) each; `own_weight` (n, 1): what the items' own vectors count, 1 where nothing is said."""
        own = functional.embedding(items, self.own) * functional.embedding(items, self.is_warm)
        both = own if own_weight is None else own * own_weight
        if len(self.of_names):
            both = both + self._named(items)
        if len(self.of_text):
            both = both + self.text[items] @ self.of_text
        history, target = both.chunk(2, dim=1)
        return history, target

    def _named(self, items: Tensor) -> Tensor:
        starts, sizes = self.first[items], self.first[items + 1] - self.first[items]
        offsets = sizes.cumsum(0) - sizes
        flat = torch.repeat_interleave(starts - offsets, sizes) + torch.arange(int(sizes.sum()), device=items.device)
        values = self.values[flat]
        return functional.embedding_bag(self.columns[flat], self.of_names, offsets, mode="sum", per_sample_weights=values)


def kernel(n_before: int, n_moments: int, order_decay: float) -> Tensor:
    """What the event at each place of a stretch weighs at each of its moments: k^-order_decay for the k-th newest before it, 0 from
    it on; shape (n_moments, n_before + n_moments)."""
    back = torch.arange(n_moments)[:, None] + n_before - torch.arange(n_before + n_moments)
    return torch.where(back > 0, back.clamp(min=1).float() ** -order_decay, 0.0)


def softmax_losses(scores: Tensor, own: Tensor, log_expected: Tensor, is_left_out: Tensor) -> Tensor:
    """-log softmax of the column `own` (m,) of each row of `scores` (m, c); shape (m,).

    `log_expected` (c,): the log of how often each item was to be expected among the columns, which is taken off, so that frequent items are
    not held down for being drawn more often (Yi et al. 2019). `is_left_out` (m, c): columns that count as none.
    """
    return functional.cross_entropy((scores - log_expected).masked_fill(is_left_out, NEVER), own, reduction="none")


def bpr_losses(wanted: Tensor, other: Tensor) -> Tensor:
    """-log sigmoid(wanted - other), of scores (m,) each (Rendle et al. 2009)."""
    return functional.softplus(other - wanted)


def left_out(columns: Tensor, wanted: Tensor, is_theirs: Tensor) -> Tensor:
    """Of `columns` (c,), items, what is no negative of the moments whose items `wanted` (m,) are the first m columns: the same item again,
    and what `is_theirs` (m, c) says is of the same history; shape (m, c)."""
    row = torch.arange(len(wanted), device=columns.device)
    found = (columns == wanted[:, None]) | is_theirs
    found[row, row] = False
    return found


def as_arrays(tower: ItemTower, n_items: int) -> tuple[Floats, Floats]:
    """History and target vectors of all items, (n_items, dimension) each."""
    with torch.no_grad():
        history, target = tower(torch.arange(n_items, device=tower.own.device))
    return history.cpu().numpy(), target.cpu().numpy()
