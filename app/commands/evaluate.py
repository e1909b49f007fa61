"""palate evaluate movielens, server

What measures is imported where it is used: the web process is started by the same command line, and has no use for scipy.
"""

import contextlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app.commands.bench import scratch_engines
from app.commands.session import chosen_servers, command_engine, shown_progress, write_json
from app.logs import configure_logs
from app.settings import Settings
from app.types import Progress

if TYPE_CHECKING:
    from jobs.evaluate import Factory

app = typer.Typer(help="Measure how good recommendations are, on what was really watched.", no_args_is_help=True)

CHARTS = (".png", ".svg")
COLUMNS = ("ndcg@10", "recall@20", "hr@10", "mrr@20", "coverage@10", "novelty", "intra_list_distance")


class Protocol(StrEnum):
    leave_last = "leave-last"
    last_tenth = "last-tenth"
    unseen_users = "unseen-users"
    households = "households"


@app.callback()
def group() -> None:
    """Measure how good recommendations are, on what was really watched."""


@app.command()
def movielens(
    folder: Annotated[Path, typer.Argument(help="The folder that holds the MovieLens files.")],
    protocol: Annotated[Protocol, typer.Option(help="What is held out, and what is learned from.")],
    metadata: Annotated[
        Path | None, typer.Option(help="JSON lines by TMDB id (.jsonl or .jsonl.gz): what is read beside titles and genres.")
    ] = None,
    only: Annotated[str | None, typer.Option(metavar="NAME,...", help="Only these recommenders.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    chart: Annotated[Path | None, typer.Option(help="Draw NDCG@10 with its intervals into this file (.png or .svg).")] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the results to this file.")] = None,
) -> None:
    """Recommenders side by side on MovieLens: all items ranked, seen ones masked, 95% intervals over users.

    Example: palate evaluate movielens ~/ml-1m --protocol last-tenth --only popularity,ease --chart ease.svg --json ease.json
    """
    from jobs.evaluate import evaluate
    from jobs.evaluation_data import read_movielens_events

    names = chosen_names(only)
    check_chart(chart)
    settings = Settings()
    configure_logs(settings)
    events, library = read_movielens_events(folder, metadata, settings.embedding_model)
    with measuring(names) as (chosen, progress):
        report = evaluate(f"movielens {folder.resolve().name}", protocol.value, events, library, chosen, seed, progress)
    tell(report, chart, json)


@app.command()
def server(
    server: Annotated[str, typer.Argument(metavar="SERVER_ID", help="The server whose people are asked.")],
    only: Annotated[str | None, typer.Option(metavar="NAME,...", help="Only these recommenders.")] = None,
    share: Annotated[
        float, typer.Option(min=0.01, max=0.5, help="How much of the time that titles were begun in is held out, from its end.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    chart: Annotated[Path | None, typer.Option(help="Draw NDCG@10 with its intervals into this file (.png or .svg).")] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the results to this file.")] = None,
) -> None:
    """Recommenders side by side on what a server's own people watched last, in a scratch database.

    Example: palate evaluate server demo --only popularity,"fused (served)" --json demo.json
    """
    from app.learn.splits import by_time
    from jobs.evaluate import evaluate_tasks
    from jobs.evaluation_data import read_server_events

    names = chosen_names(only)
    check_chart(chart)
    with command_engine() as (settings, engine):
        [found] = chosen_servers(engine, server)
        watched, cut, library = read_server_events(engine, found, settings.embedding_model, share)
    events = watched.events
    with measuring(names) as (chosen, progress):
        report = evaluate_tasks(
            f"server {server}", "server", events, by_time(events, watched.begun_at, watched.is_wanted, cut), library, chosen, seed, progress
        )
    tell(report, chart, json)


def chosen_names(only: str | None) -> list[str]:
    """Those named, else all. Raises BadParameter, which is a usage error."""
    from jobs.evaluate import RECOMMENDERS
    from jobs.evaluate_served import SERVED

    known = [*RECOMMENDERS, *SERVED]
    if only is None:
        return known
    names = [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        wrong = f"No recommender is named {', '.join(unknown)}." if unknown else "No recommender is named."
        raise typer.BadParameter(f"{wrong} There are: {', '.join(known)}.", param_hint="--only")
    return names


@contextlib.contextmanager
def measuring(names: list[str]) -> "Iterator[tuple[dict[str, Factory], Progress]]":
    """The recommenders of these names. A scratch database is opened where one of them asks it, and dropped afterwards."""
    from jobs.evaluate import RECOMMENDERS
    from jobs.evaluate_served import SERVED, served_recommenders

    known = dict(RECOMMENDERS)
    with contextlib.ExitStack() as stack:
        if any(name in SERVED for name in names):
            _, _, work, serve = stack.enter_context(scratch_engines())
            known |= served_recommenders(work, serve)
        yield {name: known[name] for name in names}, stack.enter_context(shown_progress("Measuring"))


def tell(report: dict[str, Any], chart: Path | None, json: Path | None) -> None:
    write_json(json, report)
    show(report)
    if chart is not None:
        from app.commands.evaluation_chart import draw_chart

        draw_chart(report, chart)


def check_chart(file: Path | None) -> None:
    """Before anything is measured: a run takes minutes."""
    if file is not None and file.suffix.lower() not in CHARTS:
        raise typer.BadParameter(f"{file.name} ends neither in {' nor in '.join(CHARTS)}.", param_hint="--chart")


def show(report: dict[str, Any]) -> None:
    rows = f"{report['n_plays']:,} plays of {report['n_users']:,} users, {report['n_items']:,} items, {report['n_cases']:,} asked"
    table = Table(title=f"{report['dataset']}, {report['protocol']}: {rows}")
    table.add_column("recommender", no_wrap=True)
    for column in (*COLUMNS[:1], "95%", *COLUMNS[1:], "fit s", "score s"):
        table.add_column(column.replace("intra_list_distance", "variety"), justify="right")
    for row in report["results"]:
        low, high = row["ci95"]
        first, *others = ("" if row[column] is None else f"{row[column]:.3f}" for column in COLUMNS)
        seconds = (f"{row['fit_seconds']:.1f}", f"{row['score_seconds']:.1f}")
        table.add_row(row["recommender"], first, f"{low:.3f} .. {high:.3f}", *others, *seconds)
    Console(width=160).print(table)
