"""What is said of a server's items, for what learns from it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from app.db.statements import statement
from app.learn.item_facts import Description


@dataclass(frozen=True)
class ItemDescription:
    """`prior` and `popularity` as statistics made them."""

    description: Description
    prior: float
    popularity: float
    is_available: bool


def describe_items(connection: Connection, server_id: int) -> dict[int, ItemDescription]:
    """What is said of every item, those gone too, by our id."""
    return {row.id: _described(row) for row in connection.execute(statement("items", "read_descriptions"), {"server_id": server_id})}


def _described(row: Row[Any]) -> ItemDescription:
    minutes = None if row.runtime_seconds is None else row.runtime_seconds / 60
    people = [name for name in row.people if name]
    said = Description(row.year, row.community_rating, row.vote_count, minutes, row.added_at, row.is_series, row.genre_keys, people)
    return ItemDescription(said, row.prior, row.popularity, row.is_available)
