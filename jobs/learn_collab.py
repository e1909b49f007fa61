"""learn-collab: item vectors from what a server's people watched after what, as a new revision of its collab space.

Filled beside the live one, indexed, given tastes, and live in one transaction; killed at any moment it leaves the live one as it was.
Where a pack is installed, the revision is two blocks of one space: the pack's, and what was learned here. One that is worse than the live
one on what was watched lately is kept as a candidate.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import structlog

from app.db import Engine, events, packs, spaces
from app.db.locks import only_one
from app.db.packs import Base
from app.learn.next_item import Parameters
from app.types import Progress, Server, Space, SpaceKind, unseen
from jobs.gate import Verdict, judge
from jobs.memory import usual_bytes
from jobs.refresh_tastes import refresh_space
from jobs.revision import MODEL_NAME, VERSION, Material, Revision
from jobs.watched import watched_in

log = structlog.get_logger()


@dataclass(frozen=True)
class Learned:
    """What a run did; `verdict` None where nothing was live to compare with, or nobody asked."""

    space_id: int
    n_events: int
    n_items: int
    verdict: Verdict | None
    went_live: bool


def learn_collab(
    engine: Engine, server: Server, now: datetime, progress: Progress, *,
    memory_bytes: int | None = None, parameters: Parameters | None = None, is_judged: bool = True,
) -> Learned:  # fmt: skip
    """Raises NothingToLearn where hardly anything was watched, and AlreadyRunning while another process learns for this server.

    `memory_bytes`: what it may take, by default half of what is free. Where that is too little for all items with events, the most
    watched carry the solve and the others are predicted; where it is too little for a tenth of them, NotEnoughMemory is raised. Not
    `is_judged`: goes live however it compares with the live one.
    """
    with only_one(engine, f"learn-collab {server.id}"):
        with engine.begin() as connection:
            base = packs.base_in_use(connection, server.id)
        return learn_revision(
            engine, server, base, now, progress, memory_bytes=memory_bytes, parameters=parameters, is_judged=is_judged
        )  # fmt: skip


def learn_revision(
    engine: Engine, server: Server, base: Base | None, now: datetime, progress: Progress, *,
    memory_bytes: int | None = None, parameters: Parameters | None = None, is_judged: bool = True,
) -> Learned:  # fmt: skip
    """As `learn_collab`, on what a pack says (`base`) and what was watched here. The caller holds the lock.

    Raises NothingToLearn where there is no pack and hardly anything was watched.
    """
    chosen = parameters or Parameters()
    with engine.begin() as connection:
        people = events.state_of_people(connection, server.id)
        rows = events.read_engagement(connection, server.id)
        text = spaces.live_space(connection, server.id, "text")
        vectors = None if text is None else spaces.read_vectors(connection, text)
    more = [] if vectors is None else [vectors["item_id"]]
    more += [] if base is None else [base.item_ids]
    watched = watched_in(rows, np.concatenate(more) if more else None)
    material = Material(watched.item_ids, vectors, base, usual_bytes() if memory_bytes is None else memory_bytes)
    revision = material.learned_from(watched.events, chosen, now, progress)
    revision.card["people"] = people
    verdict = judge(engine, server, rows, people, material, chosen, now) if is_judged else None
    if verdict is not None:
        revision.card["verdict"] = verdict.as_card()
    went_live = verdict is None or not verdict.is_worse
    space = store(engine, server, revision, is_indexed=went_live)
    if went_live:
        refresh_space(engine, space, now, unseen)
        put_live(engine, space, now)
    else:
        put_aside(engine, space)
        log.warning("learned, and kept as a candidate: worse than what is live", server=server.external_id, verdict=str(verdict))
    n_events, n_items = revision.card["n_events"], revision.card["n_items"]
    return Learned(space.id, n_events, n_items, verdict, went_live)


def store(
    engine: Engine, server: Server, revision: Revision, *, is_indexed: bool = True,
    kind: SpaceKind = "collab", model: tuple[str, int] = (MODEL_NAME, VERSION),
) -> Space:  # fmt: skip
    """Write a revision beside the live one, as one that is being built; what is not to be searched needs no index. `model`: its name and
    version."""
    found = revision.vectors
    kept = found.is_kept
    history, target, is_predicted = found.history[kept], found.target[kept], found.is_predicted[kept]
    digest = hashlib.sha256(history.tobytes() + target.tobytes()).hexdigest()
    with engine.begin() as connection:
        space = spaces.create_space(
            connection, server.id, kind, model[0], digest, model[1], target.shape[1], spaces.count_items(connection, server.id)
        )
        spaces.set_card(connection, space, revision.card)
        spaces.write_learned_vectors(connection, space, revision.item_ids[kept], history, target, is_predicted)
        if is_indexed:
            spaces.index_space(connection, space)
    return space


def put_live(engine: Engine, space: Space, now: datetime) -> None:
    with engine.begin() as connection:
        spaces.go_live(connection, space, now)
        packs.retire_unused(connection, space.server_id)
    spaces.drop_retired_spaces(engine, space.server_id)
    log.info("space is live", space=space.id, model=space.model_name)


def put_aside(engine: Engine, space: Space) -> None:
    """Kept with its figures as the one candidate of its model, and never searched."""
    with engine.begin() as connection:
        spaces.retire_candidates(connection, space.server_id, space.kind, space.model_name)
        spaces.put_aside(connection, space)
    spaces.drop_retired_spaces(engine, space.server_id)
