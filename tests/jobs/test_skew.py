"""Features as served against as trained."""

import json
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from app.db import Engine
from app.db.skew import read_skew
from app.learn.skew import MIN_SLATES, count_in
from app.types import Server
from jobs.skew import check_skew
from tests.db.household import House, film, user
from tests.db.shown import Shown

NAMES = ["score", "age", "votes"]
N_ITEMS, N_SLATES = 20, 120


class Ranked(Shown):
    """A server whose ranker was trained on standard normal features, votes missing of a fifth."""

    def __init__(self, engine: Engine, server: Server, now: datetime) -> None:
        super().__init__(engine, server)
        self.now = now
        self.titles = [f"f{number}" for number in range(N_ITEMS)]
        house = House(engine, server.id)
        house.items(*(film(title, f"{title} film") for title in self.titles))
        house.users(user("ada"))
        self.random = np.random.default_rng(3)
        self.model_id = self.put_live(card_of(self.features(500)))

    def put_live(self, card: Any) -> int:
        sql = """
            INSERT INTO models (server_id, kind, name, status, parameters, metrics, data_window, card, code_revision, digest, bytes)
            VALUES (:server_id, 'ranker', 'lambdamart', 'live', '{}', '{}', '{}', CAST(:card AS jsonb), '', '', '')
            RETURNING id
        """
        with self.engine.begin() as connection:
            connection.execute(text("UPDATE models SET status = 'kept' WHERE server_id = :server_id"), {"server_id": self.server.id})
            return int(connection.execute(text(sql), {"server_id": self.server.id, "card": json.dumps(card)}).scalar_one())

    def features(self, n_slates: int, shift: float = 0.0) -> Any:
        """(n_slates, n_items, n_features); the second shifted."""
        values = self.random.normal(size=(n_slates, N_ITEMS, len(NAMES))).astype(np.float32)
        values[:, :, 1] += shift
        values[:, :, 2][self.random.random((n_slates, N_ITEMS)) < 0.2] = np.nan
        return values

    def serve(self, n_slates: int, shift: float = 0.0, days_ago: float = 1.0, **more: Any) -> None:
        for values in self.features(n_slates, shift):
            self.show("ada", self.now - timedelta(days=days_ago), *self.titles, features=values, **{"model_id": self.model_id} | more)

    def found(self) -> dict[str, tuple[int, bool, bool]]:
        """(rows, whether there is a figure, flagged) of each feature."""
        return {one.feature: (one.n_served, one.psi is not None, one.is_flagged) for one in check_skew(self.engine, self.server, self.now)}


def card_of(values: Any) -> Any:
    rows = values.reshape(-1, len(NAMES))
    features = []
    for place, name in enumerate(NAMES):
        edges = np.nanquantile(rows[:, place], np.arange(0.1, 1, 0.1)).astype(np.float32)
        *counts, n_missing = count_in(edges, rows[:, place]).tolist()
        features.append({"name": name, "gain": 1.0, "edges": edges.tolist(), "counts": counts, "n_missing": n_missing})
    return {"features": features}


@pytest.fixture
def ranked(engine: Engine, server: Server, now: datetime) -> Ranked:
    return Ranked(engine, server, now)


def test_served_as_trained_nothing_is_flagged(ranked: Ranked) -> None:
    ranked.serve(N_SLATES)
    assert ranked.found() == dict.fromkeys(NAMES, (N_SLATES * N_ITEMS, True, False))
    assert [one[0] < 0.05 for one in ranked.rows("feature_skew", "psi")] == [True] * 3


def test_a_planted_shift_is_flagged_and_nothing_else(ranked: Ranked) -> None:
    ranked.serve(N_SLATES, shift=1.0)
    rows = N_SLATES * N_ITEMS
    assert ranked.found() == {"score": (rows, True, False), "age": (rows, True, True), "votes": (rows, True, False)}
    with ranked.engine.begin() as connection:
        first, *_ = read_skew(connection, ranked.server.id)
    assert (first.feature, first.model_id, first.is_flagged, first.computed_at) == ("age", ranked.model_id, True, ranked.now)


def test_a_feature_that_is_no_longer_filled_in_is_flagged(ranked: Ranked) -> None:
    for values in ranked.features(N_SLATES):
        values[:, 0] = np.nan
        ranked.show("ada", ranked.now, *ranked.titles, features=values, model_id=ranked.model_id)
    assert [name for name, one in ranked.found().items() if one[2]] == ["score"]


def test_too_few_slates_say_nothing(ranked: Ranked) -> None:
    ranked.serve(MIN_SLATES - 1, shift=5.0)
    assert ranked.found() == dict.fromkeys(NAMES, ((MIN_SLATES - 1) * N_ITEMS, False, False))


def test_only_the_first_items_of_this_models_slates_of_a_week_are_compared(ranked: Ranked) -> None:
    ranked.serve(1, model_id=ranked.model_id + 1)
    ranked.serve(1, model_id=None)
    ranked.serve(1, days_ago=7.5)
    ranked.serve(1, first_rank=21)
    ranked.show("ada", ranked.now, *ranked.titles, model_id=ranked.model_id)
    ranked.show("ada", ranked.now, *ranked.titles, model_id=ranked.model_id, features=ranked.features(1)[:, :, :2])
    ranked.show("ada", ranked.now, *ranked.titles * 2, model_id=ranked.model_id, features=np.tile(ranked.features(1), (2, 1, 1)))
    ranked.serve(1)
    assert {one[0] for one in ranked.found().values()} == {2 * N_ITEMS}


def test_a_check_replaces_the_one_before(ranked: Ranked) -> None:
    ranked.serve(N_SLATES, shift=1.0)
    ranked.found()
    first = ranked.rows("feature_skew", "model_id, feature, n_served, psi, kl, is_flagged, computed_at")
    ranked.found()
    assert ranked.rows("feature_skew", "model_id, feature, n_served, psi, kl, is_flagged, computed_at") == first
    newer = ranked.put_live(card_of(ranked.features(100)))
    ranked.found()
    assert ranked.rows("feature_skew", "model_id, n_served") == [(newer, 0)] * len(NAMES)


@pytest.mark.parametrize("card", [{}, {"features": []}, {"features": [{"name": "score"}]}, {"features": [{"name": "x", "edges": 1}]}])
def test_without_a_card_that_can_be_read_nothing_is_said(ranked: Ranked, card: Any) -> None:
    ranked.serve(1)
    ranked.found()
    ranked.put_live(card)
    assert ranked.found() == {}
    assert ranked.rows("feature_skew", "feature") == []


def test_without_a_ranker_nothing_is_said(engine: Engine, server: Server, now: datetime) -> None:
    assert check_skew(engine, server, now) == []
