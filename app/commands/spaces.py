"""palate spaces list | switch | follow"""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app.commands.session import chosen_servers, command_engine, write_json
from app.db import text_spaces
from app.db.text_spaces import ListedSpace
from app.errors import ModelMissing
from app.learn.text_encoder import locate_model
from app.settings import Settings
from app.types import Server, Space

app = typer.Typer(help="What titles are compared in: text models that change, and change back.", no_args_is_help=True)

ServerOption = Annotated[str, typer.Option(help="The server whose space it is.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the results to this file.")]


@app.command("list")
def list_(server: Annotated[str | None, typer.Option(help="Only this server.")] = None, json: JsonFile = None) -> None:
    """Show the spaces, the newest first: which serves, which is kept and until when, and what is missing in them.

    Example: palate spaces list --server home
    """
    table = Table("id", "server", "kind", "model", "status", "vectors", "missing", "live since", "kept until", "note")
    found = []
    with command_engine() as (settings, engine):
        for chosen in chosen_servers(engine, server):
            with engine.begin() as connection:
                listed = text_spaces.list_spaces(connection, chosen.id)
            found += [_as_json(chosen, one) for one in listed]
            for one in listed:
                table.add_row(*_cells(chosen, one, settings))
    Console().print(table)
    write_json(json, {"spaces": found})


@app.command()
def switch(
    space_id: Annotated[int, typer.Argument(metavar="ID", min=1, max=2**63 - 1, help="The id that `palate spaces list` shows.")],
    server: ServerOption,
) -> None:
    """Go back to the text space that is kept, at once. It stays until PALATE_EMBEDDING_MODEL names another model than it does now.

    Example: palate spaces switch 7 --server home
    """
    with command_engine() as (settings, engine):
        [chosen] = chosen_servers(engine, server)
        with engine.begin() as connection:
            space, n_missing = text_spaces.go_back(connection, chosen.id, space_id, settings.embedding_model, datetime.now(UTC))
        if _is_as_the_setting(space, settings.embedding_model):
            with engine.begin() as connection:
                text_spaces.unpin(connection, chosen.id)
    left = f"{n_missing:,} titles have no vector in it yet; the worker, or palate embed, gives them one" if n_missing else "complete"
    print(f"{chosen.external_id}: space {space.id} ({space.model_name}) is live; {left}.")


@app.command()
def follow(server: ServerOption) -> None:
    """Let the text space follow PALATE_EMBEDDING_MODEL again after a switch. What is kept by its model goes live once it is complete.

    Example: palate spaces follow --server home
    """
    with command_engine() as (settings, engine):
        [chosen] = chosen_servers(engine, server)
        with engine.begin() as connection:
            was_pinned = text_spaces.unpin(connection, chosen.id)
    said = "follows" if was_pinned else "followed already"
    print(f"{chosen.external_id}: the text space {said} PALATE_EMBEDDING_MODEL ({settings.embedding_model}).")


def _is_as_the_setting(space: Space, model_name: str) -> bool:
    """Then there is nothing to pin it against."""
    try:
        return space.model_name == model_name and space.model_digest == locate_model(model_name).digest
    except ModelMissing:
        return False


def _cells(server: Server, one: ListedSpace, settings: Settings) -> list[str]:
    space = one.space
    notes = [space.fault.replace("_", " ")] if space.fault else []
    notes += [f"pinned over {space.pinned_over}"] if space.pinned_over else []
    until = one.kept_at + timedelta(days=settings.kept_space_days) if one.kept_at and space.status == "kept" else None
    return [
        str(space.id), server.external_id, space.kind, space.model_name, space.status, f"{one.n_vectors:,}",
        "" if one.n_missing is None else f"{one.n_missing:,}", f"{one.live_at:%Y-%m-%d %H:%M}" if one.live_at else "",
        f"{until:%Y-%m-%d %H:%M}" if until else "", ", ".join(notes),
    ]  # fmt: skip


def _as_json(server: Server, one: ListedSpace) -> dict[str, Any]:
    fields = asdict(one)
    space: dict[str, Any] = fields.pop("space")
    times = {name: fields[name] and fields[name].isoformat() for name in ("created_at", "live_at", "kept_at")}
    space.pop("centre")
    return space | fields | times | {"server_id": server.external_id}
