"""SQL by name: `sql/<file>.sql` holds blocks that begin with `-- name: <name>`."""

import functools
import re
from pathlib import Path

from sqlalchemy import TextClause, text

FOLDER = Path(__file__).parent / "sql"


@functools.cache
def statement(file: str, name: str) -> TextClause:
    return text(_blocks(file)[name])


@functools.cache
def _blocks(file: str) -> dict[str, str]:
    parts = re.split(r"^-- name: (\w+)\s*$", (FOLDER / f"{file}.sql").read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {name: body.strip().removesuffix(";") for name, body in zip(parts[1::2], parts[2::2], strict=True)}
    if len(found) < len(parts) // 2:
        raise ValueError(f"{file}.sql has two blocks of one name.")
    return found
