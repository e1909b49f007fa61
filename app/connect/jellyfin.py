"""A Jellyfin, as a sync reads it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Self

from app.connect.jellyfin_client import JellyfinClient
from app.connect.jellyfin_history import has_history, read_history
from app.connect.jellyfin_items import BARE, count_items, read_ids, read_items, read_items_by_id, read_libraries
from app.connect.jellyfin_server import look_around, read_info
from app.connect.jellyfin_states import EVERYTHING, NEWS, read_states, read_states_by_id
from app.connect.jellyfin_users import read_saved_titles, read_users, visible_among
from app.connect.lenient import plain_id
from app.connect.media_server import Found, HistoryPage, Library, MediaUser, ServerInfo
from app.connect.states import PARTS, TITLES, State


class Jellyfin:
    source, product = "jellyfin", "Jellyfin"

    def __init__(self, client: JellyfinClient) -> None:
        self.client = client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.client.__exit__(*error)

    @property
    def url(self) -> str:
        return self.client.url

    @property
    def n_requests(self) -> int:
        return self.client.n_requests

    @property
    def answered_at(self) -> datetime | None:
        return self.client.answered_at

    def info(self) -> ServerInfo:
        return read_info(self.client)

    def look_around(self) -> Found:
        return look_around(self.client)

    def libraries(self) -> list[Library]:
        return read_libraries(self.client)

    def count_items(self, library: Library, kind: str) -> int:
        return count_items(self.client, library, kind)

    def items(self, library: Library, saved_since: datetime | None) -> Iterator[list[dict[str, Any]]]:
        return read_items(self.client, library, saved_since)

    def items_by_id(self, library: Library, ids: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        return read_items_by_id(self.client, library, ids)

    def ids(self, library: Library) -> tuple[set[str], bool]:
        return read_ids(self.client, library)

    def users(self) -> list[MediaUser]:
        return read_users(self.client)

    def everything(self, user: str) -> Iterator[list[State]]:
        for question in EVERYTHING:
            yield from read_states(self.client, user, question, None)

    def news(self, user: str, known_until: datetime | None) -> Iterator[list[State]]:
        for question in NEWS:
            yield from read_states(self.client, user, question, known_until)

    def states_by_id(self, user: str, ids: Sequence[str]) -> Iterator[list[State]]:
        return read_states_by_id(self.client, user, ids)

    def saved_titles(self, user: str, saved_since: datetime) -> set[str]:
        return read_saved_titles(self.client, user, saved_since)

    def visible_among(self, user: str, ids: Sequence[str]) -> set[str]:
        return visible_among(self.client, user, ids)

    def present_among(self, ids: Sequence[str]) -> set[str]:
        asked = {**BARE, "includeItemTypes": TITLES + PARTS}
        return {str(plain_id(item["Id"])) for items in self.client.by_id(ids, asked) for item in items}

    def history(self, known_row: int | None) -> Iterator[HistoryPage]:
        return read_history(self.client, known_row) if has_history(self.client) else iter(())
