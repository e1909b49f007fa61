"""palate keys create | list | revoke"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.commands.session import chosen_servers, command_engine
from app.db import servers
from app.errors import UnknownKey
from app.secrets import new_key

app = typer.Typer(help="API keys.", no_args_is_help=True)


class ScopeName(StrEnum):
    read = "read"
    ingest = "ingest"
    admin = "admin"


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[list[ScopeName], typer.Option(help="What it may do; may be given several times.")] = [ScopeName.read],  # noqa: B006
    server: Annotated[str | None, typer.Option(help="Bind the key to this server: it sees no other.")] = None,
    days: Annotated[int | None, typer.Option(min=1, max=36_500, help="Days until it expires; without, never.")] = None,
) -> None:
    """Make a key and print it, once.

    Example: palate keys create "living room" --scope read --server jellyfin
    """
    key = new_key()
    with command_engine() as (_, engine):
        server_id = None if server is None else chosen_servers(engine, server)[0].id
        expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
        with engine.begin() as connection:
            servers.create_key(connection, name, servers.digest_of(key), [one.value for one in scope], server_id, expires_at)
    print(key)


@app.command("list")
def list_() -> None:
    """Show the keys, without their secrets.

    Example: palate keys list
    """
    table = Table("id", "name", "scopes", "server", "created", "expires", "revoked", "last used")
    with command_engine() as (_, engine), engine.begin() as connection:
        for key in servers.list_keys(connection):
            times = [
                f"{time:%Y-%m-%d %H:%M}" if time else "" for time in (key.created_at, key.expires_at, key.revoked_at, key.last_used_at)
            ]
            table.add_row(str(key.id), key.name, ", ".join(key.scopes), key.server or "any", *times)
    Console().print(table)


@app.command()
def revoke(key_id: Annotated[int, typer.Argument(min=1, max=2**63 - 1, help="The id that `palate keys list` shows.")]) -> None:
    """Revoke a key at once.

    Example: palate keys revoke 3
    """
    with command_engine() as (_, engine), engine.begin() as connection:
        if not servers.revoke_key(connection, key_id, datetime.now(UTC)):
            raise UnknownKey(f"No key has the id {key_id}. `palate keys list` shows them.")
    print(f"Key {key_id} is revoked.")
