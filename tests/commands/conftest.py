"""Commands, run as a person would."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from app.cli import app
from app.db import Engine

Palate = Callable[..., Result]


@pytest.fixture
def palate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Palate]:
    """A command on a database, with a data folder of the test's own. It sends its logs to its own output, which is closed after it."""
    configuration, handlers = structlog.get_config(), logging.root.handlers[:]
    monkeypatch.setenv("PALATE_DATA_DIR", str(tmp_path / "data"))

    def run(on: Engine | str, *arguments: object) -> Result:
        url = on if isinstance(on, str) else on.url.render_as_string(hide_password=False)
        monkeypatch.setenv("PALATE_DATABASE_URL", url)
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    yield run
    structlog.configure(**configuration)
    logging.root.handlers[:] = handlers
