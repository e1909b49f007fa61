"""What is logged of the answers that were given."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from app.db import Engine
from app.main import create_app
from app.settings import Settings
from app.types import Server
from tests.api.home_page import Page, titled
from tests.api.rows import send
from tests.api.test_taste import ago, beside, place
from tests.db.household import play, user

FILMS = [f"f{number}" for number in range(8)]


@pytest.fixture
def library(client: TestClient, engine: Engine, server: Server) -> Server:
    """Ada watched two of eight films, which have vectors, and began a third; Bo watched nothing."""
    page = Page(client, engine, server)
    page.send("items", *(titled(name, added_at=ago(50 + n), runtime_seconds=6000) for n, name in enumerate(FILMS)))
    page.send("users", user("ada"), user("bo"))
    place(engine, server, {name: beside(0, n) for n, name in enumerate(FILMS)})
    begun = [("f0", 100), ("f1", 100), ("f2", 40)]
    page.send("plays", *(play("ada", name, started_at=ago(3), percent=percent) for name, percent in begun))
    page.refresh()
    return server


def logged(settings: Settings, engine: Engine, server: Server, *paths: str, **changes: Any) -> tuple[list[Any], list[Any]]:
    """The answers of a service of its own to `paths`, and, once it has stopped, the slates of the server in their order."""
    headers = {"Authorization": f"Bearer {settings.admin_key and settings.admin_key.get_secret_value()}"}
    with TestClient(create_app(settings.model_copy(update=changes)), headers=headers) as client:
        answers = [client.get(f"{path}&server_id={server.external_id}&user_id=ada") for path in paths]
    assert {answer.status_code for answer in answers} <= {200}
    sql = "SELECT * FROM slates WHERE server_id = :server_id ORDER BY served_at, row_id"
    with engine.begin() as connection:
        return [answer.json() for answer in answers], list(connection.execute(text(sql), {"server_id": server.id}))


def names_of(engine: Engine, item_ids: list[int]) -> list[str]:
    sql = "SELECT external_id FROM entries WHERE item_id = ANY (:ids) ORDER BY array_position(CAST(:ids AS bigint[]), item_id)"
    with engine.begin() as connection:
        return list(connection.execute(text(sql), {"ids": item_ids}).scalars())


def test_an_answer_is_logged_as_it_was_given(settings: Settings, engine: Engine, library: Server) -> None:
    pages = ("/recommendations?limit=2", "/recommendations?limit=2&offset=2")
    answers, slates = logged(settings, engine, library, *pages)
    for answer, slate, first_rank in zip(answers, slates, (1, 3), strict=True):
        items = answer["items"]
        assert (str(slate.id), slate.row_id, slate.first_rank) == (answer["recommendation_id"], "recommendations", first_rank)
        assert (slate.source, slate.model_id, slate.features) == (answer["source"], None, None)
        assert names_of(engine, slate.item_ids) == [item["item_id"] for item in items]
        assert [one.split("+") for one in slate.sources] == [item["sources"] for item in items]
        assert slate.scores == pytest.approx([item["score"] for item in items], abs=1e-5)
        assert len(slate.space_ids) == 1


def test_each_row_of_a_home_page_is_logged_under_the_pages_id(settings: Settings, engine: Engine, library: Server) -> None:
    [answer], slates = logged(settings, engine, library, "/home?limit=2")
    rows = {row["id"]: row["items"] for row in answer["rows"]}
    assert {"continue", "top-picks", "new"} <= set(rows)
    assert {str(slate.id) for slate in slates} == {answer["recommendation_id"]}
    assert {slate.row_id: names_of(engine, slate.item_ids) for slate in slates} == {
        name: [item["item_id"] for item in items] for name, items in rows.items()
    }
    for slate in slates:
        assert (slate.first_rank, slate.model_id, slate.features) == (1, None, None)
        assert [one.split("+") for one in slate.sources] == [item["sources"] for item in rows[slate.row_id]]
    assert {slate.row_id: slate.source for slate in slates if slate.row_id in ("continue", "new", "top-picks")} == {
        "continue": "personal", "new": "new", "top-picks": "personal",
    }  # fmt: skip


def test_a_share_of_none_logs_nothing(settings: Settings, engine: Engine, library: Server) -> None:
    _, slates = logged(settings, engine, library, "/recommendations?", "/home?", slate_log=0.0)
    assert slates == []


def test_who_opted_out_is_answered_and_not_logged(client: TestClient, settings: Settings, engine: Engine, library: Server) -> None:
    send(client, library, "users", [user("ada", opted_out=True)])
    answers, slates = logged(settings, engine, library, "/recommendations?", "/home?")
    assert answers[0]["items"]
    assert slates == []
