"""embed-items: every item of a server has a vector of its text.

Work is what the rows say is missing, written batch by batch, so a kill loses at most one batch. A new space is
filled beside the live one: a first sample raw, from which the centre is taken, then the rest centred; then
indexed, given tastes, and live in one transaction.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import structlog

from app.connect.demo.household import demo_item_bodies
from app.db import Connection, Engine, spaces
from app.db.locks import only_one
from app.learn.centring import MIN_ITEMS_FOR_OWN_CENTRE, Floats, centre_of, centred, uncentred
from app.learn.text_encoder import ModelFiles, TextEncoder, locate_model
from app.learn.text_template import VERSION, item_text
from app.types import ItemToEmbed, Progress, Server, Space, unseen
from jobs.refresh_tastes import refresh_space

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


@functools.lru_cache(maxsize=1)
def _loaded(files: ModelFiles) -> TextEncoder:
    return TextEncoder(files)


@functools.lru_cache(maxsize=1)
def _own_centre(files: ModelFiles) -> Floats:
    return centre_of(_loaded(files).encode([item_text(body) for body in demo_item_bodies()]))


@dataclass(frozen=True)
class LazyEncoder:
    """Loads the model when the first text needs it: a run that finds nothing to do never imports torch."""

    files: ModelFiles

    @property
    def encoder(self) -> TextEncoder:
        return _loaded(self.files)

    def model_centre(self) -> Floats:
        """The model's own centre: the mean over the demo household's titles, for corpora too small to have one."""
        return _own_centre(self.files)


def embed_items(engine: Engine, server: Server, model_name: str, now: datetime, progress: Progress) -> Embedded:
    """Raises ModelMissing, and AlreadyRunning while another process embeds this server."""
    encoder = LazyEncoder(locate_model(model_name))
    with only_one(engine, f"embed-items {server.id}"):
        space, is_new = _space_to_fill(engine, server, encoder)
        n_encoded = _encode_missing(engine, space, encoder, progress)
        if not is_new:
            # Filled up, the live space may have become large enough for a centre of its own.
            space, is_new = _space_to_fill(engine, server, encoder)
        if is_new:
            space = _finish(engine, server, space, now)
        with engine.begin() as connection:
            spaces.forget_missing_items(connection, space)
        spaces.drop_retired_spaces(engine, server.id)
    return Embedded(n_encoded, space.id, is_new)


def is_embedding_due(connection: Connection, server_id: int, files: ModelFiles) -> bool:
    """Whether a run would do anything; cheap."""
    live = spaces.live_space(connection, server_id, "text")
    n_items = spaces.count_items(connection, server_id)
    if live is None or not _suits(connection, live, files, n_items):
        return n_items > 0
    return spaces.n_items_to_embed(connection, live) > 0


def _space_to_fill(engine: Engine, server: Server, encoder: LazyEncoder) -> tuple[Space, bool]:
    """The live space where it suits, else one that is being built."""
    with engine.begin() as connection:
        n_items = spaces.count_items(connection, server.id)
        live = spaces.live_space(connection, server.id, "text")
        if live is not None and _suits(connection, live, encoder.files, n_items):
            return live, False
        building = spaces.building_space(connection, server.id, "text")
        is_large = n_items > spaces.OWN_PARTITION_FROM
        if building is not None and _same_text(building, encoder.files) and building.has_own_partition == is_large:
            return building, True
        dimension = live.dimension if live is not None and _same_text(live, encoder.files) else encoder.encoder.dimension
        files = encoder.files
        space = spaces.create_space(connection, server.id, "text", files.name, files.digest, VERSION, dimension, n_items)
        if live is not None and _same_text(live, files):
            _copy_recentred(connection, live, space, encoder)
            space = spaces.building_space(connection, server.id, "text") or space
        return space, True


def _suits(connection: Connection, space: Space, files: ModelFiles, n_items: int) -> bool:
    if not _same_text(space, files) or (n_items > spaces.OWN_PARTITION_FROM and not space.has_own_partition):
        return False
    return space.centre_source == "items" or spaces.n_vectors(connection, space) < MIN_ITEMS_FOR_OWN_CENTRE


def _same_text(space: Space, files: ModelFiles) -> bool:
    return space.model_digest == files.digest and space.template_version == VERSION


def _copy_recentred(connection: Connection, live: Space, space: Space, encoder: LazyEncoder) -> None:
    """The same vectors under a new centre or on a new shelf: nothing is encoded again."""
    rows = spaces.read_vectors(connection, live)
    if len(rows) == 0 or live.centre is None:
        return
    raw = uncentred(rows["target"].astype(np.float32), rows["norm"], np.array(live.centre, dtype=np.float32))
    centre = _settle_centre(connection, space, raw, encoder)
    target, norms = centred(raw, centre)
    spaces.write_vectors(connection, space, rows["item_id"], target, norms, rows["text_digest"])


def _settle_centre(connection: Connection, space: Space, raw: Floats, encoder: LazyEncoder) -> Floats:
    is_own = len(raw) >= MIN_ITEMS_FOR_OWN_CENTRE
    centre = centre_of(raw) if is_own else encoder.model_centre()
    spaces.set_centre(connection, space, centre, "items" if is_own else "model")
    return centre


def _encode_missing(engine: Engine, space: Space, encoder: LazyEncoder, progress: Progress) -> int:
    with engine.begin() as connection:
        missing = spaces.items_to_embed(connection, space)
        n_there = spaces.n_vectors(connection, space)
    total = len(missing)
    progress(0, total)
    n_raw = max(0, CENTRE_SAMPLE - n_there) if space.centre is None else 0
    n_done = 0
    for part in (missing[:n_raw], missing[n_raw:]):
        for batch in _by_length(part):
            with engine.begin() as connection:
                _write_batch(connection, space, batch, encoder)
            n_done += len(batch)
            progress(n_done, total)
        if space.centre is None:
            space = _centre_sample(engine, space, encoder)
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
        settled = spaces.building_space(connection, space.server_id, space.kind)
    assert settled is not None
    return settled


def _finish(engine: Engine, server: Server, space: Space, now: datetime) -> Space:
    with engine.begin() as connection:
        space = spaces.building_space(connection, server.id, "text") or space
        spaces.index_space(connection, space)
    refresh_space(engine, space, now, unseen)
    with engine.begin() as connection:
        spaces.go_live(connection, space, now)
    log.info("space is live", server=server.external_id, space=space.id, model=space.model_name)
    return space
