"""Where a media server may be: in one's own network, on this machine, anywhere but where none ever is.

A link-local address is where a cloud tells a machine its credentials; one that is unspecified is this machine under another name; to one
that is multicast nobody connects. Each address that a name leads to is looked at when the connection is made, and that very address is
connected to: whoever answers for the name cannot say another thing in between.
"""

import contextlib
import functools
import ipaddress
import socket
import ssl
from collections.abc import Iterable

import httpcore
import httpx

from app.errors import BadInput


class ToMediaServers(httpx.HTTPTransport):
    """For an httpx.Client that asks one. A request to where none may be raises BadInput before anything is sent."""

    def __init__(self) -> None:
        # What the environment says of proxies is not asked: a token goes to the server and to nobody between.
        super().__init__(verify=_tls(), trust_env=False)
        # httpx hands no network on to its pool.
        self._pool = httpcore.ConnectionPool(ssl_context=_tls(), max_connections=1, network_backend=_Network())


@functools.cache
def _tls() -> ssl.SSLContext:
    """Made once: to read the certificates takes longer than most requests."""
    return httpx.create_ssl_context(trust_env=False)


class _Network(httpcore.SyncBackend):
    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:  # fmt: skip
        *others, last = _allowed(host, port)
        for address in others:
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
        return super().connect_tcp(last, port, timeout, local_address, socket_options)


def _allowed(host: str, port: int) -> list[str]:
    """One or more. Decimal and hexadecimal forms are understood as the system understands them."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from None
    # A name of one's own network (.local) may lead to a link-local address beside its usual one.
    allowed = [str(address) for *_, (address, *_) in found if is_allowed(str(address))]
    if not allowed:
        raise BadInput(
            f"{host} leads to where no media server is: an address of the link itself (169.254.0.0/16, fe80::/10), of nobody (0.0.0.0, ::) "
            "or of many (multicast). Give the address that it has in your network, as http://192.168.1.5:8096."
        )
    return allowed


def is_allowed(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or parsed
    return not (parsed.is_link_local or parsed.is_unspecified or parsed.is_multicast)
