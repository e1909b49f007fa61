"""embed-items: every item of a server has a vector of its text.

Work is what the rows say is missing, written batch by batch, so a kill loses at most one batch. A new space is
filled beside the live one: a first sample raw, from which the centre is taken, then the rest centred; then
indexed, given tastes, and live in one transaction.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import structlog

from app.db import Connection, Engine, spaces, text_spaces
from app.db.locks import only_one
from app.errors import ModelMissing
from app.learn.centring import MIN_ITEMS_FOR_OWN_CENTRE, Floats, centre_of, centred, uncentred
from app.learn.text_encoder import ModelFiles, locate_model
from app.learn.text_template import VERSION, item_text
from app.types import ItemToEmbed, Progress, Server, Space, unseen
from jobs.refresh_tastes import refresh_space
from jobs.text_model import LazyEncoder, is_pinned, model_of

log = structlog.get_logger()

# The standard error of a mean of 2,000 unit vectors is below 2% of their spread.
CENTRE_SAMPLE = 2_000
# One batch is one commit: about ten seconds of work that a kill can cost.
BATCH = 512


@dataclass(frozen=True)
class Embedded:
    """What a run did."""

    n_encoded: int
    space_id: int
    went_live: bool


@dataclass(frozen=True)
class _Filling:
    """The space that is filled, and the one that is live meanwhile."""

    space: Space
    live: Space | None

    @property
    def is_new(self) -> bool:
        return self.live is None or self.live.id != self.space.id


def embed_items(engine: Engine, server: Server, model_name: str, now: datetime, progress: Progress) -> Embedded:
    """Raises ModelMissing, and AlreadyRunning while another process embeds this server."""
    with only_one(engine, f"embed-items {server.id}"):
        note_losses(engine, server, now)
        encoder = LazyEncoder(_wanted_model(engine, server, model_name))
        filling = _to_fill(engine, server, encoder)
        n_encoded = _fill(engine, filling.space, encoder, progress, _live_beside(engine, filling))
        if not filling.is_new:
            # Filled up, the live space may have become large enough for a centre of its own.
            filling = _to_fill(engine, server, encoder)
        went_live = filling.is_new and _go_live(engine, server, filling, now)
        with engine.begin() as connection:
            spaces.forget_missing_items(connection, filling.space)
            text_spaces.note_filled(connection, filling.space)
        if not filling.is_new and filling.space.fault is not None:
            # Those computed meanwhile were of what was left.
            refresh_space(engine, filling.space, now, unseen)
        spaces.drop_retired_spaces(engine, server.id)
    return Embedded(n_encoded, filling.space.id, went_live)


def is_embedding_due(connection: Connection, server_id: int, files: ModelFiles) -> bool:
    """Whether a run would do anything; cheap. `files`: of the setting's model."""
    found = text_spaces.text_spaces(connection, server_id)
    live, n_items = found.live, spaces.count_items(connection, server_id)
    if live is None:
        return n_items > 0
    digest = live.model_digest if is_pinned(live, files.name) else files.digest
    is_freed = live.pinned_over is not None and live.pinned_over != files.name
    if is_freed or live.fault is not None or found.building is not None or not _suits(connection, live, digest, n_items):
        return n_items > 0
    return spaces.n_items_to_embed(connection, live) > 0


def note_losses(engine: Engine, server: Server, now: datetime) -> None:
    """See whether the live text space still holds its vectors, and what answers where it does not. Cheap, and needs no model."""
    with engine.begin() as connection:
        fault = text_spaces.note_losses(connection, server.id, now)
    if fault is not None:
        log.error("the live text space has lost vectors", server=server.external_id, answers=fault)


def _wanted_model(engine: Engine, server: Server, model_name: str) -> ModelFiles:
    """The setting's, or that of a space which somebody went back to from it."""
    with engine.begin() as connection:
        live = spaces.live_space(connection, server.id, "text")
        if live is None or not is_pinned(live, model_name):
            text_spaces.unpin(connection, server.id)
            live = None
    return locate_model(model_name) if live is None else model_of(live)


def _to_fill(engine: Engine, server: Server, encoder: LazyEncoder) -> _Filling:
    """The live space where it suits, else the one that is kept or being built."""
    with engine.begin() as connection:
        n_items, digest = spaces.count_items(connection, server.id), encoder.files.digest
        found = text_spaces.text_spaces(connection, server.id)
        suiting = [space for space in (found.live, found.kept) if space is not None and _suits(connection, space, digest, n_items)]
        building = found.building
        if suiting:
            # What was begun by a model that is wanted no more is in the way of the next.
            spaces.retire_building(connection, server.id, "text")
        elif building is not None and _same_text(building, digest) and building.has_own_partition == _is_large(n_items):
            suiting = [building]
        else:
            suiting = [_begin(connection, server, found, encoder, n_items)]
        spaces.restore_shelf(connection, suiting[0])
        return _Filling(suiting[0], found.live)


def _begin(connection: Connection, server: Server, found: text_spaces.TextSpaces, encoder: LazyEncoder, n_items: int) -> Space:
    """A space to be filled, with what there is by the same model."""
    files = encoder.files
    alike = next((space for space in (found.live, found.kept) if space is not None and _same_text(space, files.digest)), None)
    dimension = encoder.encoder.dimension if alike is None else alike.dimension
    space = spaces.create_space(connection, server.id, "text", files.name, files.digest, VERSION, dimension, n_items)
    if alike is not None:
        _copy_recentred(connection, alike, space, encoder)
    return spaces.find_space(connection, server.id, space.id) or space


def _is_large(n_items: int) -> bool:
    return n_items > spaces.OWN_PARTITION_FROM


def _suits(connection: Connection, space: Space, digest: str, n_items: int) -> bool:
    if not _same_text(space, digest) or (_is_large(n_items) and not space.has_own_partition):
        return False
    return space.centre_source == "items" or spaces.n_vectors(connection, space) < MIN_ITEMS_FOR_OWN_CENTRE


def _same_text(space: Space, digest: str) -> bool:
    return space.model_digest == digest and space.template_version == VERSION


def _copy_recentred(connection: Connection, alike: Space, space: Space, encoder: LazyEncoder) -> None:
    """The same vectors under a new centre or on a new shelf: nothing is encoded again."""
    rows = spaces.read_vectors(connection, alike)
    if len(rows) == 0 or alike.centre is None:
        return
    raw = uncentred(rows["target"].astype(np.float32), rows["norm"], np.array(alike.centre, dtype=np.float32))
    centre = _settle_centre(connection, space, raw, encoder)
    target, norms = centred(raw, centre)
    spaces.write_vectors(connection, space, rows["item_id"], target, norms, rows["text_digest"])


def _settle_centre(connection: Connection, space: Space, raw: Floats, encoder: LazyEncoder) -> Floats:
    is_own = len(raw) >= MIN_ITEMS_FOR_OWN_CENTRE
    centre = centre_of(raw) if is_own else encoder.model_centre()
    spaces.set_centre(connection, space, centre, "items" if is_own else "model")
    return centre


def _live_beside(engine: Engine, filling: _Filling) -> Callable[[], None]:
    """What is done after each batch of a space that is built: what arrived meanwhile gets its vector in the live one, which answers."""
    live = filling.live
    if live is None or not filling.is_new:
        return lambda: None
    try:
        encoder = LazyEncoder(model_of(live))
    except ModelMissing as error:
        log.warning("what arrives while a space is built has no vector until then", detail=str(error))
        return lambda: None
    return functools.partial(_complete, engine, live, encoder)


def _complete(engine: Engine, live: Space, encoder: LazyEncoder) -> None:
    with engine.begin() as connection:
        n_missing = spaces.n_items_to_embed(connection, live)
    if n_missing > 0:
        _fill(engine, live, encoder, unseen, lambda: None)


def _fill(engine: Engine, space: Space, encoder: LazyEncoder, progress: Progress, after_batch: Callable[[], None]) -> int:
    """Until nothing is missing: also what arrives meanwhile. Returns how many texts were encoded."""
    after_batch()
    n_done = 0
    while True:
        with engine.begin() as connection:
            missing = spaces.items_to_embed(connection, space)
            n_there = spaces.n_vectors(connection, space)
        total = n_done + len(missing)
        progress(n_done, total)
        n_raw = max(0, CENTRE_SAMPLE - n_there) if space.centre is None else 0
        for part in (missing[:n_raw], missing[n_raw:]):
            for batch in _by_length(part):
                with engine.begin() as connection:
                    _write_batch(connection, space, batch, encoder)
                n_done += len(batch)
                progress(n_done, total)
                after_batch()
            if space.centre is None:
                space = _centre_sample(engine, space, encoder)
        if not missing:
            return n_done


def _by_length(items: Sequence[ItemToEmbed]) -> Iterator[Sequence[ItemToEmbed]]:
    # A batch is padded to its longest text: neighbours in length waste least.
    ordered = sorted(items, key=lambda item: len(item_text(item.body)), reverse=True)
    for start in range(0, len(ordered), BATCH):
        yield ordered[start : start + BATCH]


def _write_batch(connection: Connection, space: Space, batch: Sequence[ItemToEmbed], encoder: LazyEncoder) -> None:
    raw = encoder.encoder.encode([item_text(item.body) for item in batch])
    if space.centre is None:
        target, norms = raw, np.ones(len(raw), dtype=np.float32)
    else:
        target, norms = centred(raw, np.array(space.centre, dtype=np.float32))
    item_ids = np.array([item.item_id for item in batch], dtype=np.int64)
    spaces.write_vectors(connection, space, item_ids, target, norms, spaces.as_digests([item.text_digest for item in batch]))


def _centre_sample(engine: Engine, space: Space, encoder: LazyEncoder) -> Space:
    """Take the centre from the raw vectors and rewrite them under it, at once."""
    with engine.begin() as connection:
        rows = spaces.read_vectors(connection, space)
        raw = rows["target"].astype(np.float32)
        centre = _settle_centre(connection, space, raw, encoder)
        target, norms = centred(raw, centre)
        spaces.write_vectors(connection, space, rows["item_id"], target, norms, rows["text_digest"])
        settled = spaces.find_space(connection, space.server_id, space.id)
    assert settled is not None
    return settled


def _go_live(engine: Engine, server: Server, filling: _Filling, now: datetime) -> bool:
    """Indexed and given tastes, it serves at once. Not where somebody changed meanwhile what serves: the next run knows what they want."""
    space = filling.space
    with engine.begin() as connection:
        spaces.index_space(connection, space)
    refresh_space(engine, space, now, unseen)
    with engine.begin() as connection:
        spaces.hold_live(connection, server.id)
        live = spaces.live_space(connection, server.id, "text")
        if (live and live.id) != (filling.live and filling.live.id):
            log.warning("space is not put live: another was, meanwhile", server=server.external_id, space=space.id)
            return False
        is_alike = live is not None and live.model_digest == space.model_digest
        spaces.go_live(connection, space, now, pinned_over=live.pinned_over if live and is_alike else None)
    log.info("space is live", server=server.external_id, space=space.id, model=space.model_name)
    return True
