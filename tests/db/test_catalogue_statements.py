"""A statement that changes what answers show goes with a new catalogue version: a new one fails here until that was thought of."""

import re

from app.db.statements import FOLDER

# Those whose functions touch the catalogue, and those that need not.
KNOWN = {
    # ingest_items, in its one transaction.
    "items.name_items", "items.name_entries", "items.write_entries", "items.move_titles", "items.move_parts", "items.describe_items",
    "items.drop_empty_items", "items.orphan_parts",
    # delete_marked, in its one transaction.
    "missing.delete_entries",
    # An entry that is only named is shown to nobody.
    "plays.name_entries",
    "tastes.write_statistics", "spaces.write_vectors", "spaces.write_learned",
    # Of items that are gone, or of spaces that nobody is answered from.
    "spaces.forget_missing_items", "spaces.delete_vectors",
    # Of a scratch database.
    "bench.make_items", "bench.name_entries",
}  # fmt: skip
CHANGES = re.compile(r"\b(?:UPDATE|INSERT INTO|DELETE FROM)\s+(?:items|entries|item_vectors)\b")


def test_every_statement_that_changes_what_is_shown_is_known() -> None:
    found = set()
    for file in FOLDER.glob("*.sql"):
        parts = re.split(r"^-- name: (\w+)\s*$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        found |= {f"{file.stem}.{name}" for name, body in zip(parts[1::2], parts[2::2], strict=True) if CHANGES.search(body)}
    assert found == KNOWN
