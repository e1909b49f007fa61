"""What is known of items beside who watched them, as arrays: their genres and people, and text vectors."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, hstack

from app.learn.events import Floats

# A name that fewer items have says nothing about other items.
MIN_ITEMS_OF_NAME = 3


@dataclass(frozen=True)
class Content:
    """`names` (n_items, n_names): an item's genres are a unit row, and so are its people; either may be empty. `text` (n_items, d): unit
    rows, zeros where there is no text."""

    names: csr_matrix
    text: Floats


def content_of(bodies: Sequence[Mapping[str, Any]], text: Floats | None = None) -> Content:
    """`bodies` are items as POST /ingest/items takes them; `text` as in Content, where there are any."""
    genres = _named([body.get("genres") or [] for body in bodies])
    people = _named([[person["name"] for person in body.get("people") or []] for body in bodies])
    without = np.zeros((len(bodies), 0), dtype=np.float32)
    return Content(hstack([genres, people], format="csr", dtype=np.float32), without if text is None else text)


def _named(names: Sequence[Sequence[str]]) -> csr_matrix:
    """Unit rows or empty ones, a column for each name that enough items have."""
    different = [list(dict.fromkeys(of_item)) for of_item in names]
    counts = Counter(name for of_item in different for name in of_item)
    column = {name: number for number, name in enumerate(sorted(name for name in counts if counts[name] >= MIN_ITEMS_OF_NAME))}
    columns = [[column[name] for name in of_item if name in column] for of_item in different]
    sizes = np.array([len(of_item) for of_item in columns], dtype=np.int64)
    values = np.repeat(np.maximum(sizes, 1) ** -0.5, sizes).astype(np.float32)
    flat = np.array([number for of_item in columns for number in of_item], dtype=np.int64)
    return csr_matrix((values, flat, np.concatenate([[0], np.cumsum(sizes)])), shape=(len(names), len(column)))
