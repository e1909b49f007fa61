"""palate import KIND FILE, of the histories that others keep, and palate import list and undo"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.commands.bringing import Asked, from_file, from_lines, from_tautulli
from app.commands.session import chosen_servers, command_engine, shown_progress
from app.connect.histories.recorded import undo_import
from app.db.imports import list_imports

File = Annotated[Path, typer.Argument(help="The file, as it was exported; it may be in a .gz or .zip.", dir_okay=False)]
ServerId = Annotated[str, typer.Option("--server", help="The server whose people and titles these are.")]
Users = Annotated[list[str] | None, typer.Option("--user", help="Who somebody is here, as THEIRS=OURS. May be repeated; others by name.")]
Everybody = Annotated[str | None, typer.Option("--all-users-as", help="Whose all of it is here.")]
Ours = Annotated[str, typer.Option("--user", help="Whose history it is: a user of the server, by id or name.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be matched, and what not.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write what was matched, what not and why, all of it, to this file.")]
Zone = Annotated[
    str | None, typer.Option("--time-zone", help="Of the times in it, as Europe/Berlin; without, the server's, or the machine's.")
]


def add_to(app: typer.Typer) -> None:
    for command in (tautulli, jellystat, streamystats, playback_reporting, trakt, netflix, jsonl):
        app.command()(command)
    app.command("list")(list_)
    app.command()(undo)


def tautulli(
    history: Annotated[
        str, typer.Argument(metavar="FILE|URL", help="Its get_history as JSON, or its address, as http://192.168.1.5:8181.")
    ],
    server: ServerId,
    user: Users = None,
    all_users_as: Everybody = None,
    key_file: Annotated[
        Path | None, typer.Option(help="A file that holds its API key; without, it is asked for. `-`: standard input.")
    ] = None,
    dry_run: DryRun = False,
    json_file: JsonFile = None,
) -> None:
    """Import the history of a Tautulli, from its API or a file.

    Example: palate import tautulli http://192.168.1.5:8181 --server home --dry-run
    """
    from app.connect.histories.tautulli import read_tautulli

    asked = Asked(server, user or [], all_users_as, dry_run, json_file)
    if history.startswith(("http://", "https://")):
        from_tautulli(history, key_file, asked)
    else:
        from_file("tautulli", Path(history), asked, lambda file, _: read_tautulli(file))


def jellystat(
    file: File, server: ServerId, user: Users = None, all_users_as: Everybody = None, dry_run: DryRun = False, json_file: JsonFile = None
) -> None:
    """Import what a Jellystat saw, from its backup (.json or .jsonl).

    Example: palate import jellystat "backup_2026-01-31 03-00-00.jsonl" --server home --dry-run
    """
    from app.connect.histories.jellystat import read_jellystat

    asked = Asked(server, user or [], all_users_as, dry_run, json_file)
    from_file("jellystat", file, asked, lambda file, _: read_jellystat(file))


def streamystats(
    file: File, server: ServerId, user: Users = None, all_users_as: Everybody = None, dry_run: DryRun = False, json_file: JsonFile = None
) -> None:
    """Import the sessions of a Streamystats, from its backup.

    Example: palate import streamystats streamystats-backup-home-2026-01-31.json --server home --dry-run
    """
    from app.connect.histories.streamystats import read_streamystats

    asked = Asked(server, user or [], all_users_as, dry_run, json_file)
    from_file("streamystats", file, asked, lambda file, _: read_streamystats(file))


def playback_reporting(
    file: File, server: ServerId, user: Users = None, all_users_as: Everybody = None, time_zone: Zone = None, dry_run: DryRun = False,
    json_file: JsonFile = None,
) -> None:  # fmt: skip
    """Import the backup of Jellyfin's or Emby's plugin Playback Reporting (.tsv or .csv).

    Example: palate import playback-reporting PlaybackReportingBackup.tsv --server home --time-zone Europe/Berlin
    """
    from app.connect.histories.playback_reporting import read_playback_reporting

    from_file("playback-reporting", file, Asked(server, user or [], all_users_as, dry_run, json_file, time_zone), read_playback_reporting)


def trakt(file: File, server: ServerId, user: Ours, dry_run: DryRun = False, json_file: JsonFile = None) -> None:
    """Import one person's Trakt: history, watched, ratings and watchlist (.json, or a .zip of them).

    Example: palate import trakt trakt-export.zip --server home --user ana
    """
    from app.connect.histories.trakt import read_trakt

    from_file("trakt", file, Asked(server, [], user, dry_run, json_file), lambda file, _: read_trakt(file))


def netflix(
    file: File,
    server: ServerId,
    user: Ours,
    dates: Annotated[str | None, typer.Option(help="How its days are written, where that can't be seen: day-first or month-first.")] = None,
    time_zone: Zone = None,
    dry_run: DryRun = False,
    json_file: JsonFile = None,
) -> None:
    """Import one person's Netflix (NetflixViewingHistory.csv).

    Example: palate import netflix NetflixViewingHistory.csv --server home --user ana --dry-run
    """
    from app.connect.histories.netflix import read_netflix

    if dates not in (None, "day-first", "month-first"):
        raise typer.BadParameter("is day-first or month-first", param_hint="--dates")
    asked = Asked(server, [], user, dry_run, json_file, time_zone)
    from_file("netflix", file, asked, lambda file, zone: read_netflix(file, zone, dates))  # type: ignore[arg-type]


def jsonl(file: File, server: ServerId, dry_run: DryRun = False, json_file: JsonFile = None) -> None:
    """Import lines of items, users, plays and signals, each as POST /ingest takes them. Ids are the server's own.

    Example: palate import jsonl everything.jsonl.gz --server home
    """
    from_lines(file, Asked(server, [], None, dry_run, json_file))


def list_(server: Annotated[str, typer.Option(help="The server that they were imported into.")]) -> None:
    """Show what was imported from where.

    Example: palate import list --server home
    """
    table = Table("id", "kind", "file", "plays", "signals", "not matched", "refused", "begun", "state")
    with command_engine() as (_, engine):
        [known] = chosen_servers(engine, server)
        with engine.begin() as connection:
            found = list_imports(connection, known.id)
    for one in found:
        counts = [f"{one.counts.get(name, 0):,}" for name in ("n_plays", "n_signals", "n_not_matched", "n_refused")]
        state = f"undone {one.undone_at:%Y-%m-%d %H:%M}" if one.undone_at else "whole" if one.ended_at else "broken off"
        table.add_row(str(one.id), one.kind, one.file_name, *counts, f"{one.begun_at:%Y-%m-%d %H:%M}", state)
    Console().print(table)


def undo(
    import_id: Annotated[int, typer.Argument(min=1, max=2**63 - 1, help="The id that `palate import list` shows.")],
    server: Annotated[str, typer.Option(help="The server that it was imported into.")],
) -> None:
    """Take an import back: the plays and signals that it alone brought. Items and users stay.

    Example: palate import undo 3 --server home
    """
    with command_engine() as (_, engine):
        [known] = chosen_servers(engine, server)
        with shown_progress(f"Taking import {import_id} back") as progress:
            n_gone, n_kept = undo_import(engine, known.id, import_id, datetime.now(UTC), progress)
    print(f"Import {import_id} is taken back: {n_gone:,} plays and signals are gone; {n_kept:,} stay, as another import brought them too.")
