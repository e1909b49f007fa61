"""What holds of every address under /api: who may call it, from where, how it is spelt, and how errors are said."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from app.db import Engine
from tests.api.conftest import MakeClient
from tests.api.streamystats.attic import Attic, headers
from tests.planted import SECRETS

PATHS = ["/api/recommendations", "/api/watchlists/5", "/api/search", "/api/health", "/api/version", "/api/nothing", "/api"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origins", ["", "https://tv.example"])
def test_any_page_may_call_with_a_token_it_has_and_no_cookie(make_client: MakeClient, path: str, origins: str) -> None:
    tv = make_client(cors_origins=origins)
    asked = {"Origin": "https://tv.example", "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
    for answer in (tv.options(path, headers=asked), tv.get(path, headers={"Origin": "https://tv.example"})):
        assert answer.headers.get_list("access-control-allow-origin") == ["*"]
        assert {"GET", "POST", "PATCH", "DELETE", "OPTIONS"} <= set(answer.headers["access-control-allow-methods"].split(", "))
        assert {"Content-Type", "Authorization"} <= set(answer.headers["access-control-allow-headers"].split(", "))
        assert "access-control-allow-credentials" not in answer.headers
        assert answer.headers.get_list("cache-control") == ["private"]
    answer = tv.options(path)
    assert (answer.status_code, answer.content) == (204, b"")


def test_no_other_address_is_open_to_pages(tv: TestClient) -> None:
    for path in ("/recommendations", "/servers", "/apis", "/login"):
        assert "access-control-allow-origin" not in tv.get(path, headers={"Origin": "https://tv.example"}).headers
    assert tv.options("/recommendations").status_code == 405


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/nothing", 404), ("GET", "/api", 404), ("PUT", "/api/recommendations", 405), ("DELETE", "/api/search", 405),
     ("GET", "/api/watchlists/5/items", 405), ("GET", "/api/get-item-details/" + "0" * 32, 403), ("INVENTED", "/api/health", 405)],
)  # fmt: skip
def test_errors_are_said_as_these_clients_read_them(tv: TestClient, method: str, path: str, status: int) -> None:
    answer = tv.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert set(answer.json()) == {"error", "message"}
    assert answer.headers["content-length"] == str(len(answer.content))
    assert "x-request-id" in answer.headers


def test_errors_elsewhere_stay_problems(tv: TestClient) -> None:
    assert tv.get("/nothing").headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("form", ["/api{}", "//api{}", "/api/{}/", "///api/{}//"])
def test_slashes_are_no_matter_and_nobody_is_sent_elsewhere(tv: TestClient, attic: Attic, form: str) -> None:
    query = f"?jellyfinServerId={attic.jellyfin_id}&format=ids"
    for path in ("/recommendations", "/watchlists", "/watchlists/promoted", "/watchlists/5", "/health"):
        answer = tv.get("http://testserver" + form.format(path) + query, headers=headers(attic.tokens["ann"]))
        assert answer.status_code == 200, answer.text
    assert tv.options("http://testserver" + form.format("/search")).status_code == 204


@pytest.mark.parametrize("sent_as", ["/recs", ""], ids=["the proxy keeps the base path", "the proxy strips it"])
def test_under_a_base_path_it_is_the_same(make_client: MakeClient, attic: Attic, sent_as: str) -> None:
    tv, query = make_client(base_path="/recs"), {"jellyfinServerId": attic.jellyfin_id, "format": "ids"}
    for path in ("/api/recommendations", "//api/recommendations", "/api/recommendations/"):
        address = f"http://testserver{sent_as}{path}"
        answer = tv.get(address, params=query, headers=headers(attic.tokens["ann"]), follow_redirects=False)
        assert answer.status_code == 200, answer.text
        assert tv.options(address).status_code == 204
    assert tv.get(sent_as + "/api/nothing").json()["error"] == "Not Found"


@pytest.mark.fails
def test_what_fails_inside_is_an_empty_list_and_nothing_of_it_is_told(
    make_client: MakeClient, attic: Attic, engine: Engine, capfd: pytest.CaptureFixture[str]
) -> None:
    tv, query = make_client(), {"jellyfinServerId": attic.jellyfin_id, "format": "ids"}
    sent = headers(attic.tokens["ann"])
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE engagement RENAME COLUMN is_hidden TO planted"))
    try:
        assert tv.get("/api/recommendations", params=query, headers=sent).json() == {"data": {"movies": [], "series": [], "total": 0}}
        assert tv.get("/api/watchlists", params=query, headers=sent).json() == {"data": []}
        assert tv.get("/api/search", params=query | {"q": "a"}, headers=sent).json()["data"]["total"] == 0
    finally:
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE engagement RENAME COLUMN planted TO is_hidden"))
    assert tv.get("/api/recommendations", params=query, headers=sent).json()["data"]["total"] > 0
    assert "unexpected error" in (written := "".join(capfd.readouterr()))
    assert SECRETS.search(written) is None


def test_a_missing_text_model_is_an_empty_list(make_client: MakeClient, other_attic: Attic, engine: Engine) -> None:
    tv, query = make_client(), {"jellyfinServerId": other_attic.jellyfin_id, "format": "ids"}
    sql = "UPDATE spaces SET status = '{}' WHERE server_id = :server_id AND status = '{}'"

    def ask() -> Any:
        answer = tv.get("/api/recommendations", params=query, headers=headers(other_attic.tokens["ann"]))
        assert answer.status_code == 200
        return answer.json()["data"]["total"]

    assert ask() > 0
    for now, before in (("kept", "live"), ("live", "kept")):
        with engine.begin() as connection:
            connection.execute(text(sql.format(now, before)), {"server_id": other_attic.server.id})
        assert (ask() == 0) is (now == "kept")


def test_what_is_unexpected_is_told_as_an_error_of_theirs(make_client: MakeClient, attic: Attic) -> None:
    tv = make_client()
    del tv.app.state.user_tokens  # type: ignore[attr-defined]
    answer = tv.get("/api/search", params={"q": "a", "jellyfinServerId": attic.jellyfin_id}, headers=headers(attic.tokens["ann"]))
    assert (answer.status_code, answer.json()["error"]) == (500, "Internal error")
    assert answer.headers["access-control-allow-origin"] == "*"


def test_an_answer_is_made_again_only_when_something_changed(make_client: MakeClient, attic: Attic) -> None:
    tv, sent = make_client(), headers(attic.tokens["ann"])
    logged: list[Any] = []
    tv.app.state.slate_log.add = logged.append  # type: ignore[attr-defined]
    query = {"jellyfinServerId": attic.jellyfin_id}
    for shape in ("ids", "full", "ids"):
        assert tv.get("/api/recommendations", params=query | {"format": shape}, headers=sent).json()["data"]
    assert len(logged) == 1
    rows = tv.get("/api/watchlists/promoted", params=query, headers=sent).json()["data"]
    for row in rows:
        tv.get(f"/api/watchlists/{row['id']}", params=query, headers=sent)
    assert len(logged) == 1 + len(rows)
    # An administrator looks; it is not shown to whom it is for.
    of_ann = query | {"targetUserId": attic.user_id("ann")}
    assert tv.get("/api/recommendations", params=of_ann, headers=headers(attic.tokens["admin"])).json()["data"]
    assert len(logged) == 1 + len(rows)
