"""Two text models of equal dimension on one shelf: an answer comes from the one that serves, whatever is in the other."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from fastapi.testclient import TestClient
from prometheus_client import REGISTRY
from sqlalchemy import event, text

from app.db import Engine
from app.main import create_app
from app.recommend import find
from app.recommend.home import home
from app.recommend.interests import interests
from app.recommend.pipeline import recommend
from app.recommend.similar import similar
from app.settings import Settings
from app.types import Filters, Server, Space, unseen
from jobs.refresh_tastes import refresh_stale, refresh_tastes
from tests.jobs.text_models import DIMENSION, write_text_model
from tests.jobs.two_models import WORDS, TwoModels
from tests.recommend.test_pipeline import play
from tests.recommend.test_query_encoder import children

NOW = datetime(2026, 11, 21, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("models")
    return write_text_model(folder / "blue", 1, WORDS), write_text_model(folder / "green", 2, WORDS)


@pytest.fixture
def two(engine: Engine, server: Server, models: tuple[str, str]) -> TwoModels:
    made = TwoModels(engine, server, *models)
    made.send(plays=[play("ada", "s2", 3), play("ada", "k3", 5)])
    return made


@pytest.fixture
def changed(two: TwoModels) -> tuple[Space, Space]:
    """The kept space and the live one, both with everybody's tastes."""
    kept, live = two.change()
    refresh_tastes(two.engine, two.server.id, NOW, unseen)
    return kept, live


def answers(two: TwoModels, meaning: Any) -> str:
    """Everything that a person can ask for, in full."""
    with two.engine.begin() as connection:
        of = connection, two.server
        usual: Any = {"limit": 20, "offset": 0, "explain": True, "now": NOW, "slate_id": UUID(int=1)}
        found = [
            asdict(recommend(*of, "ada", Filters(), **usual)),
            [asdict(row) for row in home(*of, "ada", 12, NOW, UUID(int=1)).rows],
            [asdict(one) for user in (None, "ada") for one in similar(*of, user, "s3", 20, NOW).items],
            asdict(interests(*of, "ada", NOW)),
            [asdict(find.find(*of, user, "a chef", two.live(), meaning, limit=20, include_seen=True, now=NOW)) for user in (None, "ada")],
        ]
    return json.dumps(found, default=str)


def spoil(two: TwoModels, space: Space, what: Sequence[str]) -> None:
    """Every vector of the space becomes one that would change any answer that it is part of."""
    random = np.random.default_rng(0)
    with two.engine.begin() as connection:
        for table, column in [("item_vectors", "target"), ("tastes", "taste")]:
            if table not in what:
                continue
            where = f"server_id = :server_id AND space_id = :space_id AND {column} IS NOT NULL"
            values = {"server_id": two.server.id, "space_id": space.id}
            rows = connection.execute(text(f"SELECT ctid::text AS place FROM {table} WHERE {where}"), values).all()
            assert rows
            for row in rows:
                vector = str((random.standard_normal(DIMENSION) * 10).tolist())
                sql = f"UPDATE {table} SET {column} = CAST(:vector AS halfvec) WHERE {where} AND ctid = CAST(:place AS tid)"
                connection.execute(text(sql), values | {"vector": vector, "place": row.place})


@pytest.mark.parametrize("what", [("item_vectors",), ("tastes",), ("item_vectors", "tastes")])
def test_no_answer_depends_on_a_vector_of_the_other_space(two: TwoModels, changed: tuple[Space, Space], what: tuple[str, ...]) -> None:
    kept, live = changed
    assert kept.shelf == live.shelf == -DIMENSION
    meaning = np.eye(DIMENSION, dtype=np.float32)[0]
    before = answers(two, meaning)
    spoil(two, kept, what)
    assert answers(two, meaning) == before
    spoil(two, live, what)
    assert answers(two, meaning) != before


def test_a_taste_of_the_other_space_is_no_taste_here(two: TwoModels, changed: tuple[Space, Space]) -> None:
    kept, live = changed
    before = scores(two)
    with two.engine.begin() as connection:
        connection.execute(text("DELETE FROM tastes WHERE space_id = :id"), {"id": live.id})
    spoil(two, kept, ["tastes"])
    assert scores(two) == before  # computed for the request, from this space's vectors
    assert refresh_stale(two.engine, two.server.id, NOW, unseen) == 2
    assert scores(two) == before


def scores(two: TwoModels) -> list[tuple[str, float]]:
    with two.engine.begin() as connection:
        slate = recommend(
            connection, two.server, "ada", Filters(), limit=20, offset=0, explain=False, now=NOW, slate_id=UUID(int=1)
        )  # fmt: skip
    return [(item.candidate.external_id, round(item.score, 3)) for item in slate.items]


def test_a_query_encoded_for_the_space_before_a_switch_is_not_searched_with_after_it(two: TwoModels, changed: tuple[Space, Space]) -> None:
    kept, live = changed
    meaning = np.eye(DIMENSION, dtype=np.float32)[0]
    with two.engine.begin() as connection:
        ask = connection, two.server, "ada", "a chef"
        usual: Any = {"limit": 20, "include_seen": True, "now": NOW}
        assert find.find(*ask, live, meaning, **usual).degraded == ()
        assert find.find(*ask, kept, meaning, **usual).degraded == ("no_query_vector",)


@pytest.fixture
def service(settings: Settings, admin_key: str) -> Iterator[TestClient]:
    """One that nobody searched with before; its setting names the carried model."""
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {admin_key}"}) as client:
        yield client


def test_queries_are_encoded_by_the_model_of_the_space_that_serves_and_not_by_the_settings(two: TwoModels, service: TestClient) -> None:
    two.change()
    before = children()
    answer = service.get("/search", params={"server_id": two.server.external_id, "q": "a chef"}).json()
    assert answer["degraded"] == ["no_query_vector"]
    started = [Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0") for pid in children() if pid not in before]
    assert [two.green in words for words in started] == [True]


def test_where_the_live_space_has_lost_its_vectors_the_one_before_it_answers_and_the_answer_says_so(
    two: TwoModels, changed: tuple[Space, Space], service: TestClient
) -> None:
    kept, live = changed
    counted = REGISTRY.get_sample_value("palate_fallbacks_total", {"cause": "previous_text_space"}) or 0
    two.lose(live, share=0.5)
    answer = service.get("/recommendations", params={"server_id": two.server.external_id, "user_id": "ada"}).json()
    assert (answer["source"], answer["degraded"]) == ("personal", ["previous_text_space"])
    assert REGISTRY.get_sample_value("palate_fallbacks_total", {"cause": "previous_text_space"}) == counted + 1
    found = service.get("/search", params={"server_id": two.server.external_id, "q": "a chef"}).json()
    assert found["degraded"] == ["previous_text_space", "no_query_vector"]
    assert two.ask("ada").space_ids == (kept.id,)


def test_where_both_have_lost_theirs_popularity_answers(two: TwoModels, changed: tuple[Space, Space], service: TestClient) -> None:
    for space in changed:
        two.lose(space)
    answer = service.get("/recommendations", params={"server_id": two.server.external_id, "user_id": "ada"}).json()
    assert (answer["source"], answer["degraded"]) == ("household", ["text_space_empty"])
    assert len(answer["items"]) == 5


def test_what_is_left_of_the_only_space_answers_and_the_answer_says_so(two: TwoModels) -> None:
    two.embed(two.blue)
    two.lose(two.live(), share=0.5)
    slate = two.ask("ada")
    assert (slate.source, slate.degraded, len(slate.items)) == ("personal", ("text_space_incomplete",), 5)


@contextmanager
def counted_statements(engine: Engine) -> Iterator[list[str]]:
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        sent.append(sql)

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


def test_a_kept_space_and_a_fault_cost_a_request_no_statement(two: TwoModels) -> None:
    def statements() -> int:
        refresh_stale(two.engine, two.server.id, datetime.now(UTC), unseen)
        with counted_statements(two.engine) as sent:
            two.ask("ada")
        return len(sent)

    two.embed(two.blue)
    assert statements() == 2
    kept, live = two.change()
    assert statements() == 2
    for lost, degraded in [(live, "previous_text_space"), (kept, "text_space_empty")]:
        two.lose(lost)
        assert two.ask("ada").degraded == (degraded,)
        assert statements() == 2
