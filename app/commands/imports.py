"""palate import KIND ..."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from app.commands import histories
from app.commands.session import command_engine, shown_progress
from app.connect.demo.household import SERVER_ID, read_demo
from app.connect.importing import Import, run_import
from app.db import Engine
from app.db.servers import find_server, put_server
from app.types import Server

app = typer.Typer(help="Bring in a library and what was watched.", no_args_is_help=True)
histories.add_to(app)

# Of the lines that could not be used; their number is told.
MAX_REASONS = 20


@app.command()
def movielens(
    folder: Annotated[Path, typer.Argument(help="The folder that holds the MovieLens files.")],
    metadata: Annotated[
        Path | None, typer.Option(help="JSON lines by TMDB id (.jsonl or .jsonl.gz): overview, keywords, people, votes.")
    ] = None,
    server: Annotated[str, typer.Option(help="The server to import into; made if there is none.")] = "movielens",
) -> None:
    """Import MovieLens: films, users, and ratings as signals. Running it again changes nothing.

    Example: palate import movielens ~/ml-1m --server movielens
    """
    # Here: it reads with polars, which the worker, started by the same command line, has no use for.
    from app.connect.movielens import read_movielens

    _import(server, "MovieLens", lambda: read_movielens(folder, metadata))


@app.command()
def demo() -> None:
    """Import the demo household: real titles, invented people.

    Example: palate import demo
    """
    _import(SERVER_ID, "Demo household", lambda: read_demo(datetime.now(UTC)))


def import_into(engine: Engine, server_id: str, name: str, data: Import) -> tuple[Server, list[str]]:
    """The server, and a line about each kind of row."""
    with engine.begin() as connection:
        server = find_server(connection, server_id) or put_server(connection, server_id, name, "api", {})[0]
    with shown_progress(f"Importing {name}") as progress:
        outcomes = run_import(engine, server.id, data, progress)
    lines = [
        f"{kind}: {one.received:,} received, {one.created:,} created, {one.updated:,} updated, "
        f"{one.unchanged:,} unchanged, {len(one.rejected):,} rejected"
        for kind, one in outcomes.items()
        if one.received
    ]
    return server, lines


def _import(server_id: str, name: str, read: Callable[[], Import]) -> None:
    with command_engine() as (_, engine):
        data = read()
        server, lines = import_into(engine, server_id, name, data)
    print("\n".join(lines))
    if data.rejected:
        print(f"{len(data.rejected):,} lines could not be used:", *data.rejected[:MAX_REASONS], sep="\n  ", file=sys.stderr)
    print(f"Next: palate embed --server {server.external_id} (a running Palate does it by itself).")
