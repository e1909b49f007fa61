"""GET /admin/models, POST /admin/models/{model_id}/promote, POST /admin/models/rollback"""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from structlog.testing import capture_logs

from app.db import Engine
from app.types import Server
from tests.api.conftest import MakeKey, bearer
from tests.db.trained import BETTER, NOT_WORSE, WORSE, damage, statuses, trained

pytestmark = pytest.mark.usefixtures("no_model_stays")

Train = Callable[..., int]
FIELDS = {
    "id", "kind", "name", "status", "parameters", "metrics", "data_window", "code_revision", "digest", "size_bytes", "created_at",
    "live_at", "promoted_because",
}  # fmt: skip


@pytest.fixture
def train(engine: Engine, server: Server) -> Train:
    def make(content: bytes = b"a ranker", of: Server = server, **beside: Any) -> int:
        with engine.begin() as connection:
            return trained(connection, of, content, **beside)

    return make


@pytest.fixture
def live(client: TestClient, server: Server, train: Train) -> int:
    """A model that serves."""
    model_id = train(fused=BETTER)
    assert promote(client, server, model_id).status_code == 200
    return model_id


def promote(client: TestClient, server: Server, model_id: object, reason: str | None = None, **more: Any) -> Response:
    body = {} if reason is None else {"json": {"reason": reason}}
    return client.post(f"/admin/models/{model_id}/promote", params={"server_id": server.external_id}, **body, **more)


def rollback(client: TestClient, server: Server) -> Response:
    return client.post("/admin/models/rollback", params={"server_id": server.external_id})


def listed(client: TestClient, server: Server) -> list[dict[str, Any]]:
    answer = client.get("/admin/models", params={"server_id": server.external_id})
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["models"]
    return found


def refusal(answer: Response) -> str:
    assert answer.status_code == 409, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["detail"])


def test_models_are_listed_with_their_figures(client: TestClient, server: Server, train: Train) -> None:
    assert listed(client, server) == []
    model_id = train(b"ten bytes.", fused=BETTER)
    [model] = listed(client, server)
    assert set(model) == FIELDS
    assert (model["id"], model["status"], model["size_bytes"]) == (model_id, "candidate", 10)
    assert model["digest"] == hashlib.sha256(b"ten bytes.").hexdigest()
    assert model["metrics"]["against"] == {"fused": BETTER}
    assert datetime.fromisoformat(model["created_at"]).tzinfo
    assert (model["live_at"], model["promoted_because"]) == (None, None)


@pytest.mark.parametrize("figures", [BETTER, NOT_WORSE])
def test_a_model_that_is_not_worse_goes_live(client: TestClient, server: Server, train: Train, live: int, figures: Any) -> None:
    model_id = train(**{str(live): figures})
    answer = promote(client, server, model_id)
    assert answer.status_code == 200, answer.text
    assert answer.json() == listed(client, server)[0]
    assert {one["id"]: one["status"] for one in listed(client, server)} == {model_id: "live", live: "kept"}
    assert answer.json()["promoted_because"] is None


def test_a_model_that_was_not_compared_with_what_serves_is_refused(client: TestClient, server: Server, train: Train, live: int) -> None:
    model_id = train(fused=BETTER, **{"5": BETTER})
    said = refusal(promote(client, server, model_id))
    assert f"palate models compare {model_id} {live} --server {server.external_id}" in said
    assert {one["id"]: one["status"] for one in listed(client, server)} == {model_id: "candidate", live: "live"}


def test_the_first_model_is_held_against_fused_scores(client: TestClient, server: Server, train: Train) -> None:
    assert "palate models compare" in refusal(promote(client, server, train()))
    worse = train(fused=WORSE)
    said = refusal(promote(client, server, worse))
    assert "fused scores" in said
    assert all(figure in said for figure in ("-0.0120", "-0.0200", "-0.0040", "812", "reason"))
    assert promote(client, server, train(fused=NOT_WORSE)).status_code == 200


def test_a_worse_model_goes_live_for_a_reason_that_is_recorded(client: TestClient, server: Server, train: Train, live: int) -> None:
    model_id = train(**{str(live): WORSE})
    refusal(promote(client, server, model_id))
    with capture_logs() as logged:
        answer = promote(client, server, model_id, "half the size; «as good» to the eye")
    assert answer.status_code == 200, answer.text
    assert answer.json()["promoted_because"] == listed(client, server)[0]["promoted_because"] == "half the size; «as good» to the eye"
    [line] = [one for one in logged if one["event"].startswith("model promoted")]
    assert (line["log_level"], line["reason"], line["model_id"]) == ("warning", "half the size; «as good» to the eye", model_id)


def test_a_model_that_is_live_already_stays_as_it_is(client: TestClient, server: Server, live: int) -> None:
    before = listed(client, server)
    assert promote(client, server, live, "once more").json() == before[0]
    assert listed(client, server) == before


def test_damaged_bytes_do_not_go_live(client: TestClient, engine: Engine, server: Server, train: Train) -> None:
    model_id = train(fused=BETTER)
    with engine.begin() as connection:
        damage(connection, model_id)
    assert str(model_id) in refusal(promote(client, server, model_id, "whatever"))


def test_of_two_that_are_promoted_at_once_one_is_live(client: TestClient, server: Server, train: Train, live: int) -> None:
    # Each was compared with what is live, and neither with the other: the second is refused.
    ids = [train(**{str(live): BETTER}) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda model_id: promote(client, server, model_id), ids))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    [winner] = [answer.json()["id"] for answer in answers if answer.status_code == 200]
    assert {one["id"] for one in listed(client, server) if one["status"] == "live"} == {winner}


def test_rollback_says_what_serves_and_what_is_kept(client: TestClient, server: Server, train: Train, live: int) -> None:
    second = train(**{str(live): BETTER})
    promote(client, server, second)

    def after() -> tuple[Any, Any]:
        answer = rollback(client, server)
        assert answer.status_code == 200
        found = answer.json()
        return (found["live"] and found["live"]["id"]), (found["kept"] and found["kept"]["id"])

    assert after() == (live, second)
    assert after() == (second, live)


def test_rollback_of_the_first_model_goes_back_to_fused_scores(client: TestClient, server: Server, live: int) -> None:
    assert rollback(client, server).json()["live"] is None
    assert [one["status"] for one in listed(client, server)] == ["kept"]
    assert rollback(client, server).json()["live"]["id"] == live


def test_there_may_be_nothing_to_roll_back(client: TestClient, server: Server) -> None:
    assert "fused scores" in refusal(rollback(client, server))


@pytest.mark.parametrize("model_id", [10**15, 2**63 - 1, 2**63, 10**30, 0, -1, "x", "1.5", "%00", "1e3"])
def test_an_id_that_is_no_models_is_told(client: TestClient, server: Server, model_id: object) -> None:
    answer = promote(client, server, model_id)
    assert answer.status_code in (404, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"null", b"[]", b'"a"', b"\xff", b'{"reason": 5}', b'{"reason": ["a"]}', b'{"reason": ""}', b'{"reason": "  "}',
        b'{"why": "a"}', b'{"reason": "a\\u0000"}', b'{"reason": "a\\nb"}', b'{"reason": "a\\u001b[2J"}', b'{"reason": "a\\u0085b"}',
        b'{"reason": "\\ud800"}', b'{"reason": "' + b"x" * 501 + b'"}', b"[" * 100_000,
    ],
    ids=lambda value: repr(value[:30]),
)  # fmt: skip
def test_a_bad_body_is_told_why_and_changes_nothing(client: TestClient, server: Server, train: Train, body: bytes) -> None:
    model_id = train(fused=BETTER)
    answer = promote(client, server, model_id, content=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"]
    assert listed(client, server)[0]["status"] == "candidate"


@pytest.mark.parametrize("body", [b"", b"{}", b'{"reason": null}'])
def test_without_a_reason_the_figures_decide(client: TestClient, server: Server, train: Train, body: bytes) -> None:
    assert promote(client, server, train(fused=BETTER), content=body).status_code == 200


def test_the_longest_reason_is_kept_whole(client: TestClient, server: Server, train: Train) -> None:
    assert promote(client, server, train(), "ж" * 500).json()["promoted_because"] == "ж" * 500


def test_another_servers_models_are_not_there(
    client: TestClient, engine: Engine, make_key: MakeKey, server: Server, make_server: Callable[[], Server], train: Train, live: int
) -> None:
    other = make_server()
    headers = bearer(make_key(["admin"], other))
    asked = {"server_id": server.external_id}
    own = {"server_id": other.external_id}
    refused = [
        client.get("/admin/models", params=asked, headers=headers),
        client.post(f"/admin/models/{live}/promote", params=asked, headers=headers),
        client.post("/admin/models/rollback", params=asked, headers=headers),
        # On its own server another's model is as unknown as one that is not there.
        client.post(f"/admin/models/{live}/promote", params=own, json={"reason": "mine"}, headers=headers),
        promote(client, other, live, "taken"),
    ]
    assert [answer.status_code for answer in refused] == [404] * 5
    assert client.get("/admin/models", params=own, headers=headers).json() == {"models": []}
    with engine.begin() as connection:
        assert statuses(connection, server) == {live: "live"}


def test_models_are_for_admins(client: TestClient, make_key: MakeKey, server: Server, live: int) -> None:
    headers = bearer(make_key(["read", "ingest"], server))
    asked = {"server_id": server.external_id}
    assert client.get("/admin/models", params=asked, headers=headers).status_code == 403
    assert client.post(f"/admin/models/{live}/promote", params=asked, headers=headers).status_code == 403
    assert client.post("/admin/models/rollback", params=asked, headers=headers).status_code == 403
