"""palate publish"""

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.commands.session import chosen_servers, command_engine, shown_progress
from app.db import Engine
from app.db.connections import connected_servers
from app.errors import BadInput, NotConnected, PalateError
from app.secrets import secret_key
from app.types import Server
from jobs.playlist_plan import MOST_ITEMS, N_ITEMS, NAME, Wish, make_plans
from jobs.publish import made_for
from jobs.publish import publish as publish_playlists
from jobs.publish import remove as remove_playlists

SHOWN_TITLES = 5


def add_to(app: typer.Typer) -> None:
    app.command()(publish)


def publish(
    server: Annotated[str | None, typer.Option(help="Only this server; without, all that are connected.")] = None,
    user: Annotated[str | None, typer.Option(help="Only this user, by name or id; whoever deleted theirs gets another one.")] = None,
    name: Annotated[str, typer.Option(help="What a new playlist is called.")] = NAME,
    limit: Annotated[int, typer.Option(min=1, max=MOST_ITEMS, help="How many titles it holds.")] = N_ITEMS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; nothing is asked of the media server.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take back what was published.")] = False,
) -> None:
    """Keep a private playlist on a Jellyfin for each user, with what they should watch next; of a series, its next episode.

    Example: palate publish --server home --dry-run
    """
    if user is not None and server is None:
        raise BadInput("--user needs --server.")
    wish = Wish(name, limit, user)
    with command_engine() as (settings, engine):
        failed: dict[str, str] = {}
        for chosen in _chosen(engine, server):
            if remove:
                failed |= _show_made(engine, chosen, user) if dry_run else _remove(engine, chosen, secret_key(settings), user)
            else:
                failed |= _show_plans(engine, chosen, wish) if dry_run else _publish(engine, chosen, secret_key(settings), wish)
    if failed:
        raise PalateError("Not done for " + "; ".join(f"{who}: {why}" for who, why in failed.items()))


def _chosen(engine: Engine, server: str | None) -> list[Server]:
    if server is not None:
        return chosen_servers(engine, server)
    with engine.begin() as connection:
        connected = connected_servers(connection)
    if not connected:
        raise NotConnected("No media server is connected. `palate connect jellyfin URL` does it.")
    return [chosen_servers(engine, one)[0] for one in connected]


def _show_plans(engine: Engine, server: Server, wish: Wish) -> dict[str, str]:
    table = Table("user", "playlist", "would", "titles")
    for plan in make_plans(engine, server, wish, datetime.now(UTC)):
        more = f" and {len(plan.titles) - SHOWN_TITLES} more" if len(plan.titles) > SHOWN_TITLES else ""
        table.add_row(plan.reader.name, plan.name, plan.action, ", ".join(plan.titles[:SHOWN_TITLES]) + more)
    Console().print(table)
    return {}


def _show_made(engine: Engine, server: Server, user: str | None) -> dict[str, str]:
    table = Table("user", "playlist", "titles of ours")
    for row in made_for(engine, server, user):
        table.add_row(row.user_name, row.name, str(len(row.item_ids)))
    Console().print(table)
    return {}


def _publish(engine: Engine, server: Server, secret: str, wish: Wish) -> dict[str, str]:
    with shown_progress(f"Publishing on {server.external_id}") as progress:
        done = publish_playlists(engine, server, secret, wish, datetime.now(UTC), progress)
    print(
        f"{server.external_id}: {done.n_made:,} playlists made, {done.n_changed:,} changed, {done.n_unchanged:,} as they were; "
        f"{done.n_requests:,} requests"
    )
    for who in done.let_go:
        print(
            f"{who} deleted or renamed theirs, and gets no other until asked: palate publish --server {server.external_id} --user {who}",
            file=sys.stderr,
        )
    if done.absent:
        print(f"Not on the media server any more: {', '.join(done.absent)}", file=sys.stderr)
    return done.failed


def _remove(engine: Engine, server: Server, secret: str, user: str | None) -> dict[str, str]:
    with shown_progress(f"Removing from {server.external_id}") as progress:
        done = remove_playlists(engine, server, secret, user, progress)
    print(f"{server.external_id}: {done.n_deleted:,} playlists deleted, {done.n_gone:,} were gone or are no longer ours")
    for who in done.kept:
        print(f"{who} put titles of their own into theirs: ours are taken out, the playlist stays.", file=sys.stderr)
    return done.failed
