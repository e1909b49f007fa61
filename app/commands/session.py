"""What every command needs first: settings, a database that is ready, and a way to show how far it is."""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from app.db import DBAPIError, Engine
from app.db.embedded import embedded_database
from app.db.engine import check_database, working_engine
from app.db.servers import find_server, list_servers
from app.errors import BadInput, NotReady, UnknownServer
from app.logs import configure_logs
from app.settings import Settings
from app.types import Progress, Server
from migrations.migrate import current_revision, migrate, newest_revision


@contextlib.contextmanager
def command_engine() -> Iterator[tuple[Settings, Engine]]:
    """A working engine on a migrated database: the configured one, or the embedded one, started or attached to."""
    settings = Settings()
    configure_logs(settings)
    with contextlib.ExitStack() as stack:
        url = database_url(settings, stack)
        engine = working_engine(url)
        stack.callback(engine.dispose)
        check_database(engine)
        if settings.database_url is None:
            migrate(engine)
        elif current_revision(engine) != newest_revision():
            raise NotReady("The database is not at this version's schema. Run palate migrate.")
        try:
            yield settings, engine
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            raise NotReady("The database went away. What was done is kept; run the command again.") from None


def database_url(settings: Settings, stack: contextlib.ExitStack) -> str:
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return stack.enter_context(embedded_database(settings.data_dir)).url


def chosen_servers(engine: Engine, server_id: str | None) -> list[Server]:
    """The one named, or all. Raises UnknownServer."""
    with engine.begin() as connection:
        if server_id is None:
            return list_servers(connection)
        server = find_server(connection, server_id)
    if server is None:
        raise UnknownServer(f"No server has the id {server_id}. `palate import` and PUT /servers/{{server_id}} make one.")
    return [server]


@contextlib.contextmanager
def shown_progress(label: str) -> Iterator[Progress]:
    """A bar on a terminal, plain lines elsewhere."""
    if not sys.stderr.isatty():
        yield _Lines(label)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _Lines:
    """One line for each tenth."""

    def __init__(self, label: str) -> None:
        self.label, self.shown = label, -1

    def __call__(self, done: int, total: int, /) -> None:
        tenth = 10 if total == 0 else 10 * done // total
        if tenth > self.shown:
            self.shown = tenth
            print(f"{self.label}: {done:,} of {total:,}", file=sys.stderr, flush=True)


def read_secret(file: Path | None, prompt: str) -> str:
    """Not an argument: those are seen by everybody on the machine, and kept in the shell's history."""
    if file is None:
        return str(typer.prompt(prompt, hide_input=True))
    if str(file) == "-":
        return sys.stdin.readline()
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} can't be read: {type(error).__name__}.") from None


def write_json(file: Path | None, content: Any) -> None:
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
