"""What is less good than it should be says so, whichever list it is, and is counted once for each answer."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from app.db import Engine, models, spaces
from app.db.bench import item_ids_of
from app.types import Server
from tests.api.home_page import Page, titled, watched
from tests.api.test_taste import ask, beside, place
from tests.db.household import user
from tests.db.trained import trained

FILMS = [f"f{number}" for number in range(8)]


@pytest.fixture
def page(client: TestClient, engine: Engine, server: Server) -> Page:
    """Ada watched three of eight films, which have vectors."""
    made = Page(client, engine, server)
    made.send("items", *(titled(name, runtime_seconds=6000) for name in FILMS))
    made.send("users", user("ada"))
    place(engine, server, {name: beside(0, number) for number, name in enumerate(FILMS)})
    made.send("plays", *(watched(name, 5) for name in FILMS[:3]))
    made.refresh()
    return made


def set_fault(engine: Engine, server: Server, fault: str | None) -> None:
    with engine.begin() as connection:
        sql = "UPDATE spaces SET fault = :fault WHERE server_id = :id AND kind = 'text' AND status = 'live'"
        connection.execute(text(sql), {"fault": fault, "id": server.id})


def counted(client: TestClient, *series: str) -> list[float]:
    lines = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if not line.startswith("#"))
    return [float(lines.get(one, 0)) for one in series]


def fallback(cause: str) -> str:
    return f'palate_fallbacks_total{{cause="{cause}"}}'


def searches(answer: str) -> str:
    return f'palate_search_seconds_count{{answer="{answer}"}}'


@pytest.mark.parametrize("fault", ["text_space_incomplete", "text_space_empty", "previous_text_space"])
@pytest.mark.parametrize(("path", "answer", "n_short"), [("/home", "home", 0), ("/items/f0/similar", "similar", 1)])
def test_an_answer_by_a_damaged_text_space_says_so(page: Page, fault: str, path: str, answer: str, n_short: int) -> None:
    series = (fallback(fault), searches(answer), "palate_short_lists_total")
    whole = ask(page.client, page.server, path, user_id="ada", limit=20)
    assert whole["degraded"] == []
    before = counted(page.client, *series)
    set_fault(page.engine, page.server, fault)
    degraded = ask(page.client, page.server, path, user_id="ada", limit=21)
    assert degraded["degraded"] == [fault]
    assert [now - then for now, then in zip(counted(page.client, *series), before, strict=True)] == [1, 1, n_short]


def test_a_home_page_without_a_text_space_says_so_though_rows_that_need_one_are_not_there(page: Page) -> None:
    with page.engine.begin() as connection:
        connection.execute(text("UPDATE spaces SET status = 'retired' WHERE server_id = :id"), {"id": page.server.id})
    answer = ask(page.client, page.server, "/home", user_id="ada")
    assert (answer["degraded"], "top-picks" in {row["id"] for row in answer["rows"]}) == (["no_text_space"], False)


@pytest.mark.usefixtures("no_model_stays")
def test_a_home_page_whose_ranker_is_not_at_hand_says_so_beside_what_else_is_wrong(page: Page) -> None:
    with page.engine.begin() as connection:
        space = spaces.create_space(connection, page.server.id, "collab", "planted", "planted", 1, 8, len(FILMS))
        item_ids = np.array([item_ids_of(connection, page.server.id)[name] for name in FILMS])
        vectors = np.array([beside(0, number) for number in range(len(FILMS))], dtype=np.float32)
        spaces.write_learned_vectors(connection, space, item_ids, vectors, vectors, np.zeros(len(FILMS), dtype=np.bool_))
        spaces.go_live(connection, space, datetime.now(UTC))
        models.promote(connection, page.server.id, trained(connection, page.server, b"no ranker"), None, datetime.now(UTC))
    page.refresh()
    before = counted(page.client, fallback("no_ranker"))
    answer: Any = ask(page.client, page.server, "/home", user_id="ada")
    assert answer["degraded"] == ["no_ranker"]
    set_fault(page.engine, page.server, "text_space_incomplete")
    assert ask(page.client, page.server, "/home", user_id="ada")["degraded"] == ["no_ranker", "text_space_incomplete"]
    assert counted(page.client, fallback("no_ranker")) == [before[0] + 2]
