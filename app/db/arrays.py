"""Rows of fixed width between PostgreSQL and numpy, whole, by binary COPY: no Python object per value.

The format is PostgreSQL's own (documentation of COPY, "Binary Format"): a header of 19 bytes, then for each row the
number of fields and each field as its length and bytes, all big-endian; -1 ends it.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg import Copy
from sqlalchemy import Connection

from app.db.driver import driver_of

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"

Fields = Mapping[str, str]
Record = npt.NDArray[Any]


def halfvec(dimension: int) -> str:
    return f"halfvec:{dimension}"


def read_array(connection: Connection, sql: str, parameters: Mapping[str, Any], fields: Fields) -> Record:
    """Rows of `sql` (psycopg placeholders) as a structured array. No column may be NULL; types: i8, i4, f4, f8, halfvec:N, VN (N bytes)."""
    wire = _wire_type(fields)
    with copying(connection, f"COPY ({sql}) TO STDOUT (FORMAT binary)", parameters) as copy:
        data = b"".join(copy)
    rows = np.frombuffer(data, dtype=wire, count=(len(data) - len(HEADER) - len(TRAILER)) // wire.itemsize, offset=len(HEADER))
    native = np.empty(len(rows), dtype=[(name, _native(kind)) for name, kind in fields.items()])
    for name in fields:
        native[name] = rows[name]["value"] if not fields[name].startswith("halfvec") else rows[name]["value"]["values"]
    return native


def write_array(connection: Connection, table: str, columns: Mapping[str, Any], fields: Fields) -> None:
    """COPY equally long columns into `table`, in the order of `fields`."""
    wire = _wire_type(fields)
    n_rows = len(next(iter(columns.values())))
    rows = np.zeros(n_rows, dtype=wire)
    rows["n_fields"] = len(fields)
    for name, kind in fields.items():
        rows[name]["length"] = wire[name]["value"].itemsize
        if kind.startswith("halfvec"):
            rows[name]["value"]["dimension"] = int(kind.partition(":")[2])
            rows[name]["value"]["values"] = columns[name]
        else:
            rows[name]["value"] = columns[name]
    with copying(connection, f"COPY {table} ({', '.join(fields)}) FROM STDIN (FORMAT binary)", {}) as copy:
        copy.write(HEADER + rows.tobytes() + TRAILER)


@contextlib.contextmanager
def copying(connection: Connection, sql: str, parameters: Mapping[str, Any]) -> Iterator[Copy]:
    with driver_of(connection, "COPY") as driver, driver.cursor() as cursor, cursor.copy(sql, parameters or None) as copy:
        yield copy


def _wire_type(fields: Fields) -> np.dtype[Any]:
    record: list[tuple[str, Any]] = [("n_fields", ">i2")]
    record += [(name, [("length", ">i4"), ("value", _wire_value(kind))]) for name, kind in fields.items()]
    return np.dtype(record)


def _wire_value(kind: str) -> Any:
    if kind.startswith("halfvec"):
        return [("dimension", ">i2"), ("unused", ">i2"), ("values", ">f2", (int(kind.partition(":")[2]),))]
    return kind if kind.startswith("V") else f">{kind}"


def _native(kind: str) -> Any:
    return (np.float16, (int(kind.partition(":")[2]),)) if kind.startswith("halfvec") else np.dtype(kind)
