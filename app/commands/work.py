"""palate worker, embed, learn"""

import contextlib
from datetime import UTC, datetime
from typing import Annotated

import typer

from app.commands.session import chosen_servers, command_engine, shown_progress
from app.db.servers import find_user_id
from app.errors import AlreadyRunning, BadInput, NotEnoughMemory, NothingToLearn, UnknownUser
from jobs.embed_items import embed_items
from jobs.refresh_tastes import refresh_tastes, refresh_user
from jobs.worker import run_worker


def add_to(app: typer.Typer) -> None:
    app.command()(worker)
    app.command()(embed)
    app.command()(learn)


def worker() -> None:
    """Embed what is new, learn each night and refresh tastes, until stopped. `palate up` runs one.

    Example: palate worker
    """
    with command_engine() as (settings, engine), contextlib.suppress(KeyboardInterrupt):
        run_worker(engine, settings.embedding_model)


def embed(
    server: Annotated[str | None, typer.Option(help="Only this server.")] = None,
    user: Annotated[str | None, typer.Option(help="Only the taste of this user of the server.")] = None,
) -> None:
    """Give every item a vector of its text, and every user a taste. Only what is missing or changed is embedded.

    Example: palate embed --server demo
    """
    if user is not None and server is None:
        raise BadInput("--user needs --server.")
    with command_engine() as (settings, engine):
        for chosen in chosen_servers(engine, server):
            now = datetime.now(UTC)
            if user is not None:
                with engine.begin() as connection:
                    user_id = find_user_id(connection, chosen.id, user)
                if user_id is None:
                    raise UnknownUser
                print(f"{chosen.external_id}: {refresh_user(engine, chosen.id, user_id, now)} taste computed")
                continue
            with shown_progress(f"Embedding {chosen.external_id}") as progress:
                done = embed_items(engine, chosen, settings.embedding_model, now, progress)
            with shown_progress(f"Tastes of {chosen.external_id}") as progress:
                n_tastes = refresh_tastes(engine, chosen.id, now, progress)
            print(f"{chosen.external_id}: {done.n_encoded:,} items embedded, {n_tastes:,} tastes computed")


def learn(
    server: Annotated[str | None, typer.Option(help="Only this server.")] = None,
    memory: Annotated[float | None, typer.Option(min=0.01, help="Gigabytes it may take; by default half of what is free.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Go live even where it is worse than what is live.")] = False,
) -> None:
    """Learn item vectors from what people watched after what, and search by them from then on. The worker does so each night.

    They go live unless they are worse than the live ones on what was watched lately; then they are kept as a candidate.

    Example: palate learn --server demo
    """
    # Here: the web process is started by the same command line, and has no use for scipy.
    from jobs.learn_collab import learn_collab

    with command_engine() as (_, engine):
        for chosen in chosen_servers(engine, server):
            now = datetime.now(UTC)
            try:
                memory_bytes = None if memory is None else int(memory * 1024**3)
                with shown_progress(f"Learning from {chosen.external_id}") as progress:
                    done = learn_collab(engine, chosen, now, progress, memory_bytes=memory_bytes, is_judged=not force)
            except (NothingToLearn, NotEnoughMemory, AlreadyRunning) as error:
                if server is not None:
                    raise
                print(f"{chosen.external_id}: {error.detail}")
                continue
            print(f"{chosen.external_id}: learned from {done.n_events:,} watched titles, vectors of {done.n_items:,} items")
            if done.verdict is not None:
                print(f"{chosen.external_id}: {done.verdict}{'' if done.went_live else '; kept as a candidate (--force goes live anyway)'}")
