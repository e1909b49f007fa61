"""palate up, serve, migrate"""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn

from app.api.metrics import FOLDER_VARIABLE
from app.commands.session import command_engine, database_url
from app.commands.supervisor import GRACE_SECONDS, Supervisor, claim_port
from app.db.engine import check_database, working_engine
from app.logs import configure_logs
from app.settings import Settings
from migrations.migrate import current_revision, migrate, newest_revision


def add_to(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(serve)
    app.command("migrate")(migrate_)


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
        claim_port(settings)
        if settings.web_processes > 1:
            os.environ[FOLDER_VARIABLE] = str(counting_folder(settings))
        uvicorn.run("app.main:app_from_environment", factory=True, workers=settings.web_processes, **server_options(settings))


def counting_folder(settings: Settings) -> Path:
    """Where the web processes of this service count together. Empty: what others counted before is no longer asked for."""
    folder = settings.data_dir.resolve() / f"metrics-{settings.port}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def server_options(settings: Settings) -> dict[str, Any]:
    """What uvicorn is told: no log of addresses, which may hold what is secret, and whose word on callers' addresses is taken."""
    return {
        "host": settings.host, "port": settings.port, "forwarded_allow_ips": settings.forwarded_allow_ips,
        "access_log": False, "log_level": "warning", "server_header": False, "timeout_graceful_shutdown": GRACE_SECONDS,
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
