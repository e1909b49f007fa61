"""What a serving process holds in memory: it never waits, never mixes, and comes back from what fails."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs

from app.db import Engine, models
from app.db.engine import working_engine
from app.recommend import rankers as rankers_module
from app.recommend.rankers import Rankers
from app.types import Server
from tests.db.trained import damage, trained

pytestmark = pytest.mark.usefixtures("no_model_stays")


@dataclass(frozen=True)
class Ranker:
    name: str
    content: bytes


class Loader:
    """Makes a ranker when it may, and counts how often it was asked to."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.error: Exception | None = None
        self.asked: list[bytes] = []

    def __call__(self, name: str, content: bytes) -> Ranker:
        self.asked.append(content)
        assert self.may_go_on.wait(10)
        if self.error is not None:
            raise self.error
        return Ranker(name, content)


@pytest.fixture
def loader() -> Loader:
    return Loader()


@pytest.fixture
def failures() -> list[None]:
    return []


@pytest.fixture
def rankers(engine: Engine, loader: Loader, failures: list[None]) -> Iterator[Rankers[Ranker]]:
    rankers = Rankers(engine, loader, lambda: failures.append(None))
    yield rankers
    loader.may_go_on.set()
    rankers.stop()


@pytest.fixture
def make(engine: Engine, server: Server) -> Callable[..., int]:
    def train(content: bytes = b"a ranker", of: Server = server, live_at: datetime | None = None) -> int:
        with engine.begin() as connection:
            model_id = trained(connection, of, content)
            if live_at is not None:
                models.promote(connection, of.id, model_id, None, live_at)
        return model_id

    return train


def until(has_come: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not has_come():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def loaded(rankers: Rankers[Ranker], server: Server, model_id: int) -> Ranker:
    """The ranker, once it is there."""
    until(lambda: (found := rankers.of(server.id, model_id)) is not None and found[0] == model_id)
    found = rankers.of(server.id, model_id)
    assert found is not None
    return found[1]


def test_a_ranker_is_made_once_of_its_name_and_bytes(
    rankers: Rankers[Ranker], loader: Loader, server: Server, make: Callable[..., int]
) -> None:
    model_id = make(b"one")
    ranker = loaded(rankers, server, model_id)
    assert ranker == Ranker("lambdamart", b"one")
    for _ in range(3):
        found = rankers.of(server.id, model_id)
        assert found is not None
        assert found[1] is ranker
    assert loader.asked == [b"one"]


def test_nobody_waits_for_a_ranker_to_load(rankers: Rankers[Ranker], loader: Loader, server: Server, make: Callable[..., int]) -> None:
    model_id = make()
    loader.may_go_on.clear()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: rankers.of(server.id, model_id), range(100))) == [None] * 100
    # Who had waited would wait still.
    loader.may_go_on.set()
    loaded(rankers, server, model_id)
    assert len(loader.asked) == 1


def test_the_old_one_serves_while_the_new_one_loads(
    rankers: Rankers[Ranker], loader: Loader, server: Server, make: Callable[..., int]
) -> None:
    old, new = make(b"old"), make(b"new")
    loaded(rankers, server, old)
    loader.may_go_on.clear()
    for _ in range(3):
        assert rankers.of(server.id, new) == (old, Ranker("lambdamart", b"old"))
    loader.may_go_on.set()
    assert loaded(rankers, server, new).content == b"new"
    # And back, at once.
    assert rankers.of(server.id, old) == (old, Ranker("lambdamart", b"old"))
    assert loader.asked == [b"old", b"new"]


def test_every_answer_has_the_id_of_the_ranker_that_it_was_handed(
    rankers: Rankers[Ranker], server: Server, make: Callable[..., int]
) -> None:
    contents = {make(str(number).encode()): str(number).encode() for number in range(3)}
    first, second, third = contents
    loaded(rankers, server, first)
    wrong = []

    def ask(number: int) -> None:
        found = rankers.of(server.id, (first, second, third, second)[number // 50 % 4])
        if found is None or found[1].content != contents[found[0]]:
            wrong.append(found)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(2000)))
    assert wrong == []


def test_where_no_model_is_live_nothing_serves_and_nothing_is_remembered(
    rankers: Rankers[Ranker], loader: Loader, server: Server, make: Callable[..., int]
) -> None:
    old, new = make(b"old"), make(b"new")
    loaded(rankers, server, old)
    assert rankers.of(server.id, None) is None
    loader.may_go_on.clear()
    assert rankers.of(server.id, new) is None


def test_the_ranker_of_one_server_never_serves_another(
    rankers: Rankers[Ranker], server: Server, make_server: Callable[[], Server], make: Callable[..., int]
) -> None:
    other, model_id = make_server(), make()
    loaded(rankers, server, model_id)
    assert rankers.of(other.id, model_id) is None
    until(lambda: rankers.n_failed == 1)
    assert rankers.of(other.id, model_id) is None


def test_what_fails_is_told_once_and_left_alone_for_a_while(
    rankers: Rankers[Ranker],
    loader: Loader,
    failures: list[None],
    server: Server,
    make: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old, new = make(b"old"), make(b"new")
    loaded(rankers, server, old)
    loader.error = ValueError("not a tree in it")
    with capture_logs() as logged:
        rankers.of(server.id, new)
        until(lambda: rankers.n_failed == 1)
        # Fused scores serve then, not the old one for ever.
        assert [rankers.of(server.id, new) for _ in range(5)] == [None] * 5
        monkeypatch.setattr(rankers_module, "RETRY_SECONDS", 0.0)
        assert rankers.of(server.id, new) is None
        until(lambda: rankers.n_failed == 2)
    assert [line["event"] for line in logged] == ["ranker not loaded"]
    assert (logged[0]["model_id"], logged[0]["error"], logged[0]["detail"]) == (new, "ValueError", "not a tree in it")
    assert loader.asked[:3] == [b"old", b"new", b"new"]
    assert len(failures) >= 2
    # The one before can be gone back to at once, and what is repaired comes back by itself.
    assert rankers.of(server.id, old) is not None
    loader.error = None
    assert loaded(rankers, server, new).content == b"new"


def test_damaged_and_missing_models_are_failures_like_others(
    rankers: Rankers[Ranker], loader: Loader, engine: Engine, server: Server, make_server: Callable[[], Server], make: Callable[..., int]
) -> None:
    damaged, other = make(), make_server()
    with engine.begin() as connection:
        damage(connection, damaged)
    with capture_logs() as logged:
        assert rankers.of(server.id, damaged) is None
        assert rankers.of(other.id, 10**12) is None
        until(lambda: rankers.n_failed == 2)
    assert {line["error"] for line in logged} == {"ModelDamaged", "UnknownModel"}
    assert loader.asked == []


def test_a_database_that_is_away_is_a_failure_without_its_address(loader: Loader, server: Server) -> None:
    nowhere = working_engine("postgresql://somebody:planted-password@127.0.0.1:1/nothing")
    rankers = Rankers(nowhere, loader)
    with capture_logs() as logged:
        assert rankers.warm(5)
        assert rankers.of(server.id, 1) is None
        until(lambda: rankers.n_failed == 1)
        rankers.stop()
    assert [line["event"] for line in logged] == ["live rankers not listed", "ranker not loaded"]
    assert "127.0.0.1" not in str(logged)
    assert "planted" not in str(logged)


def test_the_least_recently_used_go_where_memory_ends(
    rankers: Rankers[Ranker],
    loader: Loader,
    server: Server,
    make_server: Callable[[], Server],
    make: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rankers_module, "MAX_BYTES", 250)
    servers = [server, make_server(), make_server()]
    ids = [make(bytes([number]) * 100, one) for number, one in enumerate(servers)]
    loaded(rankers, servers[0], ids[0])
    loaded(rankers, servers[1], ids[1])
    loaded(rankers, servers[0], ids[0])
    loaded(rankers, servers[2], ids[2])
    assert rankers.of(servers[0].id, ids[0]) is not None
    assert rankers.of(servers[1].id, ids[1]) is None
    assert loaded(rankers, servers[1], ids[1]).content == bytes([1]) * 100


def test_of_one_server_no_more_are_held_than_the_one_that_serves_and_the_one_before(
    rankers: Rankers[Ranker], loader: Loader, server: Server, make: Callable[..., int]
) -> None:
    first, second, third = (make(str(number).encode()) for number in range(3))
    for model_id in (first, second, third):
        loaded(rankers, server, model_id)
    assert rankers.of(server.id, second) is not None
    n_asked = len(loader.asked)
    rankers.of(server.id, first)
    until(lambda: len(loader.asked) == n_asked + 1)


def test_what_is_live_is_warm_before_the_first_request(
    rankers: Rankers[Ranker], server: Server, make_server: Callable[[], Server], make: Callable[..., int], now: datetime
) -> None:
    other = make_server()
    newest, before = make(b"newest", live_at=now), make(b"before", other, now - timedelta(days=1))
    candidate = make(b"candidate", make_server())
    assert rankers.warm(10)
    assert rankers.of(server.id, newest) == (newest, Ranker("lambdamart", b"newest"))
    assert rankers.of(other.id, before) == (before, Ranker("lambdamart", b"before"))
    assert (other.id, candidate) not in rankers._held


def test_warming_ends_where_memory_does_and_does_not_hold_up_a_request(
    rankers: Rankers[Ranker],
    loader: Loader,
    server: Server,
    make_server: Callable[[], Server],
    make: Callable[..., int],
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rankers_module, "MAX_BYTES", 250)
    servers = [server, make_server(), make_server()]
    ids = [make(b"x" * 100, one, now - timedelta(days=number)) for number, one in enumerate(servers)]
    loader.may_go_on.clear()
    assert not rankers.warm(0.05)
    assert rankers.of(servers[0].id, ids[0]) is None
    loader.may_go_on.set()
    until(lambda: len(rankers._held) == 2)
    time.sleep(0.05)
    assert set(rankers._held) == {(servers[0].id, ids[0]), (servers[1].id, ids[1])}


def test_after_the_end_nothing_is_loaded(rankers: Rankers[Ranker], loader: Loader, server: Server, make: Callable[..., int]) -> None:
    rankers.stop()
    rankers.stop()
    assert rankers.of(server.id, make()) is None
    assert loader.asked == []
