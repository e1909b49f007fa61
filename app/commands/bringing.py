"""What every `palate import KIND` does once it knows how its file is read: bring it in, or only look, and tell."""

import hashlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from app.commands.session import chosen_servers, command_engine, read_secret, shown_progress, write_json
from app.connect.histories.bring import Begin, bring
from app.connect.histories.files import HistoryFile
from app.connect.histories.people import whose
from app.connect.histories.recorded import Recorded, check_useful, record
from app.connect.histories.tally import MAX_EXAMPLES, Tally
from app.connect.histories.told import Told, Unread
from app.cron import time_zones
from app.db import Engine
from app.errors import BadInput
from app.types import Progress, Server

Read = Callable[[HistoryFile, tzinfo | None], Iterable[Told | Unread]]


@dataclass(frozen=True)
class Asked:
    """What every import is asked for."""

    server: str
    users: list[str]
    everybody: str | None
    dry_run: bool
    json_file: Path | None
    time_zone: str | None = None


def from_file(kind: str, path: Path, asked: Asked, read: Read) -> None:
    file = HistoryFile(path)
    digest = file.digest()

    def rows(known: Server) -> Iterable[Told | Unread]:
        return read(file, _zone(asked.time_zone or known.settings.get("time_zone")))

    _history(kind, file.name, digest, asked, rows, lambda _, progress: progress(file.position, file.size))


def from_tautulli(url: str, key_file: Path | None, asked: Asked) -> None:
    from app.connect.histories.tautulli_api import read_tautulli_api, tautulli_url

    address = tautulli_url(url)
    key = read_secret(key_file, "Tautulli's API key (Settings, Web Interface)").strip()
    # The history of an address grows: read again, it is the same import, with what came since.
    digest = hashlib.sha256(address.encode()).digest()
    _history(
        "tautulli", address, digest, asked, lambda _: read_tautulli_api(address, key), lambda n_read, progress: progress(n_read, n_read)
    )


def from_lines(path: Path, asked: Asked) -> None:
    from app.connect.histories.jsonl import bring_lines

    file = HistoryFile(path)
    digest = file.digest()
    with command_engine() as (_, engine):
        [known] = chosen_servers(engine, asked.server)
        with shown_progress(f"Reading {file.name}") as progress:
            tally = Tally(keeps_all=asked.json_file is not None)

            def work(begin: Begin) -> None:
                bring_lines(engine, known.id, file, begin, tally, lambda _: progress(file.position, file.size))

            done = _do(engine, known, "jsonl", file.name, digest, asked, tally, work)
    _tell("jsonl", file.name, known, done, tally, asked.json_file)


def _history(
    kind: str,
    name: str,
    digest: bytes,
    asked: Asked,
    rows: Callable[[Server], Iterable[Told | Unread]],
    show: Callable[[int, Progress], None],
) -> None:
    tally = Tally(keeps_all=asked.json_file is not None)
    with command_engine() as (_, engine):
        [known] = chosen_servers(engine, asked.server)
        with engine.begin() as connection:
            people = whose(connection, known, asked.everybody, asked.users)
        with shown_progress(f"Reading {name}") as progress:

            def work(begin: Begin) -> None:
                bring(engine, known, kind, rows(known), people, begin, tally, lambda n_read: show(n_read, progress))

            whole = hashlib.sha256(digest + repr(people.mapping).encode()).digest()
            done = _do(engine, known, kind, name, whole, asked, tally, work)
    _tell(kind, name, known, done, tally, asked.json_file)


def _do(
    engine: Engine, known: Server, kind: str, name: str, digest: bytes, asked: Asked, tally: Tally, work: Callable[[Begin], None]
) -> Recorded | None:
    """None: nobody wanted more than a look."""
    if not asked.dry_run:
        return record(engine, known.id, kind, name, digest, datetime.now(UTC), tally, work)
    work(None)
    check_useful(kind, name, tally)
    return None


def _zone(name: str | None) -> tzinfo | None:
    """None: the machine's."""
    if name is None:
        return None
    if name not in time_zones():
        raise BadInput(f"{name} is no time zone: one is as Europe/Berlin.")
    return ZoneInfo(name)


def _tell(kind: str, name: str, server: Server, done: Recorded | None, tally: Tally, json_file: Path | None) -> None:
    write_json(
        json_file,
        {"server": server.external_id, "kind": kind, "file": name, "import_id": None if done is None else done.id, **tally.as_json()},
    )
    print(f"{name}: {tally.n_read:,} rows read")
    brought = ", ".join(f"{count:,} {what}" for what, count in tally.kinds.items() if count) or "nothing"
    if done is None:
        print(f"A dry run: {brought} would be imported.")
    else:
        print(f"{brought}: {tally.n_created:,} new, {tally.n_updated:,} changed")
    if tally.how:
        print("Matched by " + ", ".join(f"{how}: {count:,}" for how, count in tally.how.most_common()))
    _tell_misses(tally)
    if done is not None and done.id is not None:
        if done.was_known and not tally.n_created and not tally.n_updated:
            print(f"Nothing changed: the same was imported before, as import {done.id}.")
        else:
            print(f"This is import {done.id}. To take it back: palate import undo {done.id} --server {server.external_id}")


def _tell_misses(tally: Tally) -> None:
    if tally.faults:
        print("Not matched: " + ", ".join(f"{why}: {count:,}" for why, count in tally.faults.most_common()), file=sys.stderr)
    for (title, why), count in tally.misses.most_common(MAX_EXAMPLES):
        print(f"  {why}: {title}" + (f" ({count:,} times)" if count > 1 else ""), file=sys.stderr)
    for person, count in tally.strangers.most_common(MAX_EXAMPLES):
        print(f"  unknown user: {person} ({count:,} rows). Say who it is with --user {person.split(' or ')[-1]}=OURS", file=sys.stderr)
    if tally.n_refused:
        print(f"{tally.n_refused:,} rows could not be used:", file=sys.stderr)
    for one in tally.refused[:MAX_EXAMPLES]:
        print(f"  {one.place}: {one.reason}", file=sys.stderr)
