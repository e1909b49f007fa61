"""palate erase-user"""

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from app.commands.session import chosen_servers, command_engine
from app.db.erase import erase_user
from app.errors import BadInput


def add_to(app: typer.Typer) -> None:
    app.command("erase-user")(erase_user_)


def erase_user_(
    user: Annotated[str, typer.Argument(help="The user's id on the media server.")],
    server: Annotated[str, typer.Option(help="The server that the user is on.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase a user for good: plays, signals, tastes, slates. What is sent of them later is refused.

    Example: palate erase-user tom --server home
    """
    with command_engine() as (_, engine):
        [chosen] = chosen_servers(engine, server)
        if not yes:
            if not sys.stdin.isatty():
                raise BadInput("Without a terminal to ask on, erasing needs --yes.")
            typer.confirm(f"All that is known of {user} on {server} goes, and cannot be brought back. Go on?", abort=True)
        with engine.begin() as connection:
            erased = erase_user(connection, chosen.id, user, datetime.now(UTC))
    print(f"{user} is erased: " + ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in asdict(erased).items()) + ".")
    print("Backups made before still hold them.")
