"""The registry: what is stored comes back whole, and one model of a server is live at most."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from app.db import Connection, Engine, models
from app.errors import ModelDamaged, ModelTooLarge, NothingToRollBack, UnknownModel
from app.types import Server
from tests.api.test_erase_races import until_one_waits
from tests.db.household import DAY_ONE
from tests.db.trained import BETTER, WORSE, damage, get, statuses, trained

pytestmark = pytest.mark.usefixtures("no_model_stays")


def test_a_model_comes_back_as_it_was_stored(connection: Connection, server: Server) -> None:
    content = bytes(range(256)) * 10
    model = get(connection, server, trained(connection, server, content, fused=BETTER))
    assert (model.kind, model.name, model.status, model.code_revision) == ("ranker", "lambdamart", "candidate", "abc123")
    assert (model.digest, model.size_bytes) == (hashlib.sha256(content).hexdigest(), 2560)
    assert model.parameters == {"n_leaves": 63, "n_trees": 400}
    assert model.metrics["against"] == {"fused": BETTER}
    assert model.card["importance"]["feature 7"] == 0.7
    assert (model.created_at, model.live_at, model.promoted_because) == (DAY_ONE, None, None)
    assert models.read_bytes(connection, server.id, model.id) == content


def test_a_model_of_fifty_megabytes_is_stored_and_a_larger_one_is_refused(connection: Connection, server: Server) -> None:
    model_id = trained(connection, server, b"x" * (50 << 20))
    assert get(connection, server, model_id).size_bytes == models.MAX_MODEL_BYTES
    with pytest.raises(ModelTooLarge, match=r"50\.0 MB"):
        trained(connection, server, b"x" * ((50 << 20) + 1))


def test_damaged_bytes_are_noticed(connection: Connection, server: Server) -> None:
    model_id = trained(connection, server)
    damage(connection, model_id)
    with pytest.raises(ModelDamaged, match=str(model_id)):
        models.read_bytes(connection, server.id, model_id)


def test_a_model_of_another_server_is_unknown(
    connection: Connection, server: Server, make_server: Callable[[], Server], now: datetime
) -> None:
    model_id, other = trained(connection, server), make_server()
    for ask in (
        lambda: models.get_model(connection, other.id, model_id),
        lambda: models.read_bytes(connection, other.id, model_id),
        lambda: models.write_comparison(connection, other.id, model_id, None, BETTER),
        lambda: models.promote(connection, other.id, model_id, None, now),
    ):
        with pytest.raises(UnknownModel):
            ask()
    assert models.list_models(connection, other.id) == []
    assert statuses(connection, server) == {model_id: "candidate"}


def test_a_comparison_is_kept_beside_the_others(connection: Connection, server: Server) -> None:
    first, second = trained(connection, server), trained(connection, server)
    models.write_comparison(connection, server.id, second, None, BETTER)
    models.write_comparison(connection, server.id, second, first, BETTER)
    models.write_comparison(connection, server.id, second, first, WORSE)
    metrics = get(connection, server, second).metrics
    assert metrics["against"] == {"fused": BETTER, str(first): WORSE}
    assert metrics["hr@10"] == 0.33


def test_promotion_keeps_what_was_live_and_retires_what_was_before(connection: Connection, server: Server, now: datetime) -> None:
    first, second, third = (trained(connection, server) for _ in range(3))
    assert models.live_model(connection, server.id) is None
    promoted = models.promote(connection, server.id, first, "because", now)
    assert (promoted.status, promoted.live_at, promoted.promoted_because) == ("live", now, "because")
    models.promote(connection, server.id, second, None, now)
    assert statuses(connection, server) == {first: "kept", second: "live", third: "candidate"}
    models.promote(connection, server.id, third, None, now)
    assert statuses(connection, server) == {first: "retired", second: "kept", third: "live"}
    # The one kept is no worse a choice than another.
    models.promote(connection, server.id, second, None, now)
    assert statuses(connection, server) == {first: "retired", second: "live", third: "kept"}


def test_promoting_what_is_live_changes_nothing(connection: Connection, server: Server, now: datetime) -> None:
    first, second = trained(connection, server), trained(connection, server)
    for model_id in (first, second, second):
        models.promote(connection, server.id, model_id, "first time" if model_id == first else None, now)
    before = models.list_models(connection, server.id)
    models.promote(connection, server.id, second, "again", now + timedelta(hours=1))
    assert models.list_models(connection, server.id) == before
    assert statuses(connection, server) == {first: "kept", second: "live"}


def test_going_back_twice_is_as_it_was(connection: Connection, server: Server, now: datetime) -> None:
    first, second = trained(connection, server), trained(connection, server)
    for model_id in (first, second):
        models.promote(connection, server.id, model_id, None, now)
    later = now + timedelta(hours=1)
    back = models.rollback(connection, server.id, later)
    assert back is not None
    assert (back.id, back.live_at) == (first, later)
    assert statuses(connection, server) == {first: "live", second: "kept"}
    models.rollback(connection, server.id, later)
    assert statuses(connection, server) == {first: "kept", second: "live"}


def test_before_the_first_model_were_fused_scores(connection: Connection, server: Server, now: datetime) -> None:
    only = trained(connection, server)
    with pytest.raises(NothingToRollBack):
        models.rollback(connection, server.id, now)
    models.promote(connection, server.id, only, None, now)
    assert models.rollback(connection, server.id, now) is None
    assert models.live_model(connection, server.id) is None
    assert statuses(connection, server) == {only: "kept"}
    back = models.rollback(connection, server.id, now)
    assert back is not None
    assert back.id == only


def test_promotions_at_once_end_with_one_live_model(engine: Engine, server: Server, now: datetime) -> None:
    with engine.begin() as connection:
        ids = [trained(connection, server) for _ in range(4)]

    def promote(model_id: int) -> None:
        with engine.begin() as connection:
            models.promote(connection, server.id, model_id, None, now)

    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            list(pool.map(promote, ids))
    with engine.begin() as connection:
        found = sorted(statuses(connection, server).values())
    assert found == ["kept", "live", "retired", "retired"]


def test_the_second_promotion_waits_for_the_first(engine: Engine, server: Server, now: datetime) -> None:
    with engine.begin() as connection:
        first, second = trained(connection, server), trained(connection, server)

    def promote_second() -> None:
        with engine.begin() as connection:
            models.promote(connection, server.id, second, None, now)

    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            models.promote(connection, server.id, first, None, now)
            waiting = pool.submit(promote_second)
            until_one_waits(engine)
        waiting.result(timeout=10)
    with engine.begin() as connection:
        assert statuses(connection, server) == {first: "kept", second: "live"}


def test_pruning_leaves_what_serves_what_is_kept_and_the_newest_candidates(
    connection: Connection, server: Server, make_server: Callable[[], Server], now: datetime
) -> None:
    retired, kept, live = (trained(connection, server) for _ in range(3))
    for model_id in (retired, kept, live):
        models.promote(connection, server.id, model_id, None, now)
    ages = range(models.N_CANDIDATES + 2)
    candidates = [trained(connection, server, at=DAY_ONE - timedelta(days=age)) for age in ages]
    elsewhere = make_server()
    others = [trained(connection, elsewhere) for _ in ages]
    assert models.prune(connection, server.id) == 3
    assert set(statuses(connection, server)) == {kept, live, *candidates[: models.N_CANDIDATES]}
    assert set(statuses(connection, elsewhere)) == set(others)
    assert models.prune(connection, server.id) == 0


def test_live_models_of_all_servers_are_listed_latest_first(
    connection: Connection, server: Server, make_server: Callable[[], Server], now: datetime
) -> None:
    other = make_server()
    older, newer = trained(connection, server, b"12345"), trained(connection, other, b"123")
    models.promote(connection, server.id, older, None, now)
    models.promote(connection, other.id, newer, None, now + timedelta(seconds=1))
    found = [one for one in models.live_models(connection) if one.server_id in (server.id, other.id)]
    assert [(one.server_id, one.id, one.size_bytes) for one in found] == [(other.id, newer, 3), (server.id, older, 5)]
