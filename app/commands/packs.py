"""palate pack build | install | info

What learns is imported where it is used: the web process is started by the same command line, and has no use for scipy.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.commands.session import chosen_servers, command_engine, shown_progress, write_json
from app.connect.movielens_archive import ADDRESS, LICENCE, LINKED, UNLINKED, add_links, fetch_movielens
from app.errors import BadInput
from app.logs import configure_logs
from app.settings import Settings
from app.types import Server

if TYPE_CHECKING:
    from app.connect.pack import Card, Pack
    from jobs.packs import Share

app = typer.Typer(help="Item vectors learned elsewhere, in a file that any server can install.", no_args_is_help=True)

JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the results to this file.")]


class Origin(StrEnum):
    movielens = "movielens"
    server = "server"


@app.command()
def build(
    origin: Annotated[Origin, typer.Option("--from", help="What is learned from.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    of: Annotated[str | None, typer.Argument(metavar="FOLDER|ID", help="The folder of the MovieLens files, or the server's id.")] = None,
    download: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"Fetch this set from GroupLens first: {', '.join((*LINKED, *UNLINKED))}.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="Fetch the set from this address instead.")] = None,
    links: Annotated[
        Path | None, typer.Option(help=f"A links.csv (movieId,imdbId,tmdbId), for a fetched set without one: {', '.join(UNLINKED)}.")
    ] = None,
    json: JsonFile = None,
) -> None:
    """Learn item vectors and write them as a pack: no user is in it and no play.

    Example: palate pack build --from movielens ~/ml-1m --out films.pack
    """
    fetched = download or url
    if (of is None) == (fetched is None):
        raise typer.BadParameter("Name a folder, a server's id, or what to --download: one of them.", param_hint="FOLDER|ID")
    if fetched is not None and origin is not Origin.movielens:
        raise typer.BadParameter("Only MovieLens is fetched.", param_hint="--download")
    if download is not None and url is None:
        check_name(download, links)
    if links is not None and fetched is None:
        raise typer.BadParameter("Links go into the folder, as links.csv; this is for --download.", param_hint="--links")
    if not out.absolute().parent.is_dir():
        raise BadInput(f"{out.absolute().parent} is no folder to write a pack into.")
    if origin is Origin.server:
        pack = _from_server(str(of))
    else:
        configure_logs(Settings())
        pack = _from_folder(Path(str(of))) if fetched is None else _from_archive(download, url, links)
    _write(pack, out, json)


@app.command()
def install(
    file: Annotated[Path, typer.Argument(help="The pack.")],
    server: Annotated[str, typer.Option(help="The server that it is for.")],
    json: JsonFile = None,
) -> None:
    """Say how much of a server a pack knows, and give the server its vectors. What was watched there is blended in.

    Example: palate pack install films.pack --server home
    """
    from app.connect.pack import read_pack
    from jobs.packs import install as install_pack

    pack = read_pack(file)
    with command_engine() as (_, engine):
        [chosen] = chosen_servers(engine, server)
        with shown_progress(f"Installing on {chosen.external_id}") as progress:
            done = install_pack(engine, chosen, pack, datetime.now(UTC), progress, lambda shares: _show(chosen, shares))
    print(f"{chosen.external_id}: the pack is live (space {done.learned.space_id}), with {done.learned.n_events:,} watchings of its own.")
    write_json(json, {"server_id": chosen.external_id, "pack": pack.card.model_dump(), "coverage": [asdict(one) for one in done.coverage]})


@app.command()
def info(file: Annotated[Path, typer.Argument(help="The pack.")], json: JsonFile = None) -> None:
    """Check a pack and show its card. Its digest is to be compared with the one that its maker tells.

    Example: palate pack info films.pack
    """
    from app.connect.pack import read_pack

    pack = read_pack(file)
    _show_card(pack.card)
    write_json(json, pack.card.model_dump())


def check_name(name: str, links: Path | None) -> None:
    """Raises BadParameter, which is a usage error, before anything is fetched."""
    if name not in (*LINKED, *UNLINKED):
        raise typer.BadParameter(f"There are: {', '.join((*LINKED, *UNLINKED))}.", param_hint="--download")
    if name in UNLINKED and links is None:
        raise typer.BadParameter(
            f"{name} does not say which films of TMDB or IMDb it has: name a file with --links.", param_hint="--download"
        )


def _from_server(server_id: str) -> "Pack":
    from jobs.packs import build_from_server

    with command_engine() as (_, engine):
        [server] = chosen_servers(engine, server_id)
        with shown_progress(f"Learning from {server.external_id}") as progress:
            return build_from_server(engine, server, progress)


def _from_folder(folder: Path, name: str | None = None) -> "Pack":
    from jobs.packs import build_from_movielens

    with shown_progress(f"Learning from {name or folder.name}") as progress:
        return build_from_movielens(folder, progress, name=name)


def _from_archive(name: str | None, url: str | None, links: Path | None) -> "Pack":
    called = name or Path(str(url)).stem
    with tempfile.TemporaryDirectory() as made:
        with shown_progress(f"Fetching {called}") as progress:
            fetch_movielens(url or ADDRESS.format(name=called), Path(made), progress)
        if links is not None:
            add_links(links, Path(made))
        return _from_folder(Path(made), called)


def _write(pack: "Pack", out: Path, json: Path | None) -> None:
    from app.connect.pack import write_pack

    card = write_pack(pack, out)
    _show_card(card)
    if card.licence == LICENCE:
        print("Before you pass this pack on, read what the licence line above asks.")
    write_json(json, card.model_dump())


def _show_card(card: "Card") -> None:
    for name, value in card.model_dump().items():
        shown = ", ".join(f"{key} {number:g}" for key, number in value.items()) if isinstance(value, dict) else value
        print(f"{name.replace('_', ' ')}: {f'{shown:,}' if isinstance(shown, int) else '-' if shown in (None, '') else shown}")


def _show(server: Server, shares: "Sequence[Share]") -> None:
    table = Table("titles", "known", "of", "watched", "of", "plays", "of", title=f"What the pack knows of {server.external_id}")
    for one in shares:
        counts = (one.n_items_known, one.n_items, one.n_watched_known, one.n_watched, one.n_plays_known, one.n_plays)
        table.add_row(one.part, *(f"{count:,}" for count in counts))
    Console(width=100).print(table)
