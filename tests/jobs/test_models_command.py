"""`palate models` on the command line."""

import functools
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.db import Engine, models
from app.errors import BadReason, NothingToRollBack, PromotionRefused, UnknownModel, UnknownServer
from app.types import Server
from tests.db.household import DAY_ONE
from tests.db.trained import BETTER, WORSE, statuses, trained
from tests.jobs.conftest import Palate

pytestmark = pytest.mark.usefixtures("no_model_stays")


@pytest.fixture
def palate(palate: Palate) -> Palate:
    return functools.partial(palate, "models")


@pytest.fixture
def ids(engine: Engine, server: Server, now: datetime) -> tuple[int, int, int]:
    """The live model, a better and a worse one."""
    with engine.begin() as connection:
        live = trained(connection, server, fused=BETTER)
        models.promote(connection, server.id, live, None, now)
        better = trained(connection, server, at=DAY_ONE + timedelta(days=1), **{str(live): BETTER})
        worse = trained(connection, server, at=DAY_ONE, **{str(live): WORSE})
    return live, better, worse


def test_models_are_listed_beside_what_serves(palate: Palate, server: Server, ids: tuple[int, int, int], tmp_path: Path) -> None:
    done = palate("list", "--server", server.external_id, "--json", tmp_path / "models.json")
    assert done.exit_code == 0, done.output
    assert "+0.0120 (+0.0040 to +0.0200)" in done.output
    found = json.loads((tmp_path / "models.json").read_text())["models"]
    assert [one["id"] for one in found] == list(ids)
    assert {one["server_id"] for one in found} == {server.external_id}
    assert "live" in palate("list").output


def test_all_that_is_known_is_shown(palate: Palate, server: Server, ids: tuple[int, int, int], tmp_path: Path) -> None:
    done = palate("show", ids[1], "--server", server.external_id, "--json", tmp_path / "model.json")
    assert done.exit_code == 0, done.output
    for line in (
        "status: candidate", "parameters, n_leaves: 63", "data window, to: 2026-06-01", "metrics, ci95: 0.19 to 0.21",
        "card, importance: feature 19 1.9, feature 18 1.8",
    ):  # fmt: skip
        assert line in done.output
    assert "10 more" in done.output
    assert json.loads((tmp_path / "model.json").read_text())["card"]["importance"]["feature 0"] == 0


def test_a_model_is_promoted_and_rolled_back(
    palate: Palate, engine: Engine, server: Server, ids: tuple[int, int, int], tmp_path: Path
) -> None:
    live, better, worse = ids
    done = palate("promote", better, "--server", server.external_id, "--json", tmp_path / "done.json")
    assert done.exit_code == 0, done.output
    assert f"model {better} is live" in done.output
    assert json.loads((tmp_path / "done.json").read_text())["status"] == "live"
    back = palate("rollback", "--server", server.external_id, "--json", tmp_path / "back.json")
    assert f"model {live} is live; model {better} is kept" in back.output
    assert json.loads((tmp_path / "back.json").read_text())["kept"]["id"] == better
    with engine.begin() as connection:
        assert statuses(connection, server) == {live: "live", better: "kept", worse: "candidate"}


def test_a_worse_model_takes_a_reason(palate: Palate, engine: Engine, server: Server, ids: tuple[int, int, int]) -> None:
    refused = palate("promote", ids[2], "--server", server.external_id)
    assert isinstance(refused.exception, PromotionRefused)
    assert "-0.0120" in str(refused.exception)
    for reason in ("", " ", "two\nlines", "x" * 501, "half a sign \udcff"):
        assert isinstance(palate("promote", ids[2], "--server", server.external_id, "--reason", reason).exception, BadReason)
    done = palate("promote", ids[2], "--server", server.external_id, "--reason", "smaller")
    assert done.exit_code == 0, done.output
    with engine.begin() as connection:
        assert models.get_model(connection, server.id, ids[2]).promoted_because == "smaller"


def test_what_is_not_there_is_said(palate: Palate, server: Server) -> None:
    assert isinstance(palate("show", 10**12, "--server", server.external_id).exception, UnknownModel)
    assert isinstance(palate("promote", 10**12, "--server", server.external_id).exception, UnknownModel)
    assert isinstance(palate("rollback", "--server", server.external_id).exception, NothingToRollBack)
    assert isinstance(palate("list", "--server", "not there").exception, UnknownServer)


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "0", "--server", "home"],
        ["show", str(2**63), "--server", "home"],
        ["promote", "7"],
        ["promote", "seven", "--server", "home"],
        ["compare", "7", "7", "--server", "home"],
        ["compare", "7", "fusd", "--server", "home"],
        ["compare", "7", "9" * 30, "--server", "home"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_a_usage_error(palate: Palate, arguments: list[str]) -> None:
    done = palate(*arguments)
    assert done.exit_code == 2, done.output


@pytest.mark.parametrize("command", ["list", "show", "promote", "rollback", "compare"])
def test_every_command_shows_an_example(palate: Palate, command: str) -> None:
    assert f"Example: palate models {command}" in palate(command, "--help").output
