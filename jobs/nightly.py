"""What each server is due once a night beside learning: what came of its slates is counted, old ones go, and spaces that were kept,
features are compared."""

import contextlib
from datetime import datetime

import structlog

from app.db import Engine
from app.errors import AlreadyRunning
from app.types import Server, unseen
from jobs.prune import let_kept_spaces_go, prune
from jobs.skew import check_skew
from jobs.watch_through import count_watch_through

log = structlog.get_logger()


def do_nightly(engine: Engine, server: Server, kept_days: int, kept_space_days: int, now: datetime) -> None:
    """What another process does at the same time is left to it. Slates are counted before they go."""
    with contextlib.suppress(AlreadyRunning):
        count_watch_through(engine, server, kept_days, now, unseen)
    n_gone = prune(engine, server, kept_days, now)
    if n_gone:
        log.info("pruned", server=server.external_id, n_rows=n_gone)
    with contextlib.suppress(AlreadyRunning):
        n_spaces = let_kept_spaces_go(engine, server, kept_space_days, now)
        if n_spaces:
            log.info("kept spaces dropped", server=server.external_id, n_spaces=n_spaces)
    with contextlib.suppress(AlreadyRunning):
        check_skew(engine, server, now)
