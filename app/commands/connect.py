"""palate connect, and palate sync"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.commands.session import chosen_servers, command_engine, read_secret, shown_progress
from app.connect.jellyfin_server import PLUGINS
from app.connect.media_server import Found
from app.connect.media_servers import open_media_server
from app.db import Engine
from app.db.connections import connected_servers, store_connection
from app.errors import BadInput, NotConnected, PalateError
from app.secrets import encrypted, secret_key
from app.types import MediaServerKind, Server
from jobs.sync_library import Depth, Synced, sync_library

app = typer.Typer(help="Connect a media server, once.", no_args_is_help=True)

TokenFile = Annotated[Path | None, typer.Option(help="A file that holds the token; without, it is asked for. `-`: standard input.")]
ServerName = Annotated[str, typer.Option(help="The server to connect; made if there is none.")]


def add_to(app: typer.Typer) -> None:
    app.command()(sync)


@app.command()
def jellyfin(
    url: Annotated[str, typer.Argument(help="Its address, as http://192.168.1.5:8096.")],
    server: ServerName = "home",
    token_file: TokenFile = None,
) -> None:
    """Connect a Jellyfin (10.11 or newer): check address and token, show what is there, and read it.

    Example: palate connect jellyfin http://192.168.1.5:8096 --server home
    """
    _connect("jellyfin", url, server, read_secret(token_file, "API key (Dashboard, Advanced, API Keys)"))


@app.command()
def emby(
    url: Annotated[str, typer.Argument(help="Its address, as http://192.168.1.5:8096.")],
    server: ServerName = "home",
    token_file: TokenFile = None,
) -> None:
    """Connect an Emby: check address and token, show what is there, and read it.

    Example: palate connect emby http://192.168.1.5:8096 --server home
    """
    _connect("emby", url, server, read_secret(token_file, "API key (Settings, Advanced, API Keys)"))


@app.command()
def plex(
    url: Annotated[str, typer.Argument(help="Its address, as http://192.168.1.5:32400.")],
    server: ServerName = "home",
    token_file: TokenFile = None,
) -> None:
    """Connect a Plex Media Server with its owner's token: check both, show what is there, and read it.

    Example: palate connect plex http://192.168.1.5:32400 --server home
    """
    _connect("plex", url, server, read_secret(token_file, "X-Plex-Token of the server's owner"))


def sync(
    server: Annotated[str | None, typer.Option(help="Only this server; without, all that are connected.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Read everything anew, as at the first time.")] = False,
    forget: Annotated[
        list[str] | None, typer.Option(help="A library that an earlier sync missed and kept: what is gone of it may go. May be repeated.")
    ] = None,
) -> None:
    """Bring what connected media servers hold up to date: what changed, and once a night all that a change does not tell of.

    Example: palate sync --server home
    """
    if forget and server is None:
        raise BadInput("--forget needs --server.")
    with command_engine() as (settings, engine):
        with engine.begin() as connection:
            connected = connected_servers(connection)
        if server is None and not connected:
            raise NotConnected("No media server is connected. `palate connect` does it.")
        depth: Depth = "everything" if full else "news"
        if server is not None:
            _sync(engine, chosen_servers(engine, server)[0], secret_key(settings), depth, forget or [])
        else:
            _sync_all(engine, connected, secret_key(settings), depth)


def _sync_all(engine: Engine, names: Sequence[str], secret: str, depth: Depth) -> None:
    """One that fails keeps no other from being read."""
    failed: dict[str, str] = {}
    for name in names:
        try:
            _sync(engine, chosen_servers(engine, name)[0], secret, depth, [])
        except PalateError as error:
            failed[name] = str(error)
    if failed:
        raise PalateError("Not synced: " + "; ".join(f"{name}: {why}" for name, why in failed.items()))


def _connect(kind: MediaServerKind, url: str, server: str, token: str) -> None:
    with open_media_server(kind, url, token) as media:
        info = media.info()
        print(f"{info.name}, {media.product} {info.version}")
        _show(media.look_around())
        with command_engine() as (settings, engine):
            secret = secret_key(settings)
            with engine.begin() as connection:
                known = store_connection(connection, server, kind, media.url, encrypted(token, secret), info.name, info.id)
            print(f"Connected as {known.external_id}.")
            _sync(engine, known, secret, "news", [])
    print(f"Next: palate embed --server {server} (a running Palate does it by itself).")


def _show(found: Found) -> None:
    table = Table("library", "type", "items")
    for name, kind, n_items in found.libraries:
        table.add_row(name, kind, f"{n_items:,}")
    people = Table("user", "played")
    for name, n_played in found.users:
        people.add_row(name, f"{n_played:,}")
    console = Console()
    console.print(table)
    console.print(people)
    for name in found.missing_plugins:
        print(f"The plugin {name} is missing. {PLUGINS[name]}", file=sys.stderr)
    for note in found.notes:
        print(note, file=sys.stderr)


def _sync(engine: Engine, server: Server, secret: str, depth: Depth, forget: list[str]) -> None:
    with shown_progress(f"Reading {server.external_id}") as progress:
        done = sync_library(engine, server, secret, datetime.now(UTC), progress, depth=depth, forget=forget)
    _tell(server, done)


def _tell(server: Server, done: Synced) -> None:
    kinds = [("items", done.items), ("plays", done.plays), ("signals", done.signals)]
    changes = ", ".join(f"{one.n_created:,} {name} new and {one.n_updated:,} changed" for name, one in kinds)
    print(f"{server.external_id}: {changes}, {done.n_deleted:,} gone; {done.n_users:,} users, {done.n_requests:,} requests")
    for name in done.unsure:
        print(
            f"Nothing was found to be gone: the list of the library {name} is not as long as the media server counts it.", file=sys.stderr
        )
    for library, reason in done.held.items():
        print(
            f"Kept, in the library {library}: {reason}. Should it go: palate sync --server {server.external_id} --forget {library}",
            file=sys.stderr,
        )
