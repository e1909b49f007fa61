"""How often a key and an address may ask, and how often an address may be wrong about a key. Counted by each process for itself."""

import math
import time
from collections import OrderedDict
from collections.abc import MutableMapping
from ipaddress import IPv6Address, ip_address
from typing import Any

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from app.api.middleware import QUIET_ROUTES, App, Receive, Scope, Send, path_of
from app.api.problems import problem
from app.api.webhook_secret import WEBHOOKS, sent_secret
from app.connect.jellyfin_user_token import token_in
from app.db.servers import digest_of

# Keys are too long to guess; this keeps those who try from costing much, and a forgotten client from filling the log.
FAILURES = parse("30/minute")
# Keys that were good lately: they count by themselves, whatever else comes from their address.
MAX_KNOWN = 10_000
# Of an IPv6 address: what one customer is given whole.
NETWORK_BITS = 64


class RateLimits:
    """ASGI middleware, answers 429. `exempt`: the digest of the bootstrap admin key."""

    def __init__(self, app: App, limit: RateLimitItem, exempt: bytes) -> None:
        self.app, self.limit, self.exempt = app, limit, exempt
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._known: OrderedDict[bytes, None] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A monitor that is refused would end a process that is well.
        if scope["type"] != "http" or path_of(scope) in QUIET_ROUTES:
            await self.app(scope, receive, send)
            return
        digest = _sent_key(scope)
        if digest == self.exempt:
            await self.app(scope, receive, send)
            return
        address = _network_of(scope)
        refused_for = self._refuse(digest, address)
        if refused_for is not None:
            detail = f"Too many requests. Ask again in {refused_for} s; PALATE_RATE_LIMIT says how many are answered."
            await problem(429, "Too many requests", detail, {"Retry-After": str(refused_for)})(scope, receive, send)
            return

        async def send_and_see(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self._see(digest, address, scope, message["status"])
            await send(message)

        await self.app(scope, receive, send_and_see)

    def _refuse(self, digest: bytes | None, address: str) -> int | None:
        """For how many seconds, if it is."""
        is_known = digest in self._known
        if not is_known and not self._limiter.test(FAILURES, "failed", address):
            return self._seconds_left(FAILURES, "failed", address)
        who = digest.hex() if digest is not None and is_known else address
        return None if self._limiter.hit(self.limit, "asked", who) else self._seconds_left(self.limit, "asked", who)

    def _see(self, digest: bytes | None, address: str, scope: Scope, status: int) -> None:
        if status == 401 and (digest is not None or scope["method"] == "POST"):
            self._limiter.hit(FAILURES, "failed", address)
            self._known.pop(digest or b"", None)
        elif digest is not None and scope.get("has_good_key", False):
            self._known[digest] = None
            self._known.move_to_end(digest)
            if len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)

    def _seconds_left(self, limit: RateLimitItem, *who: str) -> int:
        return max(1, math.ceil(self._limiter.get_window_stats(limit, *who).reset_time - time.time()))


def _sent_key(scope: Scope) -> bytes | None:
    """The digest of the key that was sent; of the token alone where it is a Jellyfin user's; under /webhooks, of the webhook's secret."""
    if path_of(scope).startswith(WEBHOOKS):
        return sent_secret(scope)
    for name, value in scope["headers"]:
        if name == b"authorization":
            sent = value.decode("latin-1")
            return digest_of(token_in(sent) or sent.partition(" ")[2].strip())
    return None


def _network_of(scope: Scope) -> str:
    host = (scope.get("client") or ("unknown", 0))[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return str(host)
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else f"{int(address) >> (128 - NETWORK_BITS):x}/{NETWORK_BITS}"
    return str(address)
