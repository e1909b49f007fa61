"""What an evaluation is made on: who watched what in which order, and what is known of the items."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from app.connect.importing import Import
from app.connect.movielens import read_movielens
from app.db import Engine
from app.db.events import read_bodies, read_engagement
from app.errors import BadInput, NothingToLearn
from app.ingest_types import SignalRow
from app.learn.events import Events, Floats
from app.learn.metrics import Figures
from app.learn.text_encoder import TextEncoder, locate_model
from app.learn.text_template import item_text
from app.taste.history import DAY
from app.types import Server
from jobs.watched import Watched, watched_in


@dataclass(frozen=True)
class Library:
    """The items at the positions of `Events`: their bodies as in the API, and the text model that may read them."""

    bodies: Sequence[Mapping[str, Any]]
    embedding_model: str

    @cached_property
    def text_vectors(self) -> Floats:
        """Unit rows, shape (n_items, d); encoded when first asked for, at about 50 texts a second. Raises ModelMissing."""
        return TextEncoder(locate_model(self.embedding_model)).encode([item_text(body) for body in self.bodies])

    @cached_property
    def item_ages(self) -> tuple[Figures, bool]:
        """Days before the newest item that each was added, NaN where unknown; shape (n_items,). Where nothing says when, those of its year,
        and True."""
        added_at = [body.get("added_at") for body in self.bodies]
        if any(added_at):
            days = [datetime.fromisoformat(at).timestamp() / DAY if at else np.nan for at in added_at]
        else:
            days = [365.0 * body["year"] if body.get("year") else np.nan for body in self.bodies]
        found = np.array(days, dtype=np.float64)
        return (np.nanmax(found) - found if np.isfinite(found).any() else found), not any(added_at)

    @cached_property
    def genre_vectors(self) -> Floats:
        """Unit rows, shape (n_items, n_genres). Items without genres share one that is theirs alone."""
        genres = [body.get("genres") or [""] for body in self.bodies]
        columns = {genre: number for number, genre in enumerate(sorted({genre for of_item in genres for genre in of_item}))}
        vectors = np.zeros((len(genres), len(columns)), dtype=np.float32)
        for row, of_item in enumerate(genres):
            vectors[row, [columns[genre] for genre in of_item]] = 1
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def read_movielens_events(folder: Path, metadata: Path | None, embedding_model: str) -> tuple[Events, Library]:
    """Ratings whose order within their user is known, and the films they name. Raises BadInput."""
    data = read_movielens(folder, metadata)
    found = events_in(data, embedding_model)
    if found is None:
        raise BadInput(f"{folder} holds no rating of a known film whose order is known (a timestamp, or seq_in_user in ratings.parquet).")
    return found


def events_in(data: Import, embedding_model: str) -> tuple[Events, Library] | None:
    """The same of what was read; None where nothing is left."""
    bodies = {row.external_id: json.loads(row.body) for row in data.items}
    rows: dict[tuple[int, int], tuple[float, float | None]] = {}
    for signal in data.signals:
        moment = _moment(signal)
        if moment is not None and signal.entry_external_id in bodies:
            # Rated again: the last word counts, at its moment.
            key = int(signal.user_external_id), int(signal.entry_external_id)
            if key not in rows or moment >= rows[key][0]:
                rows[key] = moment, signal.value
    if not rows:
        return None
    users, items = np.array(list(rows), dtype=np.int64).T
    moments, ratings = np.array(list(rows.values()), dtype=np.float64).T
    # Stable, so that ratings of one second stay in the order of the file.
    order = np.lexsort((moments, users))
    user_ids, users = np.unique(users[order], return_inverse=True)
    item_ids, items = np.unique(items[order], return_inverse=True)
    ones = np.ones(len(users), dtype=np.float32)
    events = Events(users, items, ratings[order].astype(np.float32), ones, len(user_ids), len(item_ids))
    return events, Library([bodies[str(item)] for item in item_ids.tolist()], embedding_model)


def _moment(signal: SignalRow) -> float | None:
    """What orders the ratings of a user: a place in a sequence, or a time."""
    if signal.signal_order is not None:
        return float(signal.signal_order)
    return None if signal.at is None else signal.at.timestamp()


def read_server_events(engine: Engine, server: Server, embedding_model: str, share: float) -> tuple[Watched, float, Library]:
    """What a server's people watched, the moment (in seconds) after which the last `share` of the time lies that titles were begun in, and
    its items. Raises NothingToLearn."""
    with engine.begin() as connection:
        rows = read_engagement(connection, server.id)
        bodies = read_bodies(connection, server.id, np.unique(rows["item_id"]).tolist())
    rows = rows[np.isin(rows["item_id"], list(bodies))]
    if not len(rows):
        raise NothingToLearn(f"Nothing was watched on {server.external_id} yet.")
    known = rows["first_at"][~np.isnan(rows["first_at"])]
    cut = float(known.max() - share * (known.max() - known.min())) if len(known) else np.inf
    watched = watched_in(rows, as_of=cut)
    return watched, cut, Library([bodies[item_id] for item_id in watched.item_ids.tolist()], embedding_model)
