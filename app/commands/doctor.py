"""palate doctor: what Palate needs, looked at one by one, and what to do about what is missing."""

import contextlib
import os
import platform
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from app.commands import doctor_database
from app.commands.doctor_database import Clock, Finding, examine_database
from app.commands.session import command_engine, database_url, write_json
from app.db import doctor
from app.db.engine import check_database, working_engine
from app.errors import PalateError
from app.learn.text_encoder import locate_model
from app.logs import configure_logs
from app.settings import Settings


def add_to(app: typer.Typer) -> None:
    app.command("doctor")(doctor_)


def doctor_(
    only: Annotated[str | None, typer.Option(help="Look at this alone, such as worker, and whether the database answers.")] = None,
    mend: Annotated[bool, typer.Option("--mend", help="First mend indexes and vacuum tables that need it, while everything runs.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write the findings to this file.")] = None,
) -> None:
    """Check what Palate needs, and say what to do about what is missing.

    Example: palate doctor --json health.json
    """
    if only is not None and only not in {*MACHINE, *doctor_database.CHECKS}:
        raise typer.BadParameter(f"There are: {', '.join([*MACHINE, *doctor_database.CHECKS])}.", param_hint="--only")
    settings = Settings()
    configure_logs(settings)
    if mend:
        _mend()
    found = []
    for one in examine(settings, lambda: datetime.now(UTC), only):
        found.append(one)
        print(f"ok     {one.check}: {one.detail}" if one.remedy is None else f"FAULT  {one.check}: {one.detail}\n       {one.remedy}")
    n_faults = sum(one.remedy is not None for one in found)
    write_json(json, {"n_faults": n_faults, "findings": [asdict(one) for one in found]})
    if n_faults:
        sys.exit(1)


def _mend() -> None:
    with command_engine() as (_, engine):
        with engine.begin() as connection:
            statements = list(doctor_database.mendable(connection))
        for statement in statements:
            error = doctor.run_alone(engine, statement)
            print(f"mended: {statement}" if error is None else f"not mended: {statement}: {error}")


def examine(settings: Settings, now: Clock, only: str | None = None) -> Iterator[Finding]:
    for name, check in MACHINE.items():
        if only in (None, name):
            yield from check(settings)
    if only in MACHINE:
        return
    with contextlib.ExitStack() as stack:
        try:
            engine = working_engine(database_url(settings, stack))
            stack.callback(engine.dispose)
            yield Finding("database", check_database(engine))
        except PalateError as error:
            yield Finding("database", str(error), "Mend what the line above names, then run palate doctor again.")
            return
        yield from examine_database(engine, settings, now, only)


def _versions(_settings: Settings) -> Iterator[Finding]:
    yield Finding("versions", f"Palate {version('palate')}, Python {platform.python_version()}")


def _data_folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        yield Finding(
            "data folder", f"{folder} cannot be made: {error.strerror}", "Set PALATE_DATA_DIR to a folder that can be written to."
        )
        return
    if not os.access(folder, os.W_OK):
        yield Finding("data folder", f"{folder} cannot be written to", f"chown {os.geteuid()} {folder}")
    else:
        yield Finding("data folder", str(folder.resolve()))


def _key_files(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    files = [file for file in (folder / "admin-key", folder / "secret-key") if file.exists()]
    open_to_others = [file for file in files if file.stat().st_mode & 0o077]
    for file in open_to_others:
        yield Finding("keys", f"{file} can be read by others than its owner", f"chmod 600 {file}")
    if not open_to_others:
        yield Finding("keys", "none kept in files" if not files else "readable by their owner only")


def _text_model(settings: Settings) -> Iterator[Finding]:
    try:
        yield Finding("text model", str(locate_model(settings.embedding_model).folder))
    except PalateError as error:
        yield Finding("text model", str(error), "Set PALATE_EMBEDDING_MODEL to a model that is there.")


def _port(settings: Settings) -> Iterator[Finding]:
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.settimeout(2)
        is_taken = probe.connect_ex((settings.host, settings.port)) == 0
    yield Finding("port", f"{settings.port} answers: Palate, or something else, runs there" if is_taken else f"{settings.port} is free")


MACHINE: dict[str, Callable[[Settings], Iterator[Finding]]] = {
    "versions": _versions, "data folder": _data_folder, "keys": _key_files, "text model": _text_model, "port": _port,
}  # fmt: skip
