"""The client's side of a WebSocket (RFC 6455), as little of it as a Jellyfin speaks: texts, pings and a close, over a stream of httpx's."""

import base64
import hashlib
import os
import struct
from typing import Protocol

from app.errors import MediaServerDown, MediaServerUnclear

MAX_MESSAGE_BYTES = 16 << 20
READ_BYTES = 65_536
WRITE_SECONDS = 10.0
CONTINUATION, TEXT, CLOSE, PING, PONG = 0x0, 0x1, 0x8, 0x9, 0xA
FINAL, MASKED = 0x80, 0x80


class Stream(Protocol):
    """httpcore's NetworkStream."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes: ...

    def write(self, buffer: bytes, timeout: float | None = None) -> None: ...


def new_key() -> str:
    return base64.b64encode(os.urandom(16)).decode()


def answer_to(key: str) -> str:
    """What a server answers to a client's key (RFC 6455, 4.2.2)."""
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode(), usedforsecurity=False).digest()).decode()


class WebSocket:
    """`timeouts`: the errors by which the stream says that nothing came in time, and `faults` that it broke."""

    def __init__(self, stream: Stream, timeouts: type[Exception], faults: tuple[type[Exception], ...]) -> None:
        self._stream, self._timeouts, self._faults = stream, timeouts, faults
        self._received = bytearray()
        self._message = bytearray()

    def send(self, text: str) -> None:
        self._send(TEXT, text.encode())

    def receive(self, seconds: float) -> str | None:
        """The next text; None where none came in this time. Raises MediaServerDown when the other side has closed, MediaServerUnclear."""
        while (frame := self._frame()) is None:
            try:
                read = self._stream.read(READ_BYTES, seconds)
            except self._timeouts:
                return None
            except self._faults:
                read = b""
            if not read:
                raise MediaServerDown("The media server closed its socket.")
            self._received += read
        is_final, kind, payload = frame
        if kind == CLOSE:
            raise MediaServerDown("The media server closed its socket.")
        if kind == PING:
            self._send(PONG, payload)
        if kind not in (TEXT, CONTINUATION):
            return None
        self._message += payload
        if len(self._message) > MAX_MESSAGE_BYTES:
            raise MediaServerUnclear("The media server sends a message that is too long.")
        if not is_final:
            return None
        text, self._message = bytes(self._message), bytearray()
        return text.decode("utf-8", "replace")

    def close(self) -> None:
        """Say goodbye, to whoever is still there."""
        try:
            self._send(CLOSE, struct.pack("!H", 1000))
        except MediaServerDown:
            return

    def _frame(self) -> tuple[bool, int, bytes] | None:
        """The first whole frame of what was received, taken from it. A server's are not masked."""
        head = self._received
        if len(head) < 2:
            return None
        length, start = head[1] & 0x7F, 2
        if length >= 126 and not head[1] & MASKED:
            start = 4 if length == 126 else 10
            if len(head) < start:
                return None
            length = int.from_bytes(head[2:start], "big")
        if head[1] & MASKED or length > MAX_MESSAGE_BYTES:
            raise MediaServerUnclear("The media server's socket sends what is no message.")
        if len(head) < start + length:
            return None
        is_final, kind, payload = bool(head[0] & FINAL), head[0] & 0x0F, bytes(head[start : start + length])
        del head[: start + length]
        return is_final, kind, payload

    def _send(self, kind: int, payload: bytes) -> None:
        mask = os.urandom(4)
        size = len(payload)
        length = bytes([MASKED | size]) if size < 126 else bytes([MASKED | 126]) + struct.pack("!H", size)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        try:
            self._stream.write(bytes([FINAL | kind]) + length + mask + masked, WRITE_SECONDS)
        except (self._timeouts, *self._faults):
            raise MediaServerDown("The media server closed its socket.") from None
