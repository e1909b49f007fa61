"""palate bench search | serve

What measures is imported where it is used: the worker is started by the same command line, and has no use for it.
"""

import contextlib
import os
import platform
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app.commands.session import database_url, write_json
from app.db import Engine
from app.db.engine import serving_engine, working_engine
from app.db.scratch import scratch_database
from app.logs import configure_logs
from app.settings import Settings
from migrations.migrate import migrate

app = typer.Typer(help="Measure, in a scratch database that is dropped afterwards.", no_args_is_help=True)


class Data(StrEnum):
    real = "real"
    uniform = "uniform"
    planted = "planted"


Items = Annotated[int, typer.Option(min=100, max=5_000_000, help="Items in the library.")]
Users = Annotated[int, typer.Option(min=1, max=100_000, help="Users, with histories of 10 to 5,000.")]
DataOption = Annotated[Data, typer.Option(help="What the vectors are like.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the results to this file.")]
Seed = Annotated[int, typer.Option(min=0)]


@app.command()
def search(items: Items = 100_000, users: Users = 100, data: DataOption = Data.real, seed: Seed = 0, json: JsonFile = None) -> None:
    """The retrieval statement beside the bare nearest-neighbour query, and its recall against the exact filtered answer.

    Example: palate bench search --items 100000 --users 100 --data planted --json search.json
    """
    from jobs.bench_search import bench_search

    with scratch_engines() as (settings, _, work, serve):
        rows = bench_search(work, serve, data.value, items, users, settings.embedding_model, seed)
    _report("search", data, items, users, rows, json)


@app.command()
def serve(
    items: Items = 100_000,
    users: Users = 100,
    data: DataOption = Data.real,
    connections: Annotated[int, typer.Option(min=1, max=64, help="Connections at once in the loaded part.")] = 8,
    seconds: Annotated[float, typer.Option(min=0.5, max=600, help="Length of each part.")] = 8.0,
    mix: Annotated[bool, typer.Option("--mix", help="Callers who mostly ask again: 90% repeats, 10% new, 1% plays.")] = False,
    port: Annotated[int, typer.Option(min=1024, max=65535)] = 8765,
    seed: Seed = 0,
    json: JsonFile = None,
) -> None:
    """GET /recommendations over HTTP beside a no-op endpoint.

    By fused scores, then with a ranker, and what each stage of such an answer takes; or what answers that are repeated take (--mix).

    Example: palate bench serve --items 100000 --json serve.json
    """
    from jobs.bench_mix import bench_mix
    from jobs.bench_serve import bench_serve

    with scratch_engines() as (settings, url, work, serving):
        load: dict[str, Any] = {"port": port, "n_connections": connections, "seconds": seconds, "seed": seed}
        if mix:
            rows = bench_mix(work, url, data.value, items, users, settings.embedding_model, **load)
        else:
            rows = bench_serve(work, serving, url, data.value, items, users, settings.embedding_model, **load)
    _report("serve", data, items, users, rows, json)


@contextlib.contextmanager
def scratch_engines() -> Iterator[tuple[Settings, str, Engine, Engine]]:
    settings = Settings()
    configure_logs(settings)
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(scratch_database(database_url(settings, stack)))
        work, serve = working_engine(url), serving_engine(url, 4)
        stack.callback(work.dispose)
        stack.callback(serve.dispose)
        migrate(work)
        yield settings, url, work, serve


def _report(name: str, data: Data, n_items: int, n_users: int, rows: list[dict[str, Any]], file: Path | None) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    table = Table(*columns, title=f"{name}: {n_items:,} items, {n_users:,} users, {data.value}")
    for row in rows:
        table.add_row(*(f"{row[column]:.3f}" if isinstance(row.get(column), float) else str(row.get(column, "")) for column in columns))
    Console(width=160).print(table)
    machine = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
    write_json(file, {"machine": machine, "data": data.value, "n_items": n_items, "n_users": n_users, "results": rows})
