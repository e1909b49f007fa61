"""palate worker, embed"""

import os
from datetime import UTC, datetime
from typing import Annotated

import typer

from app.commands.session import chosen_servers, command_engine, shown_progress
from app.db.servers import find_user_id
from app.errors import BadInput, UnknownUser
from jobs.embed_items import embed_items
from jobs.refresh_tastes import refresh_tastes, refresh_user
from jobs.worker import run_worker


def add_to(app: typer.Typer) -> None:
    app.command()(worker)
    app.command()(embed)


def worker() -> None:
    """Run jobs, and start by itself what is due: embedding, tastes, learning each night. `palate up` runs one; any number may run.

    Example: palate worker
    """
    with command_engine() as (settings, engine):
        url = engine.url.render_as_string(hide_password=False)
        # For the processes that heavy jobs have of their own.
        os.environ["PALATE_DATABASE_URL"] = url
        run_worker(engine, settings, url)


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
