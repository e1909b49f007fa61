"""Whose a Jellyfin's own user token is: asked of that Jellyfin, and believed for a minute.

Tokens are kept as digests. However many ask with one token at once, it is asked about once.
"""

import hashlib
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from urllib.parse import unquote

import httpx
import orjson

from app.connect.allowed_addresses import ToMediaServers
from app.connect.lenient import guid, mapping, word
from app.errors import MediaServerDown, MediaServerUnclear, PalateError

TIMEOUT_SECONDS = 5.0
MAX_BYTES = 1 << 20
# A revoked token is noticed after as long.
GOOD_SECONDS = 60.0
BAD_SECONDS = 10.0
# A server that did not answer is left alone for as long; those known before stay so while that lasts, up to a restart of some minutes.
DOWN_SECONDS = 5.0
OUTAGE_SECONDS = 600.0
# Somebody known before waits no longer than this for a server that hangs.
PATIENCE_SECONDS = 4.0
MAX_KNOWN = 10_000
MAX_THREADS = 16
MAX_WAITING = 200

PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^",\s]*))')
TOKEN = re.compile(r"[\x21\x23-\x7e]{1,256}")


@dataclass(frozen=True, slots=True)
class TokenUser:
    """`id`: 32 lower-case hex."""

    id: str
    name: str
    is_administrator: bool


Ask = Callable[[str, str], TokenUser | None]


def token_in(header: str) -> str | None:
    """Of an Authorization header: `MediaBrowser Token="..."`, among other values, quoted or not, percent-encoded or not."""
    scheme, _, values = header.strip().partition(" ")
    if scheme.lower() != "mediabrowser":
        return None
    given = {name.lower(): unquote(quoted or bare) for name, quoted, bare in PARAMETER.findall(values)}
    token = given.get("token", "")
    return token if TOKEN.fullmatch(token) else None


def ask_jellyfin(url: str, token: str) -> TokenUser | None:
    """None for a token that is no user's, or whose user is disabled. Raises MediaServerDown, MediaServerUnclear and BadInput."""
    # The token alone: of a client or device named beside it, Jellyfin would believe that the user's own device had become that.
    headers = {"Authorization": f'MediaBrowser Token="{token}"'}
    ends_at = time.monotonic() + TIMEOUT_SECONDS
    body = b""
    try:
        with (
            # One a question: a client keeps the cookies of a proxy, and these may be somebody's.
            httpx.Client(
                headers=headers, timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False, transport=ToMediaServers()
            ) as http,
            http.stream("GET", f"{url}/Users/Me") as answer,
        ):
            if answer.status_code in (400, 401, 403):
                return None
            if answer.status_code != 200:
                raise MediaServerDown
            for part in answer.iter_bytes():
                body += part
                if len(body) > MAX_BYTES or time.monotonic() > ends_at:
                    raise MediaServerUnclear
    except httpx.HTTPError:
        raise MediaServerDown from None
    return _user_of(body)


def _user_of(body: bytes) -> TokenUser | None:
    try:
        user = mapping(orjson.loads(body))
    except ValueError:
        raise MediaServerUnclear from None
    key, policy = guid(user.get("Id")), mapping(user.get("Policy"))
    if key is None:
        raise MediaServerUnclear
    if policy.get("IsDisabled") is True:
        return None
    return TokenUser(key, word(user.get("Name"), 512) or key, policy.get("IsAdministrator") is True)


@dataclass(frozen=True, slots=True)
class _Known:
    """`proven_at`: when the server last said so."""

    user: TokenUser | None
    proven_at: float
    ask_again_at: float


class UserTokens:
    """For many threads at once; `clock` in seconds."""

    def __init__(self, ask: Ask = ask_jellyfin, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._clock = ask, clock
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="user-token")
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._waiting: dict[bytes, Future[TokenUser | None]] = {}
        self._down_until: dict[str, float] = {}
        self._servers: OrderedDict[bytes, int] = OrderedDict()

    def stop(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def user_of(self, server_id: int, url: str, token: str) -> TokenUser | None:
        """The user of this token on the Jellyfin at `url`; None where it says that there is none, or does not say."""
        key = _digest(f"{server_id} {url} {token}")
        with self._lock:
            known = self._known.get(key)
            before = known.user if known is not None and self._clock() - known.proven_at < OUTAGE_SECONDS else None
            if known is not None and self._clock() < known.ask_again_at:
                if known.user is not None:
                    self._known.move_to_end(key)
                return known.user
            waiting = self._waiting.get(key)
            if waiting is None and len(self._waiting) < MAX_WAITING:
                waiting = self._waiting[key] = self._threads.submit(self._find, key, known, server_id, url, token)
        if waiting is None:
            return before
        # While a server is known to be away nobody waits to hear that it still is: each waits in a thread that answers others.
        patience = TIMEOUT_SECONDS + 1 if before is None else 0 if url in self._down_until else PATIENCE_SECONDS
        try:
            return waiting.result(patience)
        except TimeoutError:
            return before

    def server_of(self, token: str) -> int | None:
        """Where this token was good lately, by our id."""
        with self._lock:
            return self._servers.get(_digest(token))

    def _find(self, key: bytes, before: _Known | None, server_id: int, url: str, token: str) -> TokenUser | None:
        found = None
        try:
            found = self._asked(before, url, token)
            return found.user
        finally:
            with self._lock:
                del self._waiting[key]
                if found is not None:
                    self._keep(key, found, _digest(token), server_id)

    def _asked(self, before: _Known | None, url: str, token: str) -> _Known:
        now = self._clock()
        if now >= self._down_until.get(url, now):
            try:
                user = self._ask(url, token)
            except PalateError:
                self._down_until[url] = self._clock() + DOWN_SECONDS
            else:
                self._down_until.pop(url, None)
                return _Known(user, now, now + (BAD_SECONDS if user is None else GOOD_SECONDS))
        if before is None or now - before.proven_at >= OUTAGE_SECONDS:
            before = _Known(None, now, now)
        return replace(before, ask_again_at=now + DOWN_SECONDS)

    def _keep(self, key: bytes, found: _Known, token: bytes, server_id: int) -> None:
        self._known[key] = found
        # Where there are too many the first go: those that were never good, so that a flood of them pushes nobody out.
        self._known.move_to_end(key, last=found.user is not None)
        if found.user is not None:
            self._servers[token] = server_id
            self._servers.move_to_end(token)
        for kept in (self._known, self._servers):
            while len(kept) > MAX_KNOWN:
                kept.popitem(last=False)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
