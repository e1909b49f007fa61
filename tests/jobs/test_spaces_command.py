"""`palate spaces` on the command line."""

import functools
import json
from pathlib import Path

import pytest

from app.db import Engine
from app.errors import SpaceNotKept, UnknownServer, UnknownSpace
from app.types import Server
from tests.jobs.conftest import Palate
from tests.jobs.two_models import TwoModels
from tests.recommend.test_pipeline import film


@pytest.fixture
def two(engine: Engine, server: Server, blue: str, green: str, monkeypatch: pytest.MonkeyPatch) -> TwoModels:
    """The setting names green."""
    monkeypatch.setenv("PALATE_EMBEDDING_MODEL", green)
    return TwoModels(engine, server, blue, green)


@pytest.fixture
def palate(palate: Palate) -> Palate:
    return functools.partial(palate, "spaces")


def test_spaces_are_listed_with_what_is_missing_in_them(palate: Palate, two: TwoModels, tmp_path: Path) -> None:
    blue, green = two.change()
    two.send(items=[film("late", "Came Late", "a star")])
    two.embed(two.green)
    done = palate("list", "--server", two.server.external_id, "--json", tmp_path / "spaces.json")
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "spaces.json").read_text())["spaces"]
    assert [(one["id"], one["status"], one["n_vectors"], one["n_missing"]) for one in found] == [
        (green.id, "live", 9, 0), (blue.id, "kept", 8, 1),
    ]  # fmt: skip
    assert {one["server_id"] for one in found} == {two.server.external_id}


def test_a_switch_embeds_nothing_and_stays_until_the_setting_is_to_be_followed(palate: Palate, two: TwoModels) -> None:
    blue, green = two.change()
    two.send(items=[film("late", "Came Late", "a star")])
    done = palate("switch", blue.id, "--server", two.server.external_id)
    assert done.exit_code == 0, done.output
    assert f"space {blue.id} ({two.blue}) is live; 1 titles have no vector in it yet" in done.output.replace("\n", " ")
    assert two.ask("ada").space_ids == (blue.id,)
    assert two.embed(two.green).space_id == blue.id
    assert "pinned over" in palate("list").output
    assert "followed already" not in palate("follow", "--server", two.server.external_id).output
    assert "followed already" in palate("follow", "--server", two.server.external_id).output
    assert two.embed(two.green).space_id == green.id


def test_going_forward_again_to_what_the_setting_names_pins_nothing(palate: Palate, two: TwoModels) -> None:
    blue, green = two.change()
    for space in (blue, green):
        assert palate("switch", space.id, "--server", two.server.external_id).exit_code == 0
    assert (two.live().id, two.live().pinned_over) == (green.id, None)


def test_what_cannot_be_switched_to_is_said(palate: Palate, two: TwoModels) -> None:
    _, green = two.change()
    here = ("--server", two.server.external_id)
    assert isinstance(palate("switch", green.id, *here).exception, SpaceNotKept)
    assert isinstance(palate("switch", 10**12, *here).exception, UnknownSpace)
    assert isinstance(palate("switch", green.id, "--server", "nowhere").exception, UnknownServer)
    assert palate("switch", "blue", *here).exit_code == 2
    assert palate("switch", 10**30, *here).exit_code == 2
