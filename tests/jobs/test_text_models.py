"""Another text model: built beside the one that serves, live at once, and back again in a second."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import text

from app.db import Engine, spaces, text_spaces
from app.db.locks import only_one
from app.errors import AlreadyRunning, SpaceNotKept, UnknownSpace
from app.learn.centring import Floats
from app.learn.text_encoder import locate_model
from app.types import Server, unseen
from jobs import embed_items as job
from jobs.embed_items import is_embedding_due
from jobs.prune import let_kept_spaces_go
from jobs.refresh_tastes import refresh_stale, refresh_tastes
from tests.jobs.text_models import DIMENSION
from tests.jobs.two_models import TwoModels
from tests.recommend.test_pipeline import film, play


@pytest.fixture
def two(engine: Engine, server: Server, blue: str, green: str) -> TwoModels:
    return TwoModels(engine, server, blue, green)


class Killed(Exception):
    """Stands for the end of the process: what was not committed is lost."""


def is_due(two: TwoModels, setting: str) -> bool:
    with two.engine.begin() as connection:
        return is_embedding_due(connection, two.server.id, locate_model(setting))


def test_the_old_one_serves_until_the_new_one_is_whole_with_every_taste(two: TwoModels) -> None:
    two.embed(two.blue)
    blue = two.live()
    seen = []

    def look(done: int, total: int) -> None:
        slate = two.ask("ada")
        seen.append((done, total, two.statuses(), slate.source, tuple(slate.space_ids)))

    assert is_due(two, two.green)
    done = two.embed(two.green, look)
    assert (done.n_encoded, done.went_live) == (8, True)
    assert [(n, total) for n, total, *_ in seen] == [(0, 8), (8, 8), (8, 8)]
    assert all(rest == [{"blue": "live", "green": "building"}, "personal", (blue.id,)] for _, _, *rest in seen)
    assert two.statuses() == {"blue": "kept", "green": "live"}
    slate = two.ask("ada")
    assert (slate.source, slate.space_ids, slate.degraded) == ("personal", (done.space_id,), ())
    assert refresh_stale(two.engine, two.server.id, datetime.now(UTC), unseen) == 0
    assert not is_due(two, two.green)


def test_a_build_that_was_killed_goes_on_where_it_was(two: TwoModels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "BATCH", 3)
    two.embed(two.blue)

    def die(done: int, total: int) -> None:
        if done == 3:
            raise Killed

    with pytest.raises(Killed):
        two.embed(two.green, die)
    assert two.statuses() == {"blue": "live", "green": "building"}
    [_, begun] = two.rows("spaces", "id", "id")
    done = two.embed(two.green)
    assert (done.n_encoded, done.space_id) == (5, begun.id)
    assert two.statuses() == {"blue": "kept", "green": "live"}


def test_what_arrives_while_one_is_built_gets_its_vector_in_both(two: TwoModels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "BATCH", 3)
    two.embed(two.blue)
    blue, missing = two.live(), []

    def arrive(done: int, total: int) -> None:
        if done == 3:
            two.send(items=[film("late", "Came Late", "a spaceship in danger")])
        if done >= 6:
            missing.append(two.n_missing(blue))

    assert two.embed(two.green, arrive).n_encoded == 9
    assert len(missing) == 5
    assert set(missing) == {0}
    assert two.n_missing(two.live()) == 0


def test_a_change_of_mind_leaves_nothing_half_built(two: TwoModels, monkeypatch: pytest.MonkeyPatch) -> None:
    two.embed(two.blue)

    def die(done: int, total: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        two.embed(two.green, die)
    assert is_due(two, two.blue)
    two.embed(two.blue)
    assert two.statuses() == {"blue": "live"}
    assert not is_due(two, two.blue)


def test_a_play_refreshes_the_taste_in_the_kept_space_too_and_not_in_the_request(two: TwoModels) -> None:
    two.change()
    two.send(plays=[play("ada", "k2", 0.1)])
    two.ask("ada")
    versions = "user_id, space_id, engagement_version"
    before = two.rows("tastes", versions, versions)
    assert refresh_stale(two.engine, two.server.id, datetime.now(UTC), unseen) == 2
    raised = [row for row in two.rows("tastes", versions, versions) if row not in before]
    assert len({row.space_id for row in raised}) == 2
    assert len({(row.user_id, row.engagement_version) for row in raised}) == 1


def test_going_back_is_one_transaction_and_every_taste_is_there(two: TwoModels) -> None:
    blue, _ = two.change()
    two.send(plays=[play("ada", "k2", 0.1)])
    refresh_stale(two.engine, two.server.id, datetime.now(UTC), unseen)
    assert two.go_back(blue, setting=two.green) == 0
    assert two.ask("ada").space_ids == (blue.id,)
    assert two.statuses() == {"blue": "live", "green": "kept"}
    assert refresh_stale(two.engine, two.server.id, datetime.now(UTC), unseen) == 0


def test_what_was_gone_back_to_stays_and_is_completed_until_the_setting_names_another_model(two: TwoModels) -> None:
    blue, green = two.change()
    two.send(items=[film("late", "Came Late", "a spaceship in danger")])
    assert two.go_back(blue, setting=two.green) == 1
    assert is_due(two, two.green)
    done = two.embed(two.green)
    assert (done.n_encoded, done.space_id, done.went_live) == (1, blue.id, False)
    assert not is_due(two, two.green)
    # Named by the setting it needs no pin, and once it was, the other is another model.
    assert is_due(two, two.blue)
    assert two.embed(two.blue).n_encoded == 0
    assert not is_due(two, two.blue)
    assert is_due(two, two.green)
    done = two.embed(two.green)
    assert (done.n_encoded, done.space_id, done.went_live) == (1, green.id, True)
    assert two.statuses() == {"blue": "kept", "green": "live"}


def test_a_space_that_follows_the_setting_again_gives_way_to_the_kept_one_without_encoding(two: TwoModels) -> None:
    blue, green = two.change()
    two.go_back(blue, setting=two.green)
    with two.engine.begin() as connection:
        assert text_spaces.unpin(connection, two.server.id)
        assert not text_spaces.unpin(connection, two.server.id)
    done = two.embed(two.green)
    assert (done.n_encoded, done.space_id, two.live().id) == (0, green.id, green.id)


def test_somebody_who_goes_back_while_a_space_is_built_is_not_overruled(two: TwoModels) -> None:
    blue, _ = two.change()
    with two.engine.begin() as connection:
        connection.execute(text("UPDATE spaces SET template_version = 0 WHERE id = :id"), {"id": two.live().id})

    def go_back(done: int, total: int) -> None:
        if done == 8 and two.live().id != blue.id:
            two.go_back(blue, setting=two.green)

    assert not two.embed(two.green, go_back).went_live
    assert two.live().id == blue.id
    assert not two.embed(two.green).went_live
    assert (two.live().id, [row.status for row in two.rows("spaces", "status", "id")]) == (blue.id, ["live", "kept"])


def test_only_the_kept_text_space_of_this_server_can_be_gone_back_to(two: TwoModels, make_server: Callable[..., Server]) -> None:
    blue, green = two.change()
    with pytest.raises(SpaceNotKept, match="live text space"):
        two.go_back(green, setting=two.green)
    with two.engine.begin() as connection, pytest.raises(UnknownSpace):
        text_spaces.go_back(connection, make_server().id, blue.id, None, datetime.now(UTC))
    two.lose(blue)
    with pytest.raises(SpaceNotKept, match="lost its vectors"):
        two.go_back(blue, setting=two.green)
    assert two.statuses() == {"blue": "kept", "green": "live"}


def test_the_kept_one_goes_when_its_time_is_over(two: TwoModels, now: datetime) -> None:
    blue, green = two.change()
    assert let_kept_spaces_go(two.engine, two.server, 7, now + timedelta(days=6.9)) == 0
    with two.engine.begin() as connection:
        connection.execute(text("UPDATE spaces SET fault = 'text_space_incomplete' WHERE id = :id"), {"id": green.id})
    assert let_kept_spaces_go(two.engine, two.server, 7, now + timedelta(days=30)) == 0
    two.embed(two.green)
    with only_one(two.engine, f"embed-items {two.server.id}"), pytest.raises(AlreadyRunning):
        let_kept_spaces_go(two.engine, two.server, 7, now + timedelta(days=30))
    assert let_kept_spaces_go(two.engine, two.server, 7, now + timedelta(days=7.1)) == 1
    assert two.statuses() == {"green": "live"}
    for table in ("item_vectors", "tastes"):
        assert blue.id not in {row.space_id for row in two.rows(table, "space_id", "space_id")}


def test_a_new_centre_of_the_same_model_leaves_the_way_back(two: TwoModels) -> None:
    blue, _ = two.change()
    two.send(items=[film(f"more-{number}", f"Number {number}", "astronauts, bread and a star") for number in range(300)])
    done = two.embed(two.green)
    assert (done.n_encoded, done.went_live) == (300, True)
    assert [row.id for row in two.rows("spaces", "id", "id")] == [blue.id, done.space_id]
    assert two.go_back(blue, setting=two.green) == 300


def test_a_space_that_lost_its_vectors_is_filled_again_and_serves_again(two: TwoModels) -> None:
    blue, green = two.change()
    two.lose(green)
    assert (two.live().id, two.live().fault) == (blue.id, "previous_text_space")
    assert is_due(two, two.green)
    done = two.embed(two.green)
    assert (done.n_encoded, done.space_id) == (8, green.id)
    assert (two.live().id, two.live().fault, two.ask("ada").degraded) == (green.id, None, ())


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_without_one_that_is_kept_the_live_one_is_filled_again_and_its_tastes_are_of_all(two: TwoModels, share: float) -> None:
    two.embed(two.blue)
    two.lose(two.live(), share)
    two.send(plays=[play("ada", "k1"), play("bo", "s4")])
    refresh_stale(two.engine, two.server.id, datetime.now(UTC), unseen)
    of_what_was_left = tastes(two)
    assert is_due(two, two.blue)
    assert two.embed(two.blue).n_encoded == 8 * share
    assert two.live().fault is None
    healed = tastes(two)
    refresh_tastes(two.engine, two.server.id, datetime.now(UTC), unseen)
    assert np.allclose(healed, tastes(two), atol=0.001)
    assert not np.allclose(healed, of_what_was_left, atol=0.001)


def tastes(two: TwoModels) -> Floats:
    """Zeros where there is none."""
    found = two.rows("tastes", "taste::text AS taste", "user_id, space_id, facet")
    return np.array([json.loads(row.taste) if row.taste else [0.0] * DIMENSION for row in found], dtype=np.float32)


def test_a_space_whose_partition_is_gone_gets_another(two: TwoModels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spaces, "OWN_PARTITION_FROM", 5)
    two.embed(two.blue)
    assert two.live().has_own_partition
    with two.engine.begin() as connection:
        connection.execute(text(f"DROP TABLE vectors.shelf_{two.live().id}"))
        text_spaces.note_losses(connection, two.server.id, datetime.now(UTC))
    assert two.ask("ada").degraded == ("text_space_empty",)
    assert two.embed(two.blue).n_encoded == 8
    assert (two.ask("ada").source, two.ask("ada").degraded) == ("personal", ())


def test_losses_of_a_few_and_items_that_are_new_are_no_fault(two: TwoModels) -> None:
    two.embed(two.blue)
    two.send(items=[film(f"more-{number}", f"Number {number}", "a star") for number in range(30)])
    two.lose(two.live(), share=0.0)
    assert two.live().fault is None
    two.embed(two.blue)
    two.lose(two.live(), share=0.05)
    assert two.live().fault is None
