"""Spaces and their vectors: filled beside the live one, indexed, and live in one transaction.

A space above OWN_PARTITION_FROM items has a partition and an HNSW index of its own; smaller ones share a partition per
dimension and are searched exactly, so that thousands of small servers are not thousands of partitions.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Engine, text

from app.db import arrays
from app.db.shelves import create_shelf, drop_shelf, partition_name
from app.db.statements import statement
from app.db.tables import PARTITION_SCHEMA
from app.db.versions import touch_catalogue_of_live
from app.types import Fault, ItemToEmbed, Space

# An exact scan of 20,000 rows takes about 8 ms; below, an index is not worth its upkeep (EXPERIMENTS, search).
OWN_PARTITION_FROM = 20_000
# Against 16 and 100: recall@20 on planted clusters .98 for .92, search as fast (EXPERIMENTS, search).
HNSW_M = 24
HNSW_EF_CONSTRUCTION = 200

Floats = npt.NDArray[np.float32]


def live_space(connection: Connection, server_id: int, kind: str) -> Space | None:
    return _first_space(connection, server_id, kind, "live")


def live_spaces(connection: Connection, server_id: int) -> list[Space]:
    rows = connection.execute(statement("spaces", "live_spaces"), {"server_id": server_id})
    return [space_of(row._mapping) for row in rows]


def fresh_spaces(connection: Connection, server_id: int) -> list[Space]:
    """Those whose tastes are kept fresh: the live ones first, and the text space that can be gone back to."""
    rows = connection.execute(statement("spaces", "fresh_spaces"), {"server_id": server_id})
    return [space_of(row._mapping) for row in rows]


def find_space(connection: Connection, server_id: int, space_id: int) -> Space | None:
    row = connection.execute(statement("spaces", "find_space"), {"server_id": server_id, "space_id": space_id}).one_or_none()
    return None if row is None else space_of(row._mapping)


def building_space(connection: Connection, server_id: int, kind: str) -> Space | None:
    return _first_space(connection, server_id, kind, "building")


def create_space(
    connection: Connection,
    server_id: int,
    kind: str,
    model_name: str,
    model_digest: str,
    template_version: int,
    dimension: int,
    n_items: int,
) -> Space:
    """An empty space that is being built, with a partition of its own where it will be large. One of its kind that was begun before and
    not finished is retired."""
    retire_building(connection, server_id, kind)
    values = {
        "server_id": server_id, "kind": kind, "model_name": model_name, "model_digest": model_digest,
        "template_version": template_version, "dimension": dimension,
    }  # fmt: skip
    space_id = int(connection.execute(statement("spaces", "create_space"), values).scalar_one())
    shelf = -dimension
    if n_items > OWN_PARTITION_FROM:
        shelf = space_id
        connection.execute(statement("spaces", "give_own_shelf"), {"server_id": server_id, "space_id": space_id})
    create_shelf(connection, shelf, dimension)
    space = building_space(connection, server_id, kind)
    assert space is not None
    return space


def retire_building(connection: Connection, server_id: int, kind: str) -> None:
    connection.execute(statement("spaces", "retire_building"), {"server_id": server_id, "kind": kind})


def set_centre(connection: Connection, space: Space, centre: Floats, source: Literal["items", "model"]) -> None:
    values = {"server_id": space.server_id, "space_id": space.id, "centre": [float(x) for x in centre], "centre_source": source}
    connection.execute(statement("spaces", "set_centre"), values)


def index_space(connection: Connection, space: Space) -> None:
    """Build the HNSW index of a space with a partition of its own; the shared ones have none."""
    if not space.has_own_partition:
        return
    connection.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
    connection.execute(text(index_statement(space).replace("::", "\\:\\:")))
    connection.execute(text(f"ANALYZE {PARTITION_SCHEMA}.{partition_name(space.shelf)}"))


def index_statement(space: Space) -> str:
    name = partition_name(space.shelf)
    return (
        f"CREATE INDEX IF NOT EXISTS {name}_hnsw ON {PARTITION_SCHEMA}.{name} "
        f"USING hnsw ((target::halfvec({space.dimension})) halfvec_ip_ops) "
        f"WITH (m = {HNSW_M}, ef_construction = {HNSW_EF_CONSTRUCTION})"
    )


def hold_live(connection: Connection, server_id: int) -> None:
    """Until the end of the transaction nobody else who asks for this changes what serves."""
    connection.execute(statement("spaces", "hold_live"), {"name": f"palate live spaces {server_id}"})


def restore_shelf(connection: Connection, space: Space) -> None:
    """Where its partition is gone, an empty one takes its place."""
    if create_shelf(connection, space.shelf, space.dimension):
        index_space(connection, space)


def go_live(connection: Connection, space: Space, now: datetime, *, pinned_over: str | None = None, fault: Fault | None = None) -> None:
    """The space serves, the one that did is kept, and those kept before go, as do candidates of its model. Of two by the same model in
    turn only the newer is left where one by another is kept."""
    values = {
        "server_id": space.server_id, "kind": space.kind, "model_name": space.model_name, "space_id": space.id, "now": now,
        "pinned_over": pinned_over, "fault": fault,
    }  # fmt: skip
    connection.execute(statement("spaces", "retire_living"), values)
    connection.execute(statement("spaces", "set_live"), values)


def put_aside(connection: Connection, space: Space) -> None:
    """The space is kept as a candidate, which nobody is answered from."""
    connection.execute(statement("spaces", "put_aside"), {"server_id": space.server_id, "space_id": space.id})


def retire_candidates(connection: Connection, server_id: int, kind: str, model_name: str) -> None:
    connection.execute(statement("spaces", "retire_candidates"), {"server_id": server_id, "kind": kind, "model_name": model_name})


def drop_retired_spaces(engine: Engine, server_id: int) -> int:
    """Remove what retired spaces hold, without locking out a search. Returns how many there were; killed midway, it is run again."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        retired = connection.execute(statement("spaces", "retired_spaces"), {"server_id": server_id}).all()
        for row in retired:
            values = {"server_id": server_id, "space_id": row.id, "shelf": row.shelf}
            if row.shelf == row.id:
                drop_shelf(connection, row.shelf)
            else:
                connection.execute(statement("spaces", "delete_vectors"), values)
            connection.execute(statement("spaces", "delete_tastes"), values)
            connection.execute(statement("spaces", "delete_space"), values)
    return len(retired)


def retire(connection: Connection, space: Space) -> None:
    connection.execute(statement("spaces", "retire"), {"server_id": space.server_id, "space_id": space.id})


def count_items(connection: Connection, server_id: int) -> int:
    return int(connection.execute(statement("spaces", "count_items"), {"server_id": server_id}).scalar_one())


def items_to_embed(connection: Connection, space: Space) -> list[ItemToEmbed]:
    """Items whose text has no vector in the space, or has changed since, in a fixed shuffled order."""
    return [
        ItemToEmbed(row.id, bytes(row.text_digest), row.body)
        for row in connection.execute(statement("spaces", "items_to_embed"), _where(space))
    ]


def n_items_to_embed(connection: Connection, space: Space) -> int:
    return int(connection.execute(statement("spaces", "n_items_to_embed"), _where(space)).scalar_one())


def n_vectors(connection: Connection, space: Space) -> int:
    return int(connection.execute(statement("spaces", "n_vectors"), _where(space)).scalar_one())


def write_vectors(
    connection: Connection, space: Space, item_ids: npt.NDArray[np.int64], target: Floats, norms: Floats, text_digests: npt.NDArray[Any]
) -> None:
    """Add or replace vectors; `target` has shape (n, dimension), `text_digests` is of dtype V32."""
    connection.execute(statement("spaces", "create_staged_vectors"))
    connection.execute(text("DELETE FROM staged_vectors"))
    columns = {"item_id": item_ids, "target": target, "norm": norms, "text_digest": text_digests}
    fields = {"item_id": "i8", "target": arrays.halfvec(space.dimension), "norm": "f4", "text_digest": "V32"}
    arrays.write_array(connection, "staged_vectors", columns, fields)
    connection.execute(statement("spaces", "write_vectors"), _where(space))
    touch_catalogue_of_live(connection, space)


def write_learned_vectors(
    connection: Connection,
    space: Space,
    item_ids: npt.NDArray[np.int64],
    history: Floats,
    target: Floats,
    is_predicted: npt.NDArray[np.bool_],
) -> None:
    """Add vectors learned from behaviour; `history` and `target` have shape (n, dimension)."""
    connection.execute(statement("spaces", "create_staged_learned"))
    connection.execute(text("DELETE FROM staged_learned"))
    columns = {"item_id": item_ids, "history": history, "target": target, "is_predicted": is_predicted.astype(np.int64)}
    vector = arrays.halfvec(space.dimension)
    fields = {"item_id": "i8", "history": vector, "target": vector, "is_predicted": "i4"}
    arrays.write_array(connection, "staged_learned", columns, fields)
    connection.execute(statement("spaces", "write_learned"), _where(space))
    touch_catalogue_of_live(connection, space)


def set_card(connection: Connection, space: Space, card: dict[str, Any]) -> None:
    """What the space was learned from, and how well; `strength` (0..1) is how far a request trusts it."""
    connection.execute(statement("spaces", "set_card"), {"server_id": space.server_id, "space_id": space.id, "card": json.dumps(card)})


def read_card(connection: Connection, space: Space) -> dict[str, Any]:
    card: dict[str, Any] = connection.execute(
        statement("spaces", "read_card"), {"server_id": space.server_id, "space_id": space.id}
    ).scalar_one()
    return card


def read_learned_vectors(connection: Connection, space: Space) -> npt.NDArray[Any]:
    """All vectors of a space learned from behaviour, by item, as a structured array: item_id, history and target (float16)."""
    sql = """
        SELECT item_id, history, target
        FROM item_vectors
        WHERE server_id = %(server_id)s AND space_id = %(space_id)s AND shelf = %(shelf)s
        ORDER BY item_id
    """
    vector = arrays.halfvec(space.dimension)
    return arrays.read_array(connection, sql, _where(space), {"item_id": "i8", "history": vector, "target": vector})


def read_vectors(connection: Connection, space: Space) -> npt.NDArray[Any]:
    """All vectors of the space by item, as a structured array: item_id, target (float16), norm, text_digest."""
    sql = """
        SELECT item_id, target, norm, coalesce(text_digest, sha256(''))
        FROM item_vectors
        WHERE server_id = %(server_id)s AND space_id = %(space_id)s AND shelf = %(shelf)s
        ORDER BY item_id
    """
    fields = {"item_id": "i8", "target": arrays.halfvec(space.dimension), "norm": "f4", "text_digest": "V32"}
    return arrays.read_array(connection, sql, _where(space), fields)


def forget_missing_items(connection: Connection, space: Space) -> None:
    """Drop the vectors of items that are gone."""
    connection.execute(statement("spaces", "forget_missing_items"), _where(space))


def spaces_of_kind(connection: Connection, server_id: int, kind: str, statuses: Sequence[str]) -> list[Space]:
    """The newest first."""
    values = {"server_id": server_id, "kind": kind, "statuses": list(statuses)}
    return [space_of(row._mapping) for row in connection.execute(statement("spaces", "spaces_of_kind"), values)]


def _first_space(connection: Connection, server_id: int, kind: str, status: str) -> Space | None:
    return next(iter(spaces_of_kind(connection, server_id, kind, (status,))), None)


def space_of(fields: Mapping[Any, Any]) -> Space:
    """From the columns of a row."""
    return Space(**{**fields, "centre": None if fields["centre"] is None else tuple(fields["centre"])})


def _where(space: Space) -> dict[str, Any]:
    return {"server_id": space.server_id, "space_id": space.id, "shelf": space.shelf}


def as_digests(digests: Sequence[bytes]) -> npt.NDArray[Any]:
    return np.frombuffer(b"".join(digests), dtype="V32")
