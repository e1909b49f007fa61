"""learn-two-tower: item vectors of two towers, from what a server's people watched after what, as a new revision of its two-tower space.

Filled beside the live one, indexed, given tastes, and live in one transaction; killed at any moment it leaves the live one as it was.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.db import Engine, events, spaces
from app.db.locks import only_one
from app.errors import NothingToLearn
from app.learn.blocks import Joined
from app.learn.item_content import content_of
from app.learn.two_tower import Parameters, learn
from app.types import Progress, Server, unseen
from jobs.learn_collab import Learned, put_live, store
from jobs.refresh_tastes import refresh_space
from jobs.revision import Revision, card_of, is_enough, text_of, told
from jobs.watched import Watched, watched_in

MODEL_NAME, VERSION = "two-tower", 1
# From so many watched titles on it is trained each night.
ENOUGH = 20_000


def learn_two_tower(
    engine: Engine, server: Server, now: datetime, progress: Progress, *, parameters: Parameters | None = None,
    checkpoint: Path | None = None, least: int = 0,
) -> Learned:  # fmt: skip
    """Raises NothingToLearn where hardly anything was watched, or fewer titles than `least`, and AlreadyRunning while another process
    learns this for this server.

    `checkpoint`: as in `app.learn.two_tower.learn`; it is removed when the space is live.
    """
    chosen = parameters or Parameters()
    with only_one(engine, f"learn-two-tower {server.id}"):
        with engine.begin() as connection:
            people = events.state_of_people(connection, server.id)
            rows = events.read_engagement(connection, server.id)
            text = spaces.live_space(connection, server.id, "text")
            vectors = None if text is None else spaces.read_vectors(connection, text)
            watched = watched_in(rows, None if vectors is None else vectors["item_id"])
            bodies = events.read_bodies(connection, server.id, watched.item_ids.tolist())
        if not is_enough(watched.events):
            raise NothingToLearn
        n_events = int((watched.events.weights > 0).sum())
        if n_events < least:
            raise NothingToLearn(
                f"{n_events:,} titles were watched, counted for each person; from {least:,} on they are worth their training."
            )
        revision = towers_of(watched, bodies, vectors, chosen, now, progress, checkpoint)
        revision.card["people"] = people
        space = store(engine, server, revision, kind="two_tower", model=(MODEL_NAME, VERSION))
        refresh_space(engine, space, now, unseen)
        put_live(engine, space, now)
        if checkpoint is not None:
            checkpoint.unlink(missing_ok=True)
    return Learned(space.id, revision.card["n_events"], revision.card["n_items"], None, went_live=True)


def towers_of(
    watched: Watched, bodies: Mapping[int, Mapping[str, Any]], vectors: npt.NDArray[Any] | None, parameters: Parameters, now: datetime,
    progress: Progress, checkpoint: Path | None = None,
) -> Revision:  # fmt: skip
    """What the towers make of it, with what the items' `bodies` and the `vectors` of the text space say; an item that nobody watched is
    there where its content says something."""
    known = text_of(watched.item_ids, vectors)
    content = content_of([bodies.get(item_id, {}) for item_id in watched.item_ids.tolist()], None if known is None else known.vectors)
    found = learn(watched.events, content, parameters, progress, checkpoint)
    is_predicted = (found.n_events == 0) & found.target.any(axis=1)
    vectors_of_items = Joined(found.history, found.target, found.n_events, np.asarray(is_predicted))
    return told(watched.item_ids, vectors_of_items, card_of(watched.events, found, parameters, now))
