"""Text spaces: filled beside the live one, only with what is missing, live at once."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from app.connect.bodies import ITEMS
from app.db import Engine, spaces
from app.db.ingest import ingest_items
from app.errors import AlreadyRunning, ModelMissing
from app.learn.text_encoder import TextEncoder, locate_model
from app.learn.text_template import item_text
from app.types import Server, Space, unseen
from jobs.embed_items import embed_items, is_embedding_due
from tests.conftest import MODEL


def film(number: int, **more: Any) -> dict[str, Any]:
    return {"item_id": f"film-{number}", "type": "movie", "name": f"Film number {number}", "year": 1950 + number % 70, **more}


def send(engine: Engine, server: Server, bodies: Sequence[dict[str, Any]]) -> None:
    rows, _, rejected = ITEMS.read(bodies)
    assert not rejected
    with engine.begin() as connection:
        ingest_items(connection, server.id, rows)


def live(engine: Engine, server: Server) -> Space:
    with engine.begin() as connection:
        space = spaces.live_space(connection, server.id, "text")
    assert space is not None
    return space


def test_only_what_changed_is_embedded_again(engine: Engine, server: Server, now: datetime) -> None:
    bodies = [film(number, genres=["Drama"]) for number in range(20)]
    send(engine, server, bodies)
    assert embed_items(engine, server, MODEL, now, unseen).n_encoded == 20
    assert embed_items(engine, server, MODEL, now, unseen).n_encoded == 0
    bodies[3]["overview"] = "Somebody new arrives."
    bodies[4]["community_rating"] = 9.0  # not part of the text
    send(engine, server, bodies)
    with engine.begin() as connection:
        assert is_embedding_due(connection, server.id, locate_model(MODEL))
    assert embed_items(engine, server, MODEL, now, unseen).n_encoded == 1


def test_vectors_are_centred_and_of_unit_length_and_can_be_undone(engine: Engine, server: Server, now: datetime) -> None:
    send(engine, server, [film(number) for number in range(12)])
    embed_items(engine, server, MODEL, now, unseen)
    space = live(engine, server)
    assert space.centre_source == "model"
    with engine.begin() as connection:
        rows = spaces.read_vectors(connection, space)
    target = rows["target"].astype(np.float32)
    assert np.linalg.norm(target, axis=1) == pytest.approx(1, abs=1e-2)
    raw = target * rows["norm"][:, None] + np.array(space.centre, dtype=np.float32)
    assert np.linalg.norm(raw, axis=1) == pytest.approx(1, abs=1e-2)
    encoder = TextEncoder(locate_model(MODEL))
    expected = encoder.encode([item_text(film(number)) for number in range(12)])
    closeness = raw @ expected.T
    assert closeness.max(axis=1) == pytest.approx(1, abs=1e-2)  # in whatever order our ids are


def test_a_library_that_grows_gets_a_centre_of_its_own_without_encoding_again(engine: Engine, server: Server, now: datetime) -> None:
    send(engine, server, [film(number) for number in range(10)])
    embed_items(engine, server, MODEL, now, unseen)
    first = live(engine, server)
    send(engine, server, [film(number) for number in range(320)])
    done = embed_items(engine, server, MODEL, now, unseen)
    second = live(engine, server)
    assert (done.n_encoded, done.went_live) == (310, True)
    assert (first.centre_source, second.centre_source) == ("model", "items")
    assert first.id != second.id
    with engine.begin() as connection:
        assert spaces.n_vectors(connection, second) == 320


def test_a_missing_model_is_said_clearly(
    engine: Engine, server: Server, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    send(engine, server, [film(1)])
    for name in ("nobody/no-such-model", str(tmp_path)):
        with pytest.raises(ModelMissing, match="PALATE_EMBEDDING_MODEL"):
            embed_items(engine, server, name, now, unseen)


def test_two_at_once_are_one(engine: Engine, server: Server, now: datetime) -> None:
    from app.db.locks import only_one

    with only_one(engine, f"embed-items {server.id}"), pytest.raises(AlreadyRunning):
        embed_items(engine, server, MODEL, now, unseen)


def test_removed_items_lose_their_vectors(engine: Engine, server: Server, now: datetime) -> None:
    send(engine, server, [film(1), film(2)])
    embed_items(engine, server, MODEL, now, unseen)
    send(engine, server, [film(2, provider_ids={"tmdb": "77"})])  # becomes another item; the old one is gone
    embed_items(engine, server, MODEL, now, unseen)
    with engine.begin() as connection:
        assert spaces.n_vectors(connection, live(engine, server)) == 2


def test_a_large_space_has_a_partition_of_its_own_which_goes_when_its_time_is_over(
    engine: Engine, server: Server, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spaces, "OWN_PARTITION_FROM", 5)
    send(engine, server, [film(number) for number in range(10)])
    revisions = []
    for version in (1, 2, 3):
        monkeypatch.setattr("jobs.embed_items.VERSION", version)
        assert embed_items(engine, server, MODEL, now, unseen).went_live
        revisions.append(live(engine, server))
    assert all(space.has_own_partition for space in revisions)
    with engine.begin() as connection:
        found = [
            connection.execute(text("SELECT to_regclass(:name)"), {"name": f"vectors.shelf_{space.id}"}).scalar_one() for space in revisions
        ]
        indexes = connection.execute(
            text("SELECT count(*) FROM pg_indexes WHERE tablename = :name AND indexdef LIKE '%hnsw%'"), {"name": f"shelf_{revisions[2].id}"}
        )
        assert indexes.scalar_one() == 1
    assert [name is not None for name in found] == [False, True, True]  # gone, kept, live
