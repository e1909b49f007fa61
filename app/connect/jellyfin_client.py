"""Asking a Jellyfin: one request at a time, to that server alone, patient with what passes and plain about what does not.

The token travels in one header, the only way that Jellyfin 12 still takes, and is in no address, log line or error.
"""

import email.utils
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import httpx
import orjson

from app.connect.jellyfin_values import plain_id
from app.errors import BadInput, MediaServerDown, MediaServerRefused, MediaServerSlow, MediaServerUnclear

Parameters = Mapping[str, str | int | bool | Sequence[str]]

# A page of 500 takes two to three seconds on servers that answer 200 items a second, the first of a large library half a minute.
PAGE = 500
SMALLEST_PAGE = 20
TIMEOUT_SECONDS = 60.0
PAUSES_SECONDS = (1.0, 4.0, 15.0)
# The request line may have 8 KiB: an id takes 33 bytes of it.
MAX_IDS = 200


class JellyfinClient:
    """Open until closed. `n_requests` counts what was sent, `page` is what the server can bear."""

    def __init__(
        self, url: str, token: str, *, timeout: float = TIMEOUT_SECONDS, pauses: Sequence[float] = PAUSES_SECONDS, page: int = PAGE
    ) -> None:
        self.url = checked_url(url)
        self.page, self.n_requests = page, 0
        self._pauses = pauses
        headers = {"Authorization": f'MediaBrowser Client="Palate", Device="Palate", DeviceId="palate", Token="{_checked_token(token)}"'}
        # What the environment says of proxies is not asked: the token goes to the server and to nobody between.
        self._http = httpx.Client(
            headers=headers, timeout=timeout, follow_redirects=False, trust_env=False, limits=httpx.Limits(max_connections=1)
        )
        self.answered_at: datetime | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def __repr__(self) -> str:
        return f"JellyfinClient({self.url!r})"

    def get(self, path: str, parameters: Parameters | None = None) -> Any:
        """What the server answers, read from JSON. `answered_at` is then when, by its clock.

        Raises MediaServerRefused at once; MediaServerDown, MediaServerUnclear and MediaServerSlow after some patience.
        """
        for pause in (*self._pauses, None):
            try:
                return _read_json(self.url + path, self._once("GET", path, parameters or {}))
            except (MediaServerDown, MediaServerSlow, MediaServerUnclear) as error:
                # An answer that breaks off in the middle is a server that goes down. What was too long is asked for in smaller pieces.
                limit = (parameters or {}).get("limit")
                is_too_long = isinstance(error, MediaServerSlow) and isinstance(limit, int) and limit > SMALLEST_PAGE
                if pause is None or is_too_long:
                    raise error from None
            time.sleep(pause)
        raise AssertionError

    def pages(self, path: str, parameters: Parameters) -> Iterator["Page"]:
        """All pages of a list, in turn; smaller ones from where the server took too long. Raises as `get`.

        A page may be short, as 10.11 leaves out what a user may not see after it cut the page: only the total ends the list.
        """
        start, total = 0, None
        while total is None or start < total:
            limit = self.page
            # To count takes long: once.
            asked = {**parameters, "startIndex": start, "limit": limit, "enableTotalRecordCount": total is None}
            try:
                answer = self.get(path, asked)
            except MediaServerSlow:
                if limit <= SMALLEST_PAGE:
                    raise
                self.page = max(limit // 2, SMALLEST_PAGE)
                continue
            items = items_of(answer)
            if total is None:
                total = _total_of(answer, len(items))
            yield Page(items, total)
            start += limit

    def count(self, path: str, parameters: Parameters) -> int:
        """How long a list is. Raises as `get`."""
        answer = self.get(path, {**parameters, "startIndex": 0, "limit": 1, "enableTotalRecordCount": True})
        return _total_of(answer, len(items_of(answer)))

    def by_id(self, ids: Sequence[str], parameters: Parameters) -> Iterator[list[Any]]:
        """Those of these items that the server still has, some at a time."""
        for first in range(0, len(ids), MAX_IDS):
            some = set(ids[first : first + MAX_IDS])
            answer = self.get("/Items", {**parameters, "ids": sorted(some), "recursive": True})
            # Ids that it can't read it drops, and without any it answers all there is.
            yield [item for item in items_of(answer) if isinstance(item, dict) and plain_id(item.get("Id")) in some]

    def change(self, method: Literal["POST", "DELETE"], path: str, parameters: Parameters | None = None, body: Any = None) -> Any:
        """Have the server change something. What it answers, read from JSON; None where it answers nothing.

        Sent once: after an error nobody knows whether it was done, and done twice it may be another thing. Raises as `get`, at once.
        """
        answer = self._once(method, path, parameters or {}, body)
        return _read_json(self.url + path, answer) if answer.content else None

    def _once(self, method: str, path: str, parameters: Parameters, body: Any = None) -> httpx.Response:
        self.n_requests += 1
        asked = {name: _as_text(value) for name, value in parameters.items()}
        try:
            answer = self._http.request(method, self.url + path, params=asked, json=body)
        except httpx.TimeoutException:
            raise MediaServerSlow from None
        except httpx.RequestError as error:
            raise MediaServerDown(
                f"{self.url} does not answer ({type(error).__name__}). Is the address right, and is it running?"
            ) from None
        _check_status(self.url, path, answer)
        self.answered_at = _date_of(answer)
        return answer


class Page:
    """`total`: of the list, as its first page said."""

    def __init__(self, items: list[Any], total: int) -> None:
        self.items, self.total = items, total


def checked_url(url: str) -> str:
    """Without a slash at its end. Raises BadInput for what is no plain address of a server."""
    try:
        parts = urlsplit(url.strip())
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        httpx.URL(url.strip())
    except (ValueError, httpx.InvalidURL):
        is_good = False
    if not is_good or parts.query or parts.fragment or any(letter.isspace() for letter in parts.netloc):
        raise BadInput("The address of a Jellyfin is as http://192.168.1.5:8096, with the path that it may have behind a proxy.")
    if parts.username is not None or parts.password is not None:
        raise BadInput("The address of a Jellyfin holds no name and password: give its API key as the token.")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _checked_token(token: str) -> str:
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable() or '"' in token:
        raise BadInput("This is no token: a Jellyfin's API key is 32 letters and digits.")
    return token


def _as_text(value: str | int | bool | Sequence[str]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else ",".join(value)


def _check_status(url: str, path: str, answer: httpx.Response) -> None:
    status = answer.status_code
    if answer.is_success:
        return
    if status == 401:
        raise MediaServerRefused
    if status == 403:
        raise MediaServerRefused(f"The token may not ask for {path} on {url}. It must be an API key, or the token of an administrator.")
    if answer.is_redirect:
        raise MediaServerRefused(f"{url} sends elsewhere ({status}). Give the address that it sends to, if that is your Jellyfin.")
    if status >= 500 or status == 429:
        raise MediaServerDown(f"{url}{path} answers {status}. Its log says why.")
    raise MediaServerRefused(f"{url}{path} answers {status}. Is this the address of a Jellyfin 10.11 or 12?")


def _read_json(address: str, answer: httpx.Response) -> Any:
    try:
        return orjson.loads(answer.content)
    except ValueError:
        raise MediaServerUnclear(f"{address} answers what is no JSON. Is this the address of a Jellyfin?") from None


def _date_of(answer: httpx.Response) -> datetime | None:
    try:
        return email.utils.parsedate_to_datetime(answer.headers["date"]).astimezone(UTC)
    except (KeyError, ValueError):
        return None


def items_of(answer: Any) -> list[Any]:
    items = answer.get("Items") if isinstance(answer, dict) else None
    if not isinstance(items, list):
        raise MediaServerUnclear("The media server answers a list without items.")
    return items


def _total_of(answer: Any, n_items: int) -> int:
    total = answer.get("TotalRecordCount")
    if not isinstance(total, int) or isinstance(total, bool) or total < n_items:
        raise MediaServerUnclear("The media server answers a list without its length.")
    return total
