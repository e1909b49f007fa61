"""Keys: who may do what, where, and for how long."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.testclient import TestClient

from app.db import Engine
from app.db.servers import create_key, digest_of, revoke_key
from app.secrets import new_key
from app.types import Server
from tests.api.conftest import MakeClient, MakeKey, bearer

# Open to everybody (README, Endpoints), closed by a setting of their own, or pages that have a session.
OPEN = {"/health/live", "/health/ready", "/api/health", "/api/version"}
BY_SETTING = {"/metrics", "/docs", "/docs/oauth2-redirect", "/openapi.json"}
PAGES = {"/", "/login", "/logout", "/slate", "/static", "/connect", "/connect/progress"}
# Under it, what clients of Streamystats ask with a Jellyfin user's token.
OF_TOKENS = "/api/"


@pytest.fixture
def anonymous(client: TestClient) -> TestClient:
    """The service without a key of its own."""
    return TestClient(client.app, raise_server_exceptions=False)


def endpoints(client: TestClient) -> list[tuple[str, str]]:
    """Every (method, path) that needs a key."""
    return [one for one in _closed(client) if not one[1].startswith(OF_TOKENS)]


def token_endpoints(client: TestClient) -> list[tuple[str, str]]:
    """Every (method, path) that needs a Jellyfin user's token."""
    return [one for one in _closed(client) if one[1].startswith(OF_TOKENS)]


def _closed(client: TestClient) -> list[tuple[str, str]]:
    found = []
    for context in iter_route_contexts(client.app.routes):
        path = context.path
        if path not in OPEN | BY_SETTING | PAGES:
            assert isinstance(context.route, APIRoute), path
            found += [(method, path.replace("{", "").replace("}", "")) for method in sorted(context.methods or ())]
    return found


def test_every_endpoint_wants_a_key_before_it_looks_at_anything_else(anonymous: TestClient, subtests: pytest.Subtests) -> None:
    asked = endpoints(anonymous)
    assert {("GET", "/recommendations"), ("PUT", "/servers/server_id"), ("POST", "/ingest/plays")} <= set(asked)
    wrong: list[dict[str, str]] = [{}, bearer("wrong"), bearer(new_key()), {"Authorization": "Basic YTpi"}]
    bodies = [b"", b"{", b"\xff", b'{"server_id": "demo"}', b"[" * 100_000]
    for method, path in asked:
        with subtests.test(f"{method} {path}"):
            for headers in wrong:
                for query in ("", "?server_id=%00&limit=no&user_id=", "?server_id=demo&user_id=mara"):
                    for body in bodies if method in ("POST", "PUT") else [b""]:
                        answer = anonymous.request(method, path + query, content=body, headers=headers)
                        assert answer.status_code == 401, (headers, query, body[:20], answer.text)
                        assert answer.headers["content-type"] == "application/problem+json"
                        assert answer.headers["www-authenticate"] == "Bearer"
                        assert answer.json()["detail"]


def test_a_body_is_not_taken_from_who_has_no_good_key(client: TestClient, subtests: pytest.Subtests) -> None:
    for method, path in [("POST", "/ingest/items"), ("PUT", "/servers/x")]:
        with subtests.test(path):
            taken = []

            def body(taken: list[int] = taken) -> Any:
                for number in range(1000):
                    taken.append(number)
                    yield b" " * 100_000

            # TestClient takes a body as it is asked for, so what was not asked for was not taken.
            answer = client.request(method, path, content=body(), headers=bearer("wrong"))
            assert answer.status_code == 401
            assert len(taken) <= 1


@pytest.mark.parametrize("path", sorted(OPEN))
def test_health_and_version_are_open(anonymous: TestClient, path: str) -> None:
    assert anonymous.get(path).status_code == 200
    assert anonymous.get(path, headers=bearer("wrong")).status_code == 200


@pytest.mark.usefixtures("demo_server")
@pytest.mark.parametrize(
    ("scopes", "may_read", "may_ingest", "may_change"),
    [
        (["read"], True, False, False),
        (["ingest"], False, True, False),
        (["read", "ingest"], True, True, False),
        (["admin"], True, True, True),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else None,
)
def test_a_key_does_what_its_scopes_say(
    anonymous: TestClient, make_key: MakeKey, server: Server, scopes: Any, may_read: bool, may_ingest: bool, may_change: bool
) -> None:
    headers = bearer(make_key(scopes))
    demo = {"server_id": "demo", "user_id": "mara"}
    rows = {"server_id": server.external_id}
    expected = {True: 200, False: 403}
    for path, parameters in (("/recommendations", demo), ("/servers", {}), ("/users", {"server_id": "demo"})):
        assert anonymous.get(path, params=parameters, headers=headers).status_code == expected[may_read], path
    for name in ("items", "users", "plays", "signals"):
        answer = anonymous.post(f"/ingest/{name}", json=rows | {name: []}, headers=headers)
        assert answer.status_code == expected[may_ingest], name
    change = anonymous.put(f"/servers/{server.external_id}", json={"name": "Renamed"}, headers=headers)
    assert change.status_code == expected[may_change]
    if not may_change:
        assert "scope admin" in change.json()["detail"]


@pytest.mark.usefixtures("demo_server")
def test_a_key_bound_to_a_server_sees_no_other(anonymous: TestClient, make_key: MakeKey, server: Server) -> None:
    headers = bearer(make_key(["admin"], server))
    own, other = server.external_id, "demo"
    user = {"server_id": own, "users": [{"user_id": "u", "name": "U"}]}
    assert anonymous.post("/ingest/users", json=user, headers=headers).status_code == 200
    assert anonymous.get("/recommendations", params={"server_id": own, "user_id": "u"}, headers=headers).status_code == 200
    assert [one["server_id"] for one in anonymous.get("/servers", headers=headers).json()["servers"]] == [own]
    assert anonymous.put(f"/servers/{own}", json={"name": "Mine"}, headers=headers).status_code == 200

    ndjson = headers | {"content-type": "application/x-ndjson"}
    refused = [
        anonymous.get("/recommendations", params={"server_id": other, "user_id": "mara"}, headers=headers),
        anonymous.get("/users", params={"server_id": other}, headers=headers),
        anonymous.put(f"/servers/{other}", json={"name": "Taken"}, headers=headers),
        anonymous.put("/servers/one-more", json={"name": "New"}, headers=headers),
    ]
    for name in ("items", "users", "plays", "signals"):
        refused.append(anonymous.post(f"/ingest/{name}", json={"server_id": other, name: []}, headers=headers))
        refused.append(anonymous.post(f"/ingest/{name}", params={"server_id": other}, content=b"{}\n", headers=ndjson))
        # The server of an NDJSON body is the query's, whatever a row says, and the other way round.
        row = json.dumps({"server_id": own, name: []}).encode()
        refused.append(anonymous.post(f"/ingest/{name}", params={"server_id": other}, content=row, headers=ndjson))
        both = anonymous.post(f"/ingest/{name}", params={"server_id": own}, json={"server_id": other, name: []}, headers=headers)
        refused.append(both)
    for answer in refused:
        assert answer.status_code == 404, (answer.request.url, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    # What is not there and what may not be seen can't be told apart.
    absent = anonymous.get("/users", params={"server_id": "not there"}, headers=headers)
    assert absent.json() == refused[1].json()


def test_a_revoked_key_is_refused_at_once(anonymous: TestClient, engine: Engine) -> None:
    key = new_key()
    with engine.begin() as connection:
        key_id = create_key(connection, "to be revoked", digest_of(key), ["read"], None, None)
    assert anonymous.get("/servers", headers=bearer(key)).status_code == 200
    with engine.begin() as connection:
        assert revoke_key(connection, key_id, datetime.now(UTC))
    answer = anonymous.get("/servers", headers=bearer(key))
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_an_expired_key_is_refused_at_once(anonymous: TestClient, make_key: MakeKey) -> None:
    now = datetime.now(UTC)
    assert anonymous.get("/servers", headers=bearer(make_key(expires_at=now - timedelta(microseconds=1)))).status_code == 401
    assert anonymous.get("/servers", headers=bearer(make_key(expires_at=now + timedelta(hours=1)))).status_code == 200


ODD = ["", " ", "Bearer", "Bearer ", "Bearer  ", "Bearer a b", "Basic YTpi", "Bearer,", "Bearer " + "x" * 1_000_000]


@pytest.mark.parametrize("value", [*(one.encode() for one in ODD), "Bearer ключ".encode(), b"Bearer \xff\xfe", b"\xff \xff"], ids=repr)
def test_an_odd_authorization_header_is_a_missing_or_wrong_key(anonymous: TestClient, value: bytes) -> None:
    for path in ("/servers", "/recommendations", "/users?server_id=x"):
        answer = anonymous.get(path, headers={b"authorization": value})
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}  "])
def test_the_scheme_is_read_in_any_case_and_spacing(anonymous: TestClient, admin_key: str, form: str) -> None:
    assert anonymous.get("/servers", headers={"Authorization": form.format(admin_key)}).status_code == 200


@pytest.mark.parametrize("other", ["{}x", "x{}", "{}é"])
def test_only_the_whole_key_is_the_key(anonymous: TestClient, admin_key: str, other: str) -> None:
    value = b"Bearer " + other.format(admin_key).encode()
    assert anonymous.get("/servers", headers={b"authorization": value}).status_code == 401


def test_a_key_is_never_read_from_the_address(anonymous: TestClient, admin_key: str) -> None:
    for name in ("key", "api_key", "token", "access_token", "authorization"):
        assert anonymous.get("/servers", params={name: admin_key}).status_code == 401
    assert anonymous.get("/servers", headers={"cookie": f"palate_session={admin_key}"}).status_code == 401


OPERATOR_PAGES = ["/metrics", "/docs", "/openapi.json"]


@pytest.mark.parametrize("path", OPERATOR_PAGES)
def test_operator_pages_answer_the_machine_itself_by_default(make_client: MakeClient, admin_key: str, path: str) -> None:
    for address in ("127.0.0.1", "127.8.9.1", "::1"):
        assert make_client(address).get(path).status_code == 200
    for address in ("10.1.2.3", "12.7.0.1", "::ffff:10.1.2.3", "128.0.0.1", "2001:db8::1"):
        far = make_client(address).get(path, headers=bearer(admin_key))
        assert far.status_code == 404, address
        assert far.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", OPERATOR_PAGES)
def test_operator_pages_answer_anyone_or_nobody_by_setting(make_client: MakeClient, path: str) -> None:
    assert make_client("10.1.2.3", operator_pages="anyone").get(path).status_code == 200
    assert make_client("127.0.0.1", operator_pages="nobody").get(path).status_code == 404


@pytest.mark.parametrize("path", ["/palate/metrics", "/metrics", "/palate/openapi.json", "/palate/docs"])
def test_a_base_path_is_no_way_around(make_client: MakeClient, path: str) -> None:
    assert make_client("10.1.2.3", base_path="/palate").get(path).status_code == 404
    assert make_client("127.0.0.1", base_path="/palate").get(path).status_code == 200


@pytest.mark.parametrize("path", ["//metrics", "/metrics/", "/./metrics", "/%6detrics", "/METRICS", "/metrics?x=1", "/metrics%00"])
def test_no_spelling_of_an_address_leads_around_the_setting(make_client: MakeClient, path: str) -> None:
    answer = make_client("10.1.2.3").get("http://testserver" + path)
    assert answer.status_code == 404
    assert b"palate_request_seconds" not in answer.content


def test_an_invented_method_is_no_series_of_its_own(client: TestClient) -> None:
    assert client.request("INVENTED", "/servers").status_code == 405
    assert "INVENTED" not in client.get("/metrics").text
