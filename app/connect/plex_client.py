"""Asking a Plex Media Server. Its token travels in its header."""

from collections.abc import Iterator, Sequence
from typing import Any

from app.connect.lenient import mapping
from app.connect.media_client import MediaClient, Parameters
from app.errors import MediaServerLacks, MediaServerUnclear

START, SIZE = "X-Plex-Container-Start", "X-Plex-Container-Size"
MAX_IDS = 200


class PlexClient(MediaClient):
    product = "a Plex Media Server"
    key_help = "Take the X-Plex-Token of the server's owner (support.plex.tv: finding an authentication token)."
    limit = SIZE

    def container(self, path: str, parameters: Parameters | None = None) -> dict[str, Any]:
        """What every answer is wrapped in. Raises as `get`."""
        return _container(self.get(path, parameters))

    def by_id(self, ids: Sequence[str]) -> Iterator[list[Any]]:
        """All that is known of those of these items that the server still has, some at a time."""
        for first in range(0, len(ids), MAX_IDS):
            try:
                answer = self.get(f"/library/metadata/{','.join(ids[first : first + MAX_IDS])}", {"includeGuids": 1})
            except MediaServerLacks:
                # It has none of them.
                continue
            yield self.items_of(answer)

    def headers(self, token: str) -> dict[str, str]:
        return {"X-Plex-Token": token, "Accept": "application/json"}

    def cut(self, start: int, limit: int, *, is_counted: bool) -> Parameters:  # noqa: ARG002  # it counts each page
        return {START: start, SIZE: limit}

    def items_of(self, answer: Any) -> list[Any]:
        container = _container(answer)
        items = container.get("Metadata", [])
        if not isinstance(items, list) or (not items and container.get("size") not in (0, None)):
            raise MediaServerUnclear("The media server answers a list without items.")
        return items

    def total_of(self, answer: Any, n_items: int) -> int:
        total = _container(answer).get("totalSize")
        if not isinstance(total, int) or isinstance(total, bool) or total < n_items:
            raise MediaServerUnclear("The media server answers a list without its length.")
        return total


def _container(answer: Any) -> dict[str, Any]:
    container = mapping(answer).get("MediaContainer")
    if not isinstance(container, dict):
        raise MediaServerUnclear("The media server answers without a container. Is this the address of a Plex Media Server?")
    return container
