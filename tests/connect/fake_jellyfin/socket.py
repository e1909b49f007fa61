"""The server's side of a WebSocket, as a made-up Jellyfin speaks it."""

import queue
import struct
import threading
from typing import Any, BinaryIO

import orjson

from app.connect.websocket import answer_to


class FakeSocket:
    """One connection. `heard` is what the client sent, `say` sends to it; `raw` sends bytes as they are. A sign of life is answered by one,
    unless it `is_mute`, as when a machine in between went away."""

    def __init__(self, reader: BinaryIO, writer: Any) -> None:
        self._reader, self._writer = reader, writer
        self.heard: queue.Queue[dict[str, Any]] = queue.Queue()
        self.is_mute = False
        self._writing = threading.Lock()
        self.pongs: queue.Queue[bytes] = queue.Queue()
        self.is_closed = threading.Event()

    def say(self, kind: str, data: Any) -> None:
        self.raw(frame(0x1, orjson.dumps({"MessageType": kind, "Data": data})))

    def raw(self, content: bytes) -> None:
        with self._writing:
            self._writer.write(content)
            self._writer.flush()

    def hear(self) -> None:
        """Until the client closes."""
        while (head := self._reader.read(2)) and len(head) == 2:
            size = head[1] & 0x7F
            assert head[1] & 0x80, "a client masks what it sends"
            if size == 126:
                size = struct.unpack("!H", self._reader.read(2))[0]
            mask, masked = self._reader.read(4), self._reader.read(size)
            content = bytes(byte ^ mask[place % 4] for place, byte in enumerate(masked))
            match head[0] & 0x0F:
                case 0x1:
                    message = orjson.loads(content)
                    self.heard.put(message)
                    if message["MessageType"] == "KeepAlive" and not self.is_mute:
                        self.say("KeepAlive", None)
                case 0xA:
                    self.pongs.put(content)
                case 0x8:
                    break
        self.is_closed.set()


def frame(kind: int, content: bytes, *, is_final: bool = True) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 126 else b"\x7e" + struct.pack("!H", size) if size < 65_536 else b"\x7f" + struct.pack("!Q", size)
    return bytes([(0x80 if is_final else 0) | kind]) + length + content


def handshake(key: str) -> bytes:
    lines = ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {answer_to(key)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
