"""Hears what connected Jellyfins say on their sockets, for those without the webhook plugin: one worker of all, a thread for each server.

An API key hears who is watching what, and neither what changes in the library nor what users mark: those a sync asks for. What a webhook
tells too is the same sitting.
"""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import orjson
import structlog

from app.connect.jellyfin_client import JellyfinClient
from app.connect.jellyfin_sessions import Watched
from app.connect.live import take
from app.connect.news import Report
from app.connect.websocket import WebSocket
from app.db import Engine, SQLAlchemyError
from app.db.connections import connected_servers, find_connection
from app.db.locks import only_one
from app.db.servers import find_server
from app.errors import AlreadyRunning, MediaServerDown, PalateError
from app.secrets import decrypted
from app.types import Server

log = structlog.get_logger()

# Another worker may have stopped, or a server been connected.
LOOK_EVERY_SECONDS = 30.0
KEEP_ALIVE_EVERY_SECONDS = 30.0
# It answers to each sign of life.
SILENT_SECONDS = 100.0
# How soon a stop is noticed.
WAIT_SECONDS = 0.5
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, LASTED_SECONDS = 1.0, 300.0, 60.0
# At once, and then every five seconds while something changes.
START = '{"MessageType":"SessionsStart","Data":"0,5000"}'
ALIVE = '{"MessageType":"KeepAlive"}'


def listen(engine: Engine, secret: Callable[[], str], stopping: threading.Event) -> None:
    """Until stopped. The engine is its own: it holds a connection all the time. `secret` decrypts the stored tokens."""
    while not stopping.wait(0):
        try:
            with only_one(engine, "listen"):
                _listen_to_all(engine, secret, stopping)
        except AlreadyRunning:
            pass
        except (SQLAlchemyError, PalateError) as error:
            log.warning("sockets: will try again", error=type(error).__name__)
        stopping.wait(LOOK_EVERY_SECONDS)


def _listen_to_all(engine: Engine, secret: Callable[[], str], stopping: threading.Event) -> None:
    """Returns, or raises, when all its threads have ended."""
    threads: dict[str, threading.Thread] = {}
    leaving = threading.Event()
    try:
        while not stopping.is_set():
            with engine.begin() as connection:
                found = [find_server(connection, name) for name in connected_servers(connection, "jellyfin")]
            for server in found:
                if server is None or (server.external_id in threads and threads[server.external_id].is_alive()):
                    continue
                ear = Ear(engine, server, secret, lambda: stopping.is_set() or leaving.is_set())
                threads[server.external_id] = threading.Thread(target=ear.listen, name=f"socket {server.external_id}", daemon=True)
                threads[server.external_id].start()
            stopping.wait(LOOK_EVERY_SECONDS)
    finally:
        leaving.set()
        for thread in threads.values():
            thread.join(2 * WAIT_SECONDS)


class Ear:
    """Listens to one server, and again when it comes back."""

    def __init__(self, engine: Engine, server: Server, secret: Callable[[], str], is_over: Callable[[], bool]) -> None:
        self._engine, self._server, self._secret, self._is_over = engine, server, secret, is_over

    def listen(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._is_over():
            began = time.monotonic()
            try:
                self.listen_once()
            except (PalateError, SQLAlchemyError) as error:
                log.info("socket closed", server=self._server.external_id, error=type(error).__name__)
            lasted = time.monotonic() - began >= LASTED_SECONDS
            pause = FIRST_PAUSE_SECONDS if lasted else min(2 * pause, LONGEST_PAUSE_SECONDS)
            # Not all at once where many wait for the same network.
            self._rest(pause * random.uniform(0.5, 1.5))

    def listen_once(self) -> None:
        """Until the socket closes or it is over. Raises as `JellyfinClient.get`."""
        with self._engine.begin() as connection:
            stored = find_connection(connection, self._server.id)
        if stored is None:
            self._rest(LONGEST_PAUSE_SECONDS)
            return
        with JellyfinClient(stored.url, decrypted(stored.token, self._secret())) as client, client.socket() as socket:
            log.info("socket open", server=self._server.external_id)
            socket.send(START)
            self._hear(socket)

    def _hear(self, socket: WebSocket) -> None:
        watched = Watched()
        alive_at = heard_at = time.monotonic()
        while not self._is_over():
            text = socket.receive(WAIT_SECONDS)
            now = time.monotonic()
            if text is not None:
                heard_at = now
                self._take(watched, text)
            elif now - heard_at > SILENT_SECONDS:
                raise MediaServerDown("The media server's socket is silent.")
            if now - alive_at >= KEEP_ALIVE_EVERY_SECONDS:
                socket.send(ALIVE)
                alive_at = now

    def _take(self, watched: Watched, text: str) -> None:
        with contextlib.suppress(ValueError):
            message = orjson.loads(text)
            if isinstance(message, dict) and message.get("MessageType") == "Sessions":
                self._write(watched.look(message.get("Data"), datetime.now(UTC)))

    def _write(self, reports: Iterable[Report]) -> None:
        for report in reports:
            with self._engine.begin() as connection:
                take(connection, self._server, "jellyfin", report, report.at)

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._is_over() and time.monotonic() < until:
            time.sleep(min(WAIT_SECONDS, max(until - time.monotonic(), 0)))
