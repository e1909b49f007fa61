"""A whole database in one file of pg_dump's custom format, with what it must hold written beside it, and back in one transaction."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, Engine, text

from app.db.embedded import find_binaries
from app.db.statements import statement
from app.db.tables import PARTITION_SCHEMA
from app.errors import BadInput, DatabaseUnsuitable

# Beside `public`, where other people's tables would be if they shared the database.
SCHEMAS = [PARTITION_SCHEMA, "procrastinate"]
# Whoever restores may not own the extension, and makes it first.
SKIPPED = re.compile(r"^;| EXTENSION |SCHEMA (- )?public( |$)")
TABLE_NAME = re.compile(r'"?\w+"?\."?\w+"?')
_VERIFY = """
DO $palate$ BEGIN
    IF ({count}) <> {expected} THEN RAISE EXCEPTION 'the backup says: {expected} {what}'; END IF;
END $palate$;
"""


@dataclass(frozen=True)
class Contents:
    """What a backup holds. `sha256` of the file; majors of the PostgreSQL that was saved and of the pg_dump that did it."""

    palate: str
    revision: str
    made_at: str
    server_major: int
    tool_major: int
    sha256: str
    n_indexes: int
    tables: Mapping[str, int]

    @property
    def n_rows(self) -> int:
        return sum(self.tables.values())


def contents_file(file: Path) -> Path:
    return file.with_name(f"{file.name}.json")


def back_up(engine: Engine, file: Path, *, palate: str, revision: str, made_at: str) -> Contents:
    """Raises BadInput where there is such a file, DatabaseUnsuitable where no pg_dump fits. The file bears its name when it is whole."""
    _refuse_if_there(file)
    partial, contents_partial = file.with_name(f".{file.name}.{os.getpid()}"), file.with_name(f".{file.name}.{os.getpid()}.json")
    try:
        partial.touch(mode=0o600)  # what everybody watched is nobody else's to read
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            server_major = _server_major(connection)
            binaries, tool_major = _tools(server_major)
            snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
            options = ["--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}", f"--file={partial}"]
            _run(engine, [str(binaries / "pg_dump"), *options])
            tables = {name: _count(connection, name) for name in connection.execute(statement("backup", "tables")).scalars()}
            n_indexes = connection.execute(statement("backup", "n_indexes")).scalar_one()
        listed = _listed(binaries, partial)
        for name in tables:
            if f"TABLE DATA {name.replace('.', ' ')} " not in listed:
                raise DatabaseUnsuitable(f"pg_dump left {name} out; the backup was not kept.")
        contents = Contents(palate, revision, made_at, server_major, tool_major, _digest(partial), n_indexes, tables)
        contents_partial.write_text(json.dumps(asdict(contents), indent=2) + "\n", encoding="utf-8")
        _refuse_if_there(file)  # somebody may have been as quick
        # Not linked, which would take nobody's place: a disk that backups go to may know no links.
        contents_partial.rename(contents_file(file))
        partial.rename(file)
    finally:
        partial.unlink(missing_ok=True)
        contents_partial.unlink(missing_ok=True)
    return contents


def read_contents(file: Path) -> Contents:
    """Raises BadInput unless the file is, to the byte, what was written."""
    beside = contents_file(file)
    if not file.is_file() or not beside.is_file():
        raise BadInput(f"A backup is two files, {file} and {beside}; {file if not file.is_file() else beside} is not there.")
    try:
        contents = Contents(**json.loads(beside.read_text(encoding="utf-8")))
        is_ours = all(TABLE_NAME.fullmatch(name) and isinstance(n_rows, int) for name, n_rows in contents.tables.items())
    except (ValueError, TypeError, AttributeError):
        is_ours = False
    if not is_ours:
        raise BadInput(f"{beside} was not written by palate backup. Nothing was changed.")
    if _digest(file) != contents.sha256:
        raise BadInput(f"{file} is not the file that was written: its digest differs from the one in {beside}. Nothing was changed.")
    return contents


def n_tables(engine: Engine) -> int:
    with engine.begin() as connection:
        return len(connection.execute(statement("backup", "tables")).all())


def is_palates(engine: Engine) -> bool:
    """Whether all that is in the database is Palate's."""
    with engine.begin() as connection:
        has_revision = connection.execute(text("SELECT to_regclass('public.alembic_version') IS NOT NULL")).scalar_one()
        return bool(has_revision) and not connection.execute(statement("backup", "foreign_schemas"), {"schemas": SCHEMAS}).all()


def n_others(engine: Engine) -> int:
    """How many other connections the database has."""
    with engine.begin() as connection:
        return int(connection.execute(statement("backup", "n_others")).scalar_one())


def restore(engine: Engine, file: Path, contents: Contents) -> None:
    """In place of all that is there, in one transaction that ends well only if every row and index is back. Raises BadInput,
    DatabaseUnsuitable; then nothing was changed. The caller has made sure that what is there may go."""
    with engine.begin() as connection:
        server_major = _server_major(connection)
        if server_major < contents.server_major:
            raise DatabaseUnsuitable(
                f"The backup is of PostgreSQL {contents.server_major}, and this one is {server_major}: restore into a newer."
            )
        drops = connection.execute(statement("backup", "drops"), {"schemas": SCHEMAS}).scalars().all()
    binaries, _ = _tools(max(server_major, contents.tool_major))
    with tempfile.TemporaryDirectory() as folder:
        before, after, listed = Path(folder) / "before.sql", Path(folder) / "after.sql", Path(folder) / "list"
        before.write_text("\n".join(["CREATE EXTENSION IF NOT EXISTS vector SCHEMA public;", *drops, ""]), encoding="utf-8")
        after.write_text(_verification(contents), encoding="utf-8")
        listed.write_text(
            "\n".join(line for line in _listed(binaries, file).splitlines() if not SKIPPED.search(line)) + "\n", encoding="utf-8"
        )
        unpack = [str(binaries / "pg_restore"), "--no-owner", "--no-privileges", f"--use-list={listed}", "--file=-", str(file)]
        put = [str(binaries / "psql"), "--quiet", "--no-psqlrc", "--single-transaction", "--set=ON_ERROR_STOP=1", "--output=/dev/null"]
        with subprocess.Popen(unpack, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as unpacked:
            _run(engine, [*put, f"--file={before}", "--file=-", f"--file={after}"], stdin=unpacked.stdout)
    engine.dispose()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def _refuse_if_there(file: Path) -> None:
    for one in (file, contents_file(file)):
        if one.exists():
            raise BadInput(f"{one} is there already. Choose another name, or remove it.")


def _verification(contents: Contents) -> str:
    counts = [(f"SELECT count(*) FROM {name}", n_rows, f"rows in {name}") for name, n_rows in contents.tables.items()]
    counts.append((str(statement("backup", "n_indexes").text), contents.n_indexes, "indexes"))
    return "".join(_VERIFY.format(count=count, expected=int(expected), what=what) for count, expected, what in counts)


def _count(connection: Connection, table: str) -> int:
    return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def _server_major(connection: Connection) -> int:
    return int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10_000


def _tools(least: int) -> tuple[Path, int]:
    """The folder with the oldest pg_dump that is as new as this, and its major version."""
    on_path = shutil.which("pg_dump")
    # The wheel carries an older PostgreSQL too, whose pg_restore speaks to servers before 17.
    carried = find_binaries()
    folders = [*([Path(on_path).parent] if on_path else []), carried, carried.parents[1] / "pginstall" / "bin"]
    known = sorted((_major(folder), folder) for folder in folders if (folder / "psql").exists())
    for major, folder in known:
        if major >= least:
            return folder, major
    raise DatabaseUnsuitable(
        f"This needs pg_dump, pg_restore and psql of PostgreSQL {least}; found {known[-1][0]}. Install postgresql-client-{least}."
    )


def _major(folder: Path) -> int:
    said = subprocess.run([str(folder / "pg_dump"), "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\) (\d+)", said)
    return int(found[1]) if found else 0


def _listed(binaries: Path, file: Path) -> str:
    done = subprocess.run([str(binaries / "pg_restore"), "--list", str(file)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BadInput(f"{file} cannot be read as a backup: {_first(done.stderr)}. Nothing was changed.")
    return done.stdout


def _run(engine: Engine, command: list[str], stdin: Any = subprocess.DEVNULL) -> None:
    """A tool of PostgreSQL's on the engine's database. The password goes by the environment: arguments are seen by everybody."""
    url = engine.url
    where = {"host": url.host, "port": url.port, "user": url.username, "dbname": url.database}
    given = {name: value if isinstance(value, str) else ",".join(value) for name, value in url.query.items() if name != "options"}
    target = make_conninfo(**{name: str(value) for name, value in where.items() if value is not None}, **given)
    environment = os.environ | {"PGCONNECT_TIMEOUT": "10", "PGOPTIONS": "-c maintenance_work_mem=512MB -c statement_timeout=0"}
    if url.password is not None:
        environment["PGPASSWORD"] = str(url.password)
    done = subprocess.run(
        [*command, "--no-password", f"--dbname={target}"], stdin=stdin, env=environment, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        raise DatabaseUnsuitable(f"{Path(command[0]).name} failed: {_first(done.stderr)}. Nothing was changed.")


def _first(said: str) -> str:
    """The first error. What follows it may repeat rows."""
    lines = (
        [line for line in said.strip().splitlines() if "ERROR" in line or "error:" in line] or said.strip().splitlines() or ["no reason"]
    )
    return lines[0].strip().rstrip(".")


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
