"""`palate jobs` on the command line."""

import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from app.cli import app
from app.errors import JobOver, UnknownJob, UnknownJobName
from app.types import Server
from tests.jobs.conftest import MakeHome
from tests.jobs.working import Queue, until

Palate = Callable[..., Result]


@pytest.fixture
def palate(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> Palate:
    """The command, on the queue's database. A command sends its logs to its own output, which is closed after it."""
    configuration, handlers = structlog.get_config(), logging.root.handlers[:]
    monkeypatch.setenv("PALATE_DATABASE_URL", queue.url)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> Result:
        done = CliRunner().invoke(app, ["jobs", *(str(argument) for argument in arguments)], terminal_width=200)
        structlog.configure(**configuration)
        logging.root.handlers[:] = handlers
        return done

    return run


@pytest.fixture
def home(make_home: MakeHome) -> Server:
    return make_home("home")


def test_a_job_that_is_not_waited_for_is_left_to_the_worker(palate: Palate, queue: Queue, home: Server, tmp_path: Path) -> None:
    done = palate("run", "prune", "--server", "home", "--no-wait", "--json", tmp_path / "job.json")
    assert done.exit_code == 0, done.output
    [job] = queue.jobs()
    assert f"Job {job.id}: prune" in done.output
    assert json.loads((tmp_path / "job.json").read_text()) == job.as_json()
    assert "prune" in palate("list", "--server", "home", "--status", "queued").output
    queue.drain()
    assert "status: succeeded" in palate("show", job.id).output
    assert "n_rows 0" in palate("list", "--json", tmp_path / "jobs.json").output
    assert [one["job_id"] for one in json.loads((tmp_path / "jobs.json").read_text())["jobs"]] == [job.id]


def test_a_job_is_waited_for_and_how_it_ended_is_said(palate: Palate, queue: Queue, home: Server, in_this_process: None) -> None:
    def work() -> None:
        until(queue.jobs)
        queue.drain()

    said = {}
    for name in ("statistics", "learn-collab"):
        worker = threading.Thread(target=work)
        worker.start()
        said[name] = palate("run", name, "--server", "home")
        worker.join()
        queue.query("DELETE FROM jobs")
    assert said["statistics"].exit_code == 0
    assert "succeeded: n_items 0" in said["statistics"].output
    assert said["learn-collab"].exit_code == 1
    assert "Too little was watched" in str(said["learn-collab"].exception)


def test_a_job_is_cancelled_once(palate: Palate, queue: Queue, home: Server) -> None:
    job_id = queue.ask("prune", home)
    assert f"Job {job_id} is cancelled." in palate("cancel", job_id).output
    assert isinstance(palate("cancel", job_id).exception, JobOver)
    assert isinstance(palate("cancel", job_id + 1).exception, UnknownJob)
    assert isinstance(palate("run", "tidy").exception, UnknownJobName)
