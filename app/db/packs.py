"""What a pack is matched with, and the vectors of an installed one: a collab space that is put aside and never searched.

Every revision of the collab space is then made of it and of what was watched here, until another pack takes its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from app.db import spaces
from app.db.statements import statement

MODEL_NAME, VERSION = "pack", 1

Halves = npt.NDArray[np.float16]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Title:
    """An item of a server; `keys` as `movie:tmdb:862`, TMDB's first, as in its identity. `n_plays` by everybody."""

    item_id: int
    kind: str
    year: int | None
    keys: Sequence[str]
    n_plays: int


@dataclass(frozen=True)
class Base:
    """What a pack says of a server's items: rows of `history` and `target` (n, rank), by item."""

    space_id: int
    card: dict[str, Any]
    item_ids: Ints
    history: Halves
    target: Halves
    n_events: Ints


def read_titles(connection: Connection, server_id: int) -> list[Title]:
    rows = connection.execute(statement("packs", "titles"), {"server_id": server_id})
    return [Title(row.id, row.kind, row.year, [*(row.tmdb or ()), *(row.imdb or ()), *(row.tvdb or ())], int(row.n_plays)) for row in rows]


def put_aside(
    connection: Connection, server_id: int, digest: str, card: dict[str, Any], item_ids: Ints, history: Halves, target: Halves,
    n_events: Ints,
) -> Base:  # fmt: skip
    """Keep the vectors of a pack for the items that it knows, which are sorted and not repeated."""
    space = spaces.create_space(connection, server_id, "collab", MODEL_NAME, digest, VERSION, target.shape[1], len(item_ids))
    known = {"item_ids": item_ids.tolist(), "n_events": n_events.tolist()}
    spaces.set_card(connection, space, {"pack": card, "known": known})
    whole = history.astype(np.float32), target.astype(np.float32)
    spaces.write_learned_vectors(connection, space, item_ids, *whole, np.zeros(len(item_ids), dtype=np.bool_))
    spaces.put_aside(connection, space)
    return Base(space.id, card, item_ids, history, target, n_events)


def base_in_use(connection: Connection, server_id: int) -> Base | None:
    """What the live revision was made with, for the items that are still there."""
    row = connection.execute(statement("packs", "base_in_use"), {"server_id": server_id}).first()
    if row is None:
        return None
    fields = dict(row._mapping)
    card = fields.pop("card")
    space = spaces.space_of(fields)
    spaces.forget_missing_items(connection, space)
    found = spaces.read_learned_vectors(connection, space)
    place = np.searchsorted(np.array(card["known"]["item_ids"], dtype=np.int64), found["item_id"])
    n_events = np.array(card["known"]["n_events"], dtype=np.int64)[place]
    return Base(space.id, card["pack"], found["item_id"].copy(), found["history"], found["target"], n_events)


def retire_unused(connection: Connection, server_id: int) -> None:
    """Packs whose vectors neither the live collab space nor the one before it was made with."""
    connection.execute(statement("packs", "retire_unused"), {"server_id": server_id, "model_name": MODEL_NAME})
