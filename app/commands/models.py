"""palate models list | show | promote | rollback | compare"""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app.commands.session import chosen_servers, command_engine, shown_progress, write_json
from app.db import Engine, models
from app.recommend import promotion
from app.types import Model, Server

app = typer.Typer(help="Rankers: versions, figures, promotion.", no_args_is_help=True)

ModelId = Annotated[int, typer.Argument(metavar="ID", min=1, max=2**63 - 1, help="The id that `palate models list` shows.")]
ServerOption = Annotated[str, typer.Option(help="The server that it ranks for.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the results to this file.")]

# Of what has many parts, such as the importance of each feature; all are in the JSON.
N_SHOWN = 10


@app.command("list")
def list_(server: Annotated[str | None, typer.Option(help="Only this server.")] = None, json: JsonFile = None) -> None:
    """Show the models, those made or promoted last first.

    Example: palate models list --server home
    """
    table = Table("id", "server", "name", "status", "NDCG@10", "beside what serves", "made", "live since", "size")
    found = []
    with command_engine() as (_, engine):
        for chosen in chosen_servers(engine, server):
            with engine.begin() as connection:
                listed = models.list_models(connection, chosen.id)
            live = next((model for model in listed if model.status == "live"), None)
            found += [_as_json(chosen, model) for model in listed]
            for model in listed:
                table.add_row(*_cells(chosen, model, live))
    Console().print(table)
    write_json(json, {"models": found})


@app.command()
def show(model_id: ModelId, server: ServerOption, json: JsonFile = None) -> None:
    """Show all that is known of a model: what it was trained on, how well it did, what counts in it.

    Example: palate models show 7 --server home
    """
    with command_engine() as (_, engine):
        [chosen] = chosen_servers(engine, server)
        with engine.begin() as connection:
            model = models.get_model(connection, chosen.id, model_id)
    content = _as_json(chosen, model)
    for name, value in content.items():
        if not isinstance(value, dict):
            print(f"{name.replace('_', ' ')}: {f'{value:,}' if name == 'size_bytes' else '-' if value is None else value}")
    for name in ("data_window", "parameters", "metrics", "card"):
        for key, value in content[name].items():
            print(f"{name.replace('_', ' ')}, {key}: {_shown(value)}")
    write_json(json, content)


@app.command()
def promote(
    model_id: ModelId,
    server: ServerOption,
    reason: Annotated[str | None, typer.Option(help="Why, whatever the figures say. It is recorded.")] = None,
    json: JsonFile = None,
) -> None:
    """Put a model live. Refused where it was not compared with what serves, or is worse than that, unless there is a reason.

    Example: palate models promote 7 --server home
    """
    with command_engine() as (_, engine):
        [chosen] = chosen_servers(engine, server)
        with engine.begin() as connection:
            model = promotion.promote(connection, chosen, model_id, reason, datetime.now(UTC))
    print(f"{chosen.external_id}: model {model.id} is live.")
    write_json(json, _as_json(chosen, model))


@app.command()
def rollback(server: ServerOption, json: JsonFile = None) -> None:
    """Go back to what served before: the model before, or fused scores. Once more takes that back.

    Example: palate models rollback --server home
    """
    with command_engine() as (_, engine):
        [chosen] = chosen_servers(engine, server)
        with engine.begin() as connection:
            live = promotion.rollback(connection, chosen, datetime.now(UTC))
            kept = models.kept_model(connection, chosen.id)
    print(
        f"{chosen.external_id}: {'no model is live, fused scores serve' if live is None else f'model {live.id} is live'}; "
        f"{'no model is kept' if kept is None else f'model {kept.id} is kept'}."
    )
    write_json(json, {"live": live and _as_json(chosen, live), "kept": kept and _as_json(chosen, kept)})


@app.command()
def compare(
    model_id: ModelId,
    server: ServerOption,
    other: Annotated[
        str | None,
        typer.Argument(metavar="ID|fused", help="What it is compared with; by default what serves: the live model, or fused scores."),
    ] = None,
    json: JsonFile = None,
) -> None:
    """Ask two models the same cases, and keep the difference with its 95% interval: what promotion goes by.

    Example: palate models compare 7 5 --server home
    """
    named = None if other is None else _other(other)
    if named == model_id:
        raise typer.BadParameter("Name another: a model is as good as itself.", param_hint="ID|fused")
    # Here: the web process is started by the same command line, and has no use for what trains.
    from jobs.compare_models import compare as compare_models

    with command_engine() as (_, engine):
        [chosen] = chosen_servers(engine, server)
        second = _serving(engine, chosen, model_id) if other is None else named
        with shown_progress(f"Comparing on {chosen.external_id}") as progress:
            found = compare_models(engine, chosen, model_id, second, datetime.now(UTC), progress)
    low, high = found["ci95"]
    difference = promotion.Comparison(found["ndcg@10"], low, high, found["n_cases"])
    print(f"{chosen.external_id}: model {model_id} against {'fused scores' if second is None else f'model {second}'}: {difference}")
    write_json(json, found)


def _serving(engine: Engine, server: Server, model_id: int) -> int | None:
    """What is compared with by default. The live model itself is compared with fused scores."""
    with engine.begin() as connection:
        live = models.live_model(connection, server.id)
    return None if live is None or live.id == model_id else live.id


def _other(word: str) -> int | None:
    if word == models.FUSED:
        return None
    if not (word.isascii() and word.isdigit() and len(word) < 20 and 1 <= int(word) < 2**63):
        raise typer.BadParameter(f"It is the id of a model, or {models.FUSED}.", param_hint="ID|fused")
    return int(word)


def _cells(server: Server, model: Model, live: Model | None) -> list[str]:
    beside = None if live == model else promotion.comparison_with(model, live)
    return [
        str(model.id), server.external_id, model.name, model.status, _shown(model.metrics.get("ndcg@10")),
        "" if beside is None else f"{beside.difference:+.4f} ({beside.low:+.4f} to {beside.high:+.4f})",
        f"{model.created_at:%Y-%m-%d %H:%M}", f"{model.live_at:%Y-%m-%d %H:%M}" if model.status == "live" and model.live_at else "",
        f"{model.size_bytes / 1e6:.1f} MB",
    ]  # fmt: skip


def _shown(value: Any) -> str:
    """On a line; of many numbers the largest."""
    if isinstance(value, dict):
        are_numbers = all(isinstance(one, int | float) for one in value.values())
        pairs = sorted(value.items(), key=lambda pair: -pair[1]) if are_numbers and len(value) > N_SHOWN else list(value.items())
        rest = [f"{len(pairs) - N_SHOWN} more"] if len(pairs) > N_SHOWN else []
        return ", ".join([f"{name} {_shown(one)}" for name, one in pairs[:N_SHOWN]] + rest)
    if isinstance(value, list):
        return f"{' to '.join(_shown(one) for one in value)}" if len(value) == 2 else f"{len(value)} values"
    return f"{value:.4g}" if isinstance(value, float) else "-" if value is None else str(value)


def _as_json(server: Server, model: Model) -> dict[str, Any]:
    times = {"created_at": model.created_at.isoformat(), "live_at": model.live_at and model.live_at.isoformat()}
    return asdict(model) | times | {"server_id": server.external_id}
