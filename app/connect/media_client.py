"""Asking a media server: one request at a time, to that server alone, patient with what passes and plain about what does not.

The token travels in one header and is in no address, log line or error.
"""

import email.utils
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

import httpx
import orjson

from app.connect.allowed_addresses import ToMediaServers
from app.errors import BadInput, MediaServerDown, MediaServerLacks, MediaServerRefused, MediaServerSlow, MediaServerUnclear

Parameters = Mapping[str, str | int | bool | Sequence[str]]

# A page of 500 takes two to three seconds on servers that answer 200 items a second, the first of a large library half a minute.
PAGE = 500
SMALLEST_PAGE = 20
TIMEOUT_SECONDS = 60.0
PAUSES_SECONDS = (1.0, 4.0, 15.0)


class MediaClient(ABC):
    """Open until closed. `n_requests` counts what was sent, `page` is what the server can bear."""

    product: ClassVar[str]
    # How a token of this product is made, for people; and the parameter that says how long a page is to be.
    key_help: ClassVar[str]
    limit: ClassVar[str]

    def __init__(
        self, url: str, token: str, *, timeout: float = TIMEOUT_SECONDS, pauses: Sequence[float] = PAUSES_SECONDS, page: int = PAGE
    ) -> None:
        self.url = checked_url(url)
        self.page, self.n_requests = page, 0
        self._pauses = pauses
        self._http = httpx.Client(
            headers=self.headers(self._checked_token(token)), timeout=timeout, follow_redirects=False, trust_env=False,
            transport=ToMediaServers(),
        )  # fmt: skip
        self.answered_at: datetime | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def get(self, path: str, parameters: Parameters | None = None) -> Any:
        """What the server answers, read from JSON. `answered_at` is then when, by its clock.

        Raises MediaServerRefused at once, and BadInput where none may be; MediaServerDown, MediaServerUnclear and MediaServerSlow after
        some patience.
        """
        return self._patiently("GET", path, parameters or {}, None)

    def ask(self, path: str, body: Any) -> Any:
        """What the server answers to this body, where a question takes one. Raises as `get`."""
        return self._patiently("POST", path, {}, body)

    def change(self, method: Literal["POST", "DELETE"], path: str, parameters: Parameters | None = None, body: Any = None) -> Any:
        """Have the server change something. What it answers, read from JSON; None where it answers nothing.

        Sent once: after an error nobody knows whether it was done, and done twice it may be another thing. Raises as `get`, at once.
        """
        answer = self._once(method, path, parameters or {}, body)
        return self._read_json(path, answer) if answer.content else None

    def _patiently(self, method: str, path: str, parameters: Parameters, body: Any) -> Any:
        for pause in (*self._pauses, None):
            try:
                return self._read_json(path, self._once(method, path, parameters, body))
            except (MediaServerDown, MediaServerSlow, MediaServerUnclear) as error:
                # An answer that breaks off in the middle is a server that goes down. What was too long is asked for in smaller pieces.
                limit = parameters.get(self.limit)
                is_too_long = isinstance(error, MediaServerSlow) and isinstance(limit, int) and limit > SMALLEST_PAGE
                if pause is None or is_too_long:
                    raise error from None
            time.sleep(pause)
        raise AssertionError

    def pages(self, path: str, parameters: Parameters) -> Iterator["Page"]:
        """All pages of a list, in turn; smaller ones from where the server took too long. Raises as `get`.

        A page may be short, as Jellyfin 10.11 leaves out what a user may not see after it cut the page: only the total ends the list.
        """
        start, total = 0, None
        while total is None or start < total:
            limit = self.page
            try:
                answer = self.get(path, {**parameters, **self.cut(start, limit, is_counted=total is None)})
            except MediaServerSlow:
                if limit <= SMALLEST_PAGE:
                    raise
                self.page = max(limit // 2, SMALLEST_PAGE)
                continue
            items = self.items_of(answer)
            if total is None:
                total = self.total_of(answer, len(items))
            yield Page(items, total)
            start += limit

    def count(self, path: str, parameters: Parameters) -> int:
        """How long a list is. Raises as `get`."""
        answer = self.get(path, {**parameters, **self.cut(0, 1, is_counted=True)})
        return self.total_of(answer, len(self.items_of(answer)))

    @abstractmethod
    def headers(self, token: str) -> dict[str, str]:
        """Those that every request carries: in one of them travels the token."""

    @abstractmethod
    def cut(self, start: int, limit: int, *, is_counted: bool) -> Parameters:
        """The parameters of a page; where it `is_counted`, its list's length is asked for."""

    @abstractmethod
    def items_of(self, answer: Any) -> list[Any]:
        """Those of a page. Raises MediaServerUnclear for what is none."""

    @abstractmethod
    def total_of(self, answer: Any, n_items: int) -> int:
        """How long the list is of which this is a page of so many. Raises MediaServerUnclear where it does not say."""

    def asked(self, path: str, parameters: Parameters) -> tuple[str, Parameters]:
        """As this make of server wants to be asked."""
        return path, parameters

    def _once(self, method: str, path: str, parameters: Parameters, body: Any) -> httpx.Response:
        self.n_requests += 1
        path, parameters = self.asked(path, parameters)
        given = {name: _as_text(value) for name, value in parameters.items()}
        try:
            answer = self._http.request(method, self.url + path, params=given, json=body)
        except httpx.TimeoutException:
            raise MediaServerSlow from None
        except httpx.RequestError as error:
            raise MediaServerDown(
                f"{self.url} does not answer ({type(error).__name__}). Is the address right, and is it running?"
            ) from None
        self.check_status(path, answer)
        self.answered_at = _date_of(answer)
        return answer

    def _read_json(self, path: str, answer: httpx.Response) -> Any:
        try:
            return orjson.loads(answer.content)
        except ValueError:
            raise MediaServerUnclear(f"{self.url}{path} answers what is no JSON. Is this the address of {self.product}?") from None

    def _checked_token(self, token: str) -> str:
        token = token.strip()
        if not token or not token.isascii() or not token.isprintable() or '"' in token:
            raise BadInput(f"This is no token. {self.key_help}")
        return token

    def check_status(self, path: str, answer: httpx.Response) -> None:
        status = answer.status_code
        if answer.is_success:
            return
        if status == 401:
            raise MediaServerRefused(f"{self.url} does not accept the token. {self.key_help} Then run `palate connect` again.")
        if status == 403:
            raise MediaServerRefused(f"The token may not ask for {path} on {self.url}. {self.key_help}")
        if answer.is_redirect:
            raise MediaServerRefused(f"{self.url} sends elsewhere ({status}). Give the address that it sends to, if that is yours.")
        if status >= 500 or status == 429:
            raise MediaServerDown(f"{self.url}{path} answers {status}. Its log says why.")
        error = MediaServerLacks if status == 404 else MediaServerRefused
        raise error(f"{self.url}{path} answers {status}. Is this the address of {self.product}?")


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
        raise BadInput("The address of a media server is as http://192.168.1.5:8096, with the path that it may have behind a proxy.")
    if parts.username is not None or parts.password is not None:
        raise BadInput("The address of a media server holds no name and password: its token is given by itself.")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _as_text(value: str | int | bool | Sequence[str]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else ",".join(value)


def _date_of(answer: httpx.Response) -> datetime | None:
    try:
        return email.utils.parsedate_to_datetime(answer.headers["date"]).astimezone(UTC)
    except (KeyError, ValueError):
        return None
