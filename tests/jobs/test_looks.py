"""Looking at what is due goes on whatever goes wrong in it, and can be seen to go on."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest

from app.db import spaces
from app.db.locks import only_one
from app.db.looks import last_looked_at, note_look
from app.errors import ModelMissing
from app.types import Server
from jobs import looks
from jobs.looks import look_again_and_again, pause_after
from jobs.worker import Clock, Looker
from tests.db.household import House, film
from tests.jobs.conftest import MakeHome
from tests.jobs.working import Queue, until

WEIGHTS = "\x00" * 8


def last_look(queue: Queue) -> datetime | None:
    with queue.engine.begin() as connection:
        return last_looked_at(connection)


def is_counted(queue: Queue, server: Server) -> bool:
    """Whether its titles have their statistics."""
    return queue.query("SELECT id FROM items WHERE server_id = :id AND prior = 0", id=server.id) == []


def make_strange(queue: Queue, make_home: MakeHome, name: str) -> Server:
    """Its weights are no weights: what is due there can't be found out."""
    strange = make_home(name, weights="many")
    with queue.engine.begin() as connection:
        spaces.create_space(connection, strange.id, "text", "m", "m", 1, 8, 0)
    queue.query("UPDATE spaces SET status = 'live' WHERE server_id = :id", id=strange.id)
    return strange


@pytest.fixture
def slow_model(tmp_path: Path) -> Iterator[Path]:
    """A text model whose weights have been on their way for ever."""
    weights = tmp_path / "model" / "model.safetensors"
    weights.parent.mkdir()
    os.mkfifo(weights)
    yield weights
    # Whoever still waits gets them.
    os.close(os.open(weights, os.O_RDWR | os.O_NONBLOCK))


def test_looking_goes_on_after_an_error_of_any_kind_and_repeats_none_of_its_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(looks, "LOOK_EVERY_SECONDS", 0.0)
    stopping, errors = threading.Event(), [ModelMissing("planted text"), RuntimeError("planted text"), KeyError("planted text")]

    def look() -> None:
        if not errors:
            stopping.set()
            return
        raise errors.pop()

    look_again_and_again(look, "servers", stopping)
    written = capsys.readouterr().out
    assert all(kind in written for kind in ("ModelMissing", "RuntimeError", "KeyError"))
    assert "planted" not in written


def test_a_look_that_took_long_is_followed_by_a_minute_of_rest_at_most() -> None:
    assert [pause_after(seconds) for seconds in (0.01, 1, 30, 600)] == [3, 20, 60, 60]


def test_what_goes_wrong_with_one_server_keeps_it_from_none_of_the_others(queue: Queue, make_home: MakeHome) -> None:
    queue.settings.embedding_model = "no-such-model"
    make_strange(queue, make_home, "a strange one")
    home = make_home("home")
    House(queue.engine, home.id).items(film("a"))
    Looker(queue.engine, queue.settings).look()
    assert is_counted(queue, home)


def test_a_model_that_is_long_on_its_way_holds_up_nothing(queue: Queue, make_home: MakeHome, slow_model: Path) -> None:
    home = make_home("home")
    House(queue.engine, home.id).items(film("a"))
    queue.settings.embedding_model = str(slow_model.parent)
    looker = Looker(queue.engine, queue.settings)
    threading.Thread(target=looker.look, daemon=True).start()
    until(lambda: is_counted(queue, home))
    assert queue.jobs() == []
    with slow_model.open("w") as weights:
        weights.write(WEIGHTS)

    def asked_for() -> list[str]:
        looker.look()
        return [job.name for job in queue.jobs()]

    until(asked_for)
    assert asked_for() == ["embed-items"]


def test_the_clock_waits_for_no_look(queue: Queue, make_home: MakeHome) -> None:
    home = make_home("home", time_zone="UTC")
    queue.query("UPDATE servers SET created_at = now() - interval '8 days'")
    job_id = queue.ask("statistics", home)
    queue.query("UPDATE procrastinate.procrastinate_jobs SET status = 'doing'")
    with only_one(queue.engine, "look"):
        Clock(queue.engine, queue.settings).look()
    assert (
        len(queue.query("SELECT id FROM procrastinate.procrastinate_jobs WHERE status = 'todo' AND args->>'job_id' = :id", id=str(job_id)))
        == 1
    )
    assert {"prune", "watch-through"} <= {job.name for job in queue.jobs()}


def test_clocks_of_many_workers_hand_each_job_back_once(queue: Queue, make_home: MakeHome) -> None:
    for number in range(10):
        queue.ask("prune", make_home(f"home {number}"))
    queue.query("UPDATE procrastinate.procrastinate_jobs SET status = 'doing'")
    queue.query("UPDATE jobs SET status = 'running'")
    clocks = [Clock(queue.engine, queue.settings) for _ in range(3)]
    with ThreadPoolExecutor(len(clocks)) as pool:
        list(pool.map(Clock.look, clocks))
    assert queue.query("SELECT count(*), count(DISTINCT args->>'job_id'), min(status::text) FROM procrastinate.procrastinate_jobs") == [
        (10, 10, "todo")
    ]
    assert queue.query("SELECT DISTINCT status, n_lost FROM jobs") == [("queued", 1)]


def test_looks_are_noted_by_who_has_them_and_not_where_every_server_fails(queue: Queue, make_home: MakeHome) -> None:
    queue.settings.embedding_model = "no-such-model"
    strange = make_strange(queue, make_home, "a strange one")
    Clock(queue.engine, queue.settings).look()
    Looker(queue.engine, queue.settings).look()
    assert last_look(queue) is None
    queue.query("DELETE FROM servers WHERE id = :id", id=strange.id)
    Looker(queue.engine, queue.settings).look()
    assert last_look(queue) is not None


def test_a_running_worker_notes_that_it_looks(queue: Queue, make_home: MakeHome) -> None:
    make_home("home")
    with queue.worker():
        until(lambda: last_look(queue) is not None)


def test_the_look_that_was_not_had_for_longest_is_the_one_that_tells(queue: Queue) -> None:
    with queue.engine.begin() as connection:
        note_look(connection, "clock")
        assert last_looked_at(connection) is None
        note_look(connection, "servers")
    queue.query("UPDATE looks SET looked_at = now() + interval '1 day' WHERE name = 'clock'")
    with queue.engine.begin() as connection:
        before = last_looked_at(connection)
        note_look(connection, "servers")
        after = last_looked_at(connection)
        assert before is not None
        assert after is not None
        assert before < after
        # A clock that was ahead leaves nothing behind.
        note_look(connection, "clock")
        assert last_looked_at(connection) == after
