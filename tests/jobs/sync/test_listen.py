"""What a Jellyfin says on its socket becomes plays, whatever happens to the socket; and one worker listens."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from app.connect.jellyfin_client import JellyfinClient
from app.db import Engine
from app.db.engine import working_engine
from app.errors import MediaServerDown, MediaServerRefused, MediaServerUnclear
from app.types import Server
from jobs import listen as listening
from tests.connect.fake_jellyfin.library import TICKS_PER_SECOND, generated, guid
from tests.connect.fake_jellyfin.server import KEY, FakeJellyfin
from tests.connect.fake_jellyfin.socket import FakeSocket, frame
from tests.jobs.sync.rows import rows
from tests.planted import SECRET_KEY

FILM, OTHER = guid("Movie 0"), guid("Movie 1")


@pytest.fixture
def fake(make_jellyfin: Callable[..., FakeJellyfin]) -> FakeJellyfin:
    return make_jellyfin(generated(4, 0, 0, 1, 0), 12)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(listening, "LOOK_EVERY_SECONDS", 0.1)
    monkeypatch.setattr(listening, "WAIT_SECONDS", 0.02)
    monkeypatch.setattr(listening, "KEEP_ALIVE_EVERY_SECONDS", 0.05)


@pytest.fixture
def listen(database_url: str, engine: Engine, hasty: None) -> Iterator[Callable[[], threading.Event]]:
    """Starts a listener, as a worker does; the event stops it. What earlier tests connected would be called again and again."""
    with engine.begin() as connection:
        sql = "DELETE FROM connections c USING servers s WHERE s.id = c.server_id AND s.external_id LIKE 'server-%'"
        connection.execute(text(sql))
    started: list[tuple[threading.Event, threading.Thread, Engine]] = []

    def start() -> threading.Event:
        own, stopping = working_engine(database_url, 2), threading.Event()
        thread = threading.Thread(target=listening.listen, args=(own, lambda: SECRET_KEY, stopping))
        thread.start()
        started.append((stopping, thread, own))
        return stopping

    yield start
    for stopping, thread, own in started:
        stopping.set()
        thread.join(10)
        assert not thread.is_alive()
        own.dispose()


@pytest.fixture
def ear(fake: FakeJellyfin, connected: Callable[[FakeJellyfin], Server], listen: Callable[[], threading.Event]) -> Server:
    server = connected(fake)
    listen()
    return server


def session(user: str, item: str, seconds: int, kind: str = "Movie") -> dict[str, Any]:
    playing = {"Id": item, "Type": kind, "RunTimeTicks": 5400 * TICKS_PER_SECOND}
    return {
        "Id": "5" * 32, "UserId": user, "DeviceId": "television", "NowPlayingItem": playing,
        "PlayState": {"PositionTicks": seconds * TICKS_PER_SECOND},
    }  # fmt: skip


def until(found: Callable[[], Any], wanted: Any) -> None:
    for _ in range(500):
        if found() == wanted:
            return
        time.sleep(0.02)
    assert found() == wanted


def assert_heard(socket: FakeSocket, fake: FakeJellyfin, ear: Server, engine: Engine) -> None:
    """What begins now is a play."""
    socket.say("Sessions", [])
    socket.say("Sessions", [session(next(iter(fake.library.users)), FILM, 0)])
    until(lambda: [play.entry for play in rows(engine, ear, "plays")], [FILM])


def test_a_session_that_begins_and_ends_is_a_play(fake: FakeJellyfin, ear: Server, engine: Engine) -> None:
    ada = next(iter(fake.library.users))
    socket = fake.sockets.get(timeout=10)
    assert socket.heard.get(timeout=10) == {"MessageType": "SessionsStart", "Data": "0,5000"}
    assert socket.heard.get(timeout=10) == {"MessageType": "KeepAlive"}
    socket.say("ForceKeepAlive", 60)
    socket.say("Sessions", [])
    socket.say("Sessions", [session(ada, FILM, 2), session(ada, guid("song"), 2, "Audio"), {"Id": "6" * 32}, None])

    def plays() -> list[tuple[str, Any]]:
        return [(play.entry, play.percent) for play in rows(engine, ear, "plays")]

    until(plays, [(FILM, None)])
    # The title goes on to its middle, in pieces of a frame each, with a ping between them.
    content = frame(0x1, b'{"MessageType": "Sessions", "Data": ', is_final=False) + frame(0x9, b"there?")
    import orjson

    socket.raw(content + frame(0x0, orjson.dumps([session(ada, FILM, 2700)]) + b" " * 70_000 + b"}"))
    until(plays, [(FILM, 50.0)])
    assert socket.pongs.get(timeout=10) == b"there?"
    socket.say("Sessions", [session(ada, OTHER, 0)])
    until(lambda: sorted(plays(), key=repr), sorted([(FILM, 50.0), (OTHER, None)], key=repr))


def test_what_was_open_before_is_not_taken_to_begin_now(fake: FakeJellyfin, ear: Server, engine: Engine) -> None:
    ada = next(iter(fake.library.users))
    socket = fake.sockets.get(timeout=10)
    socket.say("Sessions", [session(ada, FILM, 1800)])
    socket.say("Sessions", [session(ada, FILM, 1805), session(ada, OTHER, 0) | {"DeviceId": "phone"}])
    until(lambda: [play.entry for play in rows(engine, ear, "plays")], [OTHER])


def test_a_socket_that_breaks_is_opened_again(fake: FakeJellyfin, ear: Server, engine: Engine) -> None:
    broken = (frame(0x8, b""), b"\x81\xff\x00", frame(0x1, b"no json") + b"\x82\x7f" + b"\xff" * 8)
    for content in broken:
        fake.sockets.get(timeout=10).raw(content)
    socket = fake.sockets.get(timeout=10)
    assert_heard(socket, fake, ear, engine)


def test_a_socket_that_only_keeps_alive_stays_open_and_is_heard_when_it_says_something(
    fake: FakeJellyfin, ear: Server, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "SILENT_SECONDS", 2.0)
    socket = fake.sockets.get(timeout=10)
    socket.say("ForceKeepAlive", 60)
    # Of these there is one in each twentieth of a second.
    for _ in range(60):
        socket.heard.get(timeout=10)
    assert (socket.is_closed.is_set(), fake.sockets.empty(), rows(engine, ear, "plays")) == (False, True, [])
    assert_heard(socket, fake, ear, engine)


def test_a_socket_that_says_nothing_any_more_is_opened_anew(
    fake: FakeJellyfin, ear: Server, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "SILENT_SECONDS", 0.5)
    silent = fake.sockets.get(timeout=10)
    silent.is_mute = True
    assert silent.is_closed.wait(10)
    socket = fake.sockets.get(timeout=10)
    assert_heard(socket, fake, ear, engine)


def test_of_two_workers_one_listens_and_the_other_takes_over(
    fake: FakeJellyfin, connected: Callable[[FakeJellyfin], Server], listen: Callable[[], threading.Event]
) -> None:
    connected(fake)
    first = listen()
    socket = fake.sockets.get(timeout=10)
    listen()
    time.sleep(0.4)
    assert fake.sockets.empty()
    first.set()
    assert socket.is_closed.wait(10)
    assert isinstance(fake.sockets.get(timeout=10), FakeSocket)


def test_the_token_is_in_the_header_alone_and_a_wrong_one_is_refused(fake: FakeJellyfin) -> None:
    with pytest.raises(MediaServerRefused), JellyfinClient(fake.url, "wrong").socket():
        pass
    assert all(KEY not in str(asked.query) for asked in fake.asked)
    fake.always = "503"
    with pytest.raises(MediaServerDown), JellyfinClient(fake.url, KEY).socket():
        pass
    fake.always = "no json"
    with pytest.raises(MediaServerUnclear), JellyfinClient(fake.url, KEY).socket():
        pass
