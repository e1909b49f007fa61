"""palate backup, restore"""

import contextlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from app.commands.session import command_engine, database_url
from app.db import Engine, backup
from app.db.engine import check_database, working_engine
from app.errors import AlreadyRunning, BadInput
from app.logs import configure_logs
from app.settings import Settings
from migrations.migrate import current_revision, newest_revision


def add_to(app: typer.Typer) -> None:
    app.command("backup")(backup_)
    app.command("restore")(restore)


def backup_(file: Annotated[Path, typer.Argument(help="Is made, and FILE.json beside it.")]) -> None:
    """Save the whole database in a file of pg_dump's custom format, while everything runs.

    Example: palate backup palate-monday.dump
    """
    with command_engine() as (settings, engine):
        file.parent.mkdir(parents=True, exist_ok=True)
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        done = backup.back_up(engine, file, palate=version("palate"), revision=current_revision(engine) or "", made_at=made_at)
        print(
            f"{file}: {len(done.tables)} tables, {done.n_rows:,} rows, {file.stat().st_size / 1e6:.1f} MB. Keep {file.name}.json with it."
        )
        _say_what_is_not_in_it(settings)


def restore(
    file: Annotated[Path, typer.Argument(help="That palate backup made, with its FILE.json beside it.")],
    replace: Annotated[bool, typer.Option("--replace", help="Where the database is not empty, put the backup in its place.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before what is there goes.")] = False,
) -> None:
    """Bring a backup back into an empty database, or with --replace in place of what is there. It comes back whole or not at all.

    Example: palate restore palate-monday.dump
    """
    with _any_engine() as (settings, engine):
        contents = backup.read_contents(file)
        if contents.revision > newest_revision():
            raise BadInput(f"The backup is of a newer Palate ({contents.palate}). Install that, then restore.")
        n_tables = backup.n_tables(engine)
        if n_tables:
            _make_sure(engine, n_tables, contents, replace=replace, yes=yes)
        backup.restore(engine, file, contents)
        print(f"{len(contents.tables)} tables and {contents.n_rows:,} rows are back, as of {contents.made_at}.")
        if contents.revision != newest_revision():
            print("The backup is of an older version: run palate migrate.")
        _say_what_is_not_in_it(settings)


@contextlib.contextmanager
def _any_engine() -> Iterator[tuple[Settings, Engine]]:
    """On a database that need not be migrated."""
    settings = Settings()
    configure_logs(settings)
    with contextlib.ExitStack() as stack:
        engine = working_engine(database_url(settings, stack))
        stack.callback(engine.dispose)
        check_database(engine)
        yield settings, engine


def _make_sure(engine: Engine, n_tables: int, contents: backup.Contents, *, replace: bool, yes: bool) -> None:
    if not replace:
        raise BadInput(f"The database is not empty ({n_tables} tables). With --replace the backup takes the place of all that is in it.")
    if not backup.is_palates(engine):
        raise BadInput("Something else than Palate is in this database, and would go. Restore into a database of its own.")
    engine.dispose()
    if n_others := backup.n_others(engine):
        raise AlreadyRunning(f"{n_others} other connections are open to the database. Stop palate up, serve and worker first.")
    if not yes:
        if not sys.stdin.isatty():
            raise BadInput("Without a terminal to ask on, --replace needs --yes.")
        typer.confirm(
            f"All that is in the database goes, and {contents.n_rows:,} rows of {contents.made_at} take its place. Go on?", abort=True
        )


def _say_what_is_not_in_it(settings: Settings) -> None:
    kept = [str(file) for file in (settings.data_dir / "admin-key", settings.data_dir / "secret-key") if file.exists()]
    if kept:
        print(f"Not in the backup: {' and '.join(kept)}. Without the secret key, stored media-server tokens cannot be read.")
    if settings.admin_key is not None or settings.secret_key is not None:
        print("Not in the backup: PALATE_ADMIN_KEY and PALATE_SECRET_KEY, from the environment or .env.")
