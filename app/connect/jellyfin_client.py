"""Asking a Jellyfin.

Its token travels in the only header that Jellyfin 12 still takes.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import httpcore
import httpx

from app.connect.lenient import plain_id
from app.connect.media_client import MediaClient, Parameters
from app.connect.websocket import WebSocket, answer_to, new_key
from app.errors import MediaServerDown, MediaServerUnclear

# The request line may have 8 KiB: an id takes 33 bytes of it.
MAX_IDS = 200


class JellyfinClient(MediaClient):
    product = "a Jellyfin 10.11 or 12"
    key_help = "Make an API key in Jellyfin (Dashboard, Advanced, API Keys)."
    limit = "limit"

    def by_id(self, ids: Sequence[str], parameters: Parameters) -> Iterator[list[Any]]:
        """Those of these items that the server still has, some at a time."""
        for first in range(0, len(ids), MAX_IDS):
            some = set(ids[first : first + MAX_IDS])
            answer = self.get("/Items", {**parameters, "ids": sorted(some), "recursive": True})
            # Ids that it can't read it drops, and without any it answers all there is.
            yield [item for item in self.items_of(answer) if isinstance(item, dict) and plain_id(item.get("Id")) in some]

    @contextlib.contextmanager
    def socket(self) -> Iterator[WebSocket]:
        """Its WebSocket, the token in the header as ever. This client takes no other request meanwhile. Raises as `get`, at once."""
        key = new_key()
        headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13"}
        self.n_requests += 1
        try:
            with self._http.stream("GET", self.url + "/socket", headers=headers) as answer:
                if answer.status_code != 101:
                    self.check_status("/socket", answer)
                if answer.headers.get("sec-websocket-accept") != answer_to(key):
                    raise MediaServerUnclear(f"{self.url}/socket opens no socket. Does a proxy stand before it that lets none through?")
                stream = answer.extensions["network_stream"]
                socket = WebSocket(stream, httpcore.ReadTimeout, (httpcore.ReadError, httpcore.WriteError, httpcore.WriteTimeout))
                yield socket
                socket.close()
        except httpx.RequestError as error:
            raise MediaServerDown(f"{self.url} opens no socket ({type(error).__name__}).") from None

    def headers(self, token: str) -> dict[str, str]:
        # The token alone: given somebody's by mistake, of a device named beside it Jellyfin would believe that theirs had become that.
        return {"Authorization": f'MediaBrowser Token="{token}"'}

    def cut(self, start: int, limit: int, *, is_counted: bool) -> Parameters:
        """To count takes long: once."""
        return {"startIndex": start, "limit": limit, "enableTotalRecordCount": is_counted}

    def items_of(self, answer: Any) -> list[Any]:
        items = answer.get("Items") if isinstance(answer, dict) else None
        if not isinstance(items, list):
            raise MediaServerUnclear("The media server answers a list without items.")
        return items

    def total_of(self, answer: Any, n_items: int) -> int:
        total = answer.get("TotalRecordCount")
        if not isinstance(total, int) or isinstance(total, bool) or total < n_items:
            raise MediaServerUnclear("The media server answers a list without its length.")
        return total
