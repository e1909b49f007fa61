"""palate up, serve, migrate, doctor"""

import contextlib
import os
import shutil
import socket
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
import uvicorn

from app.commands.session import command_engine, database_url
from app.commands.supervisor import Supervisor
from app.db.engine import check_database, working_engine
from app.errors import PalateError
from app.learn.text_encoder import locate_model
from app.logs import configure_logs
from app.settings import Settings
from migrations.migrate import current_revision, migrate, newest_revision


def add_to(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(serve)
    app.command("migrate")(migrate_)
    app.command()(doctor)


def up(demo: Annotated[bool, typer.Option("--demo", help="Load the demo household where there is no server yet.")] = False) -> None:
    """Run everything: the database (where none is configured), the service, the page and the worker.

    Example: palate up --demo
    """
    settings = Settings()
    configure_logs(settings)
    Supervisor(settings, demo=demo).run()


def serve() -> None:
    """Run the service alone, against a migrated database.

    Example: PALATE_DATABASE_URL=postgresql://palate@db/palate palate serve
    """
    with command_engine() as (settings, engine), contextlib.ExitStack() as stack:
        os.environ["PALATE_DATABASE_URL"] = database_url(settings, stack)
        engine.dispose()
        uvicorn.run("app.main:app_from_environment", factory=True, workers=settings.web_processes, **server_options(settings))


def server_options(settings: Settings) -> dict[str, Any]:
    """What uvicorn is told: no log of addresses, which may hold what is secret, and whose word on callers' addresses is taken."""
    return {
        "host": settings.host, "port": settings.port, "forwarded_allow_ips": settings.forwarded_allow_ips,
        "access_log": False, "log_level": "warning", "server_header": False, "timeout_graceful_shutdown": 5,
    }  # fmt: skip


def migrate_() -> None:
    """Bring the database to this version's schema.

    Example: palate migrate
    """
    settings = Settings()
    configure_logs(settings)
    with contextlib.ExitStack() as stack:
        engine = working_engine(database_url(settings, stack))
        check_database(engine)
        before = current_revision(engine)
        migrate(engine)
        print(
            f"The database is at revision {current_revision(engine)}" + (" already." if before == newest_revision() else f", was {before}.")
        )


def doctor() -> None:
    """Check what Palate needs, and say what to do about what is missing.

    Example: palate doctor
    """
    settings = Settings()
    configure_logs(settings)
    checks: dict[str, Callable[[], str]] = {
        "database": lambda: _check_database(settings),
        "text model": lambda: str(locate_model(settings.embedding_model).folder),
        "data folder": lambda: _check_data_folder(settings),
        "port": lambda: _check_port(settings),
    }
    n_faults = 0
    for name, check in checks.items():
        try:
            print(f"ok     {name}: {check()}")
        except (PalateError, OSError) as error:
            n_faults += 1
            print(f"FAULT  {name}: {error}")
    if n_faults:
        sys.exit(1)


def _check_database(settings: Settings) -> str:
    with contextlib.ExitStack() as stack:
        engine = working_engine(database_url(settings, stack))
        stack.callback(engine.dispose)
        found = check_database(engine)
        revision = current_revision(engine)
    if revision != newest_revision():
        found += f"; schema at {revision}, needs {newest_revision()}: run palate migrate"
    return found


def _check_data_folder(settings: Settings) -> str:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if not os.access(settings.data_dir, os.W_OK):
        raise OSError(f"{settings.data_dir} cannot be written to. Choose another PALATE_DATA_DIR.")
    return f"{settings.data_dir.resolve()}, {shutil.disk_usage(settings.data_dir).free / 1e9:.0f} GB free"


def _check_port(settings: Settings) -> str:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if probe.connect_ex((settings.host, settings.port)) == 0:
            return f"{settings.port} answers: Palate, or something else, runs there"
    return f"{settings.port} is free"
