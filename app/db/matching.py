"""Which entry a foreign history means."""

from collections.abc import Sequence

from sqlalchemy import Connection, text

from app.db.ingest import empty_table, fields, stage
from app.db.statements import statement
from app.ingest_types import Match, Wanted


def match_titles(connection: Connection, server_id: int, wanted: Sequence[Wanted]) -> list[Match]:
    """A match for each, in their order; deleted entries too, as history outlives them. `wanted` holds none twice."""
    empty_table(connection, "matching", "wanted")
    rows = [(index, *fields(one), "movie" if one.kind == "movie" else "series") for index, one in enumerate(wanted)]
    stage(connection, "wanted", rows, len(rows))
    found = connection.execute(text(statement("matching", "match").text.format(**_NAMES)), {"server_id": server_id})
    return [Match(None, None, row.fault) if row.fault else Match(row.how, row.entry, None) for row in found]


def _folded(name: str) -> str:
    """Names are the same whatever their case, accents and spaces; as in `items.search_key`."""
    spaced = f"regexp_replace(btrim({name}), '\\s+', ' ', 'g')"
    return f"regexp_replace(normalize(lower({spaced}), NFKD), '[\\u0300-\\u036f]', '', 'g')"


_NAMES = {
    "e_name": _folded("e.body->>'name'"),
    "e_original": _folded("e.body->>'original_name'"),
    "i_name": _folded("i.name"),
    "w_name": _folded("w.name"),
    "w_part": _folded("w.part_name"),
    "w_own_name": _folded("CASE WHEN w.kind = 'episode' THEN w.part_name ELSE w.name END"),
}
