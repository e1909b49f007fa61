"""A search by meaning and by title, for whoever was let in."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from fastapi import Request

from app.api.measuring import count_lacks
from app.db import Connection
from app.recommend import find
from app.types import Server


def searched(
    request: Request, server_id: str, user_id: str | None, open_server: Callable[[Connection], Server], words: str, *, limit: int,
    include_seen: bool, kind: Literal["movie", "series"] | None = None,
) -> find.Found:  # fmt: skip
    """Two transactions: no connection is held while the encoder works."""
    state = request.app.state
    with state.reads.begin(server_id, user_id) as connection:
        server = open_server(connection)
        space = find.text_space(connection, server)
    meaning = find.meaning_of(state.query_encoder, space, words)
    with state.reads.begin(server_id, user_id) as connection:
        found = find.find(
            connection, server, user_id, words, space, meaning, limit=limit, include_seen=include_seen, kind=kind, now=datetime.now(UTC)
        )  # fmt: skip
    count_lacks(found.degraded)
    return found
