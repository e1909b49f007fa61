"""palate learn

What learns is imported where it is used: the web process is started by the same command line, and has no use for scipy or torch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.commands.session import chosen_servers, command_engine, shown_progress
from app.db import Engine
from app.errors import AlreadyRunning, NotEnoughMemory, NothingToLearn
from app.types import Server


class What(StrEnum):
    all = "all"
    collab = "collab"
    two_tower = "two_tower"
    ranker = "ranker"


def add_to(app: typer.Typer) -> None:
    app.command()(learn)


def learn(
    server: Annotated[str | None, typer.Option(help="Only this server.")] = None,
    memory: Annotated[float | None, typer.Option(min=0.01, help="Gigabytes it may take; by default half of what is free.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Go live even where it is worse than what is live.")] = False,
    only: Annotated[
        What, typer.Option(help="collab: closed form. two_tower: trained, where enough was watched. ranker: on top of them.")
    ] = What.all,
    checkpoint: Annotated[
        Path | None, typer.Option(help="With --only two_tower and one --server: a file from which a training that was stopped goes on.")
    ] = None,
) -> None:
    """Learn item vectors from what people watched after what, and a ranker on top; both serve from then on. The worker does so each night.

    Either goes live unless it is worse than the live one on what was watched lately; then it is kept as a candidate.

    Example: palate learn --server demo
    """
    if checkpoint is not None and (only != What.two_tower or server is None):
        raise typer.BadParameter("It goes with --only two_tower and one --server.", param_hint="--checkpoint")
    with command_engine() as (_, engine):
        for chosen in chosen_servers(engine, server):
            is_named = server is not None
            if only in (What.all, What.collab):
                with _told(chosen, "nothing learned", raises=is_named):
                    _learn_collab(engine, chosen, None if memory is None else int(memory * 1024**3), force)
            if only in (What.all, What.two_tower):
                with _told(chosen, "no two towers", raises=is_named and only == What.two_tower):
                    _learn_two_tower(engine, chosen, checkpoint, is_asked=only == What.two_tower)
            if only in (What.all, What.ranker):
                with _told(chosen, "no ranker", raises=is_named and only == What.ranker):
                    _train_ranker(engine, chosen)


@contextmanager
def _told(server: Server, what: str, *, raises: bool) -> Iterator[None]:
    """Of what was asked for by name a failure is one; of the rest it is only told."""
    try:
        yield
    except (NothingToLearn, NotEnoughMemory, AlreadyRunning) as error:
        if raises:
            raise
        print(f"{server.external_id}: {what}: {error.detail}")


def _learn_collab(engine: Engine, server: Server, memory_bytes: int | None, force: bool) -> None:
    from jobs.learn_collab import learn_collab

    with shown_progress(f"Learning from {server.external_id}") as progress:
        done = learn_collab(engine, server, datetime.now(UTC), progress, memory_bytes=memory_bytes, is_judged=not force)
    print(f"{server.external_id}: learned from {done.n_events:,} watched titles, vectors of {done.n_items:,} items")
    if done.verdict is not None:
        print(f"{server.external_id}: {done.verdict}{'' if done.went_live else '; kept as a candidate (--force goes live anyway)'}")


def _learn_two_tower(engine: Engine, server: Server, checkpoint: Path | None, *, is_asked: bool) -> None:
    from jobs.learn_two_tower import ENOUGH, learn_two_tower

    with shown_progress(f"Training two towers for {server.external_id}") as progress:
        least = 0 if is_asked else ENOUGH
        done = learn_two_tower(engine, server, datetime.now(UTC), progress, checkpoint=checkpoint, least=least)
    print(f"{server.external_id}: two towers from {done.n_events:,} watched titles, vectors of {done.n_items:,} items")


def _train_ranker(engine: Engine, server: Server) -> None:
    from jobs.train_ranker import train_ranker

    with shown_progress(f"Training a ranker for {server.external_id}") as progress:
        done = train_ranker(engine, server, datetime.now(UTC), progress)
    figures = " ".join(f"{name} {done.metrics[name]:.4f}" for name in ("ndcg@10", "hr@10"))
    state = "is live" if done.went_live else f"is a candidate (palate models show {done.model_id} says why)"
    print(f"{server.external_id}: ranker {done.model_id} {state}: {figures} on {done.metrics['n_cases']:,} moments")
