"""A running Tautulli's history, page by page: one request at a time, to that address alone.

Tautulli takes its key in the address and nowhere else, so no address is in an error here.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import orjson

from app.connect.allowed_addresses import ToMediaServers
from app.connect.histories.tautulli import history_rows, read_rows
from app.connect.histories.told import Told, Unread
from app.connect.media_client import checked_url
from app.errors import BadInput, MediaServerDown, MediaServerRefused, MediaServerSlow, MediaServerUnclear

PAGE = 1000
TIMEOUT_SECONDS = 60.0


def tautulli_url(url: str) -> str:
    try:
        return checked_url(url)
    except BadInput:
        raise BadInput(
            "The address of a Tautulli is as http://192.168.1.5:8181, with the path that it may have, and without a key."
        ) from None


def read_tautulli_api(url: str, key: str, page: int = PAGE) -> Iterator[Told | Unread]:
    """All that it keeps, the oldest first: what is watched meanwhile comes at the end. Raises MediaServer..."""
    start = 0
    with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False, transport=ToMediaServers()) as http:
        while True:
            asked = {"cmd": "get_history", "grouping": 0, "order_column": "date", "order_dir": "asc", "start": start, "length": page}
            answer = _get(http, f"{url}/api/v2", {"apikey": key, **asked})
            rows = history_rows(answer, url)
            yield from read_rows(rows, start + 1)
            start += len(rows)
            if not rows or start >= _total(answer):
                return


def _total(answer: Any) -> int:
    try:
        return int(answer["response"]["data"]["recordsFiltered"])
    except (KeyError, TypeError, ValueError):
        raise MediaServerUnclear("Tautulli does not say how long its history is.") from None


def _get(http: httpx.Client, url: str, parameters: dict[str, Any]) -> Any:
    try:
        answer = http.get(url, params=parameters)
    except httpx.TimeoutException:
        raise MediaServerSlow("Tautulli takes too long to answer. Try again; what came so far is kept.") from None
    except httpx.RequestError as error:
        raise MediaServerDown(f"{url} does not answer ({type(error).__name__}). Is the address right, and is it running?") from None
    if answer.is_redirect:
        raise MediaServerRefused(
            f"{url} sends elsewhere ({answer.status_code}). Give the address that it sends to, if that is your Tautulli."
        )
    if answer.status_code in (400, 401, 403):
        raise MediaServerRefused("Tautulli does not accept the key. It is in its settings, Web Interface, API.")
    if not answer.is_success:
        raise MediaServerDown(f"{url} answers {answer.status_code}.")
    try:
        return orjson.loads(answer.content)
    except ValueError:
        raise MediaServerUnclear(f"{url} answers what is no JSON. Is this the address of a Tautulli?") from None
