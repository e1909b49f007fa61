"""GET /admin/watch-through, GET /admin/skew, and what /metrics makes of them."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import insert

from app.api.gauges import StoredGauges
from app.db import Engine
from app.db.engine import working_engine
from app.db.servers import put_server
from app.db.skew import FeatureSkew, write_skew
from app.db.tables import watch_through
from app.types import Server
from tests.api.conftest import MakeClient, MakeKey, bearer

MakeServer = Callable[..., Server]
TODAY = datetime.now(UTC).date()
PATHS = ["/admin/watch-through", "/admin/skew"]


def counted(engine: Engine, server: Server, *rows: tuple[Any, ...], day: date = TODAY) -> None:
    """(source, rank, n_shown, n_watched), perhaps with a row and a model."""
    names = ("source", "rank", "n_shown", "n_watched", "row_id", "model_id")
    defaults = {"server_id": server.id, "day": day, "row_id": "recommendations", "model_id": 0}
    with engine.begin() as connection:
        connection.execute(insert(watch_through), [defaults | dict(zip(names, row, strict=False)) for row in rows])


def ask(client: TestClient, server: Server, path: str = PATHS[0], **parameters: Any) -> Any:
    answer = client.get(path, params={"server_id": server.external_id} | parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def brief(answer: Any) -> list[tuple[Any, int, int]]:
    return [(row[answer["by"]], row["n_shown"], row["n_watched"]) for row in answer["rows"]]


def test_shares_are_summed_by_what_is_asked(client: TestClient, engine: Engine, server: Server) -> None:
    counted(engine, server, ("any", 1, 80, 20), ("any", 10, 10, 0), ("any", 2, 20, 1, "new", 5), ("text", 1, 80, 20), ("new", 2, 20, 1))
    counted(engine, server, ("any", 1, 1, 1), ("text", 1, 1, 1), day=TODAY - timedelta(days=29))
    counted(engine, server, ("any", 1, 1000, 1000), day=TODAY - timedelta(days=30))
    answer = ask(client, server)
    assert (answer["by"], answer["days"], answer["watched_within_days"]) == ("source", 30, 14)
    assert answer["rows"][1] == {"source": "text", "n_shown": 81, "n_watched": 21, "rate": 0.2593, "ci95": [0.1763, 0.364]}
    assert brief(answer) == [("any", 111, 22), ("text", 81, 21), ("new", 20, 1)]
    assert brief(ask(client, server, by="rank")) == [(1, 81, 21), (2, 20, 1), (10, 10, 0)]
    assert brief(ask(client, server, by="model")) == [(None, 91, 21), (5, 20, 1)]
    assert brief(ask(client, server, by="row")) == [("recommendations", 91, 21), ("new", 20, 1)]
    assert brief(ask(client, server, by="row", days=1)) == [("recommendations", 90, 20), ("new", 20, 1)]
    assert brief(ask(client, server, days=31))[0] == ("any", 1111, 1022)


def test_skew_is_told_the_farthest_first(client: TestClient, engine: Engine, server: Server, now: datetime) -> None:
    found = [("score", 3000, 0.12, 0.05, False), ("votes", 5, None, None, False), ("age", 3000, 0.5, 0.2, True)]
    with engine.begin() as connection:
        write_skew(connection, server.id, [FeatureSkew(9, *one, now) for one in found])
    answer = ask(client, server, PATHS[1])
    assert (answer["model_id"], datetime.fromisoformat(answer["computed_at"])) == (9, now)
    assert [tuple(one.values()) for one in answer["features"]] == [
        ("age", 3000, 0.5, 0.2, "shifted", True),
        ("score", 3000, 0.12, 0.05, "moderate", False),
        ("votes", 5, None, None, "too few", False),
    ]


def test_where_nothing_was_counted_nothing_is_told(client: TestClient, server: Server) -> None:
    assert ask(client, server)["rows"] == []
    assert ask(client, server, PATHS[1]) == {"model_id": None, "computed_at": None, "features": []}


@pytest.mark.parametrize("path", PATHS)
def test_they_are_for_admins_of_the_server(
    client: TestClient, server: Server, make_key: MakeKey, make_server: MakeServer, path: str
) -> None:
    asked = {"server_id": server.external_id}
    keys = [make_key(["read", "ingest"]), make_key(["admin"], make_server()), make_key(["admin"], server), make_key(["admin"])]
    assert [client.get(path, params=asked, headers=bearer(key)).status_code for key in keys] == [403, 404, 200, 200]
    assert client.get(path, params=asked, headers={"Authorization": ""}).status_code == 401


@pytest.mark.parametrize("parameters", [{"days": 0}, {"days": 366}, {"days": "x"}, {"by": "user"}, {"server_id": "a\x00"}])
def test_a_bad_question_is_told_why(client: TestClient, server: Server, parameters: dict[str, Any]) -> None:
    answer = client.get(PATHS[0], params={"server_id": server.external_id} | parameters)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def gauges(client: TestClient) -> dict[str, float]:
    lines = [line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines if name.startswith(("palate_watch_through", "palate_skewed", "palate_feature_psi"))}


def test_metrics_are_over_all_servers_read_now_and_then_and_stay_while_the_database_is_away(
    make_client: MakeClient, alone: Engine, empty_database_url: str, now: datetime
) -> None:
    client = make_client(database_url=SecretStr(empty_database_url))
    with alone.begin() as connection:
        one, other = (put_server(connection, name, name, "api", {})[0] for name in ("one", "other"))
        write_skew(
            connection, one.id, [FeatureSkew(1, "age", 2000, 0.5, 0.2, True, now), FeatureSkew(1, "votes", 5, None, None, False, now)]
        )
    counted(alone, one, ("any", 1, 10, 5), ("text", 1, 10, 5))
    counted(alone, other, ("any", 1, 30, 5))
    counted(alone, other, ("text", 1, 1000, 0), day=TODAY - timedelta(days=7))
    first = {
        'palate_watch_through_ratio{source="any"}': 0.25, 'palate_watch_through_ratio{source="text"}': 0.5,
        "palate_skewed_features": 1.0, "palate_feature_psi_max": 0.5,
    }  # fmt: skip
    assert gauges(client) == first
    with alone.begin() as connection:
        write_skew(connection, one.id, [])
    assert gauges(client) == first
    later = first | {"palate_skewed_features": 0.0, "palate_feature_psi_max": 0.0}
    client.app.state.stored_gauges = StoredGauges(alone, {})
    assert gauges(client) == later
    away = working_engine(empty_database_url.replace("palate_scratch_", "not_there_"))
    client.app.state.stored_gauges = StoredGauges(away, {})
    assert gauges(client) == later
