"""POST /webhooks/...: who may, what becomes of it over HTTP, and that the secret is nowhere."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import hypothesis
import orjson
import pytest
from fastapi.testclient import TestClient
from hypothesis import strategies as st

from app.connect import emby_webhook, jellyfin_webhook, plex_webhook
from app.db import Engine
from app.db.live import create_webhook, revoke_webhooks
from app.db.servers import digest_of
from app.secrets import new_key
from app.settings import Settings
from app.types import Server
from tests.api.conftest import MakeClient, bearer
from tests.api.home import Home, make_home
from tests.api.rows import recommended
from tests.api.served import served
from tests.api.test_attacks import exchange
from tests.api.test_secrets import logged
from tests.connect.payloads import emby, jellyfin, plex
from tests.connect.test_webhook_mutations import BENDS, PAYLOADS, bent_by, bounded, recorded
from tests.planted import SECRETS

__all__ = ["logged"]

ADA, FILM = "a" * 32, "f" * 32
Post = Callable[..., Any]


@pytest.fixture
def anonymous(client: TestClient) -> TestClient:
    return TestClient(client.app, raise_server_exceptions=False)


@pytest.fixture
def secret(engine: Engine, server: Server) -> str:
    made = new_key()
    with engine.begin() as connection:
        create_webhook(connection, server.id, digest_of(made))
    return made


@pytest.fixture
def post(anonymous: TestClient, server: Server, secret: str) -> Post:
    """A webhook as a sender sends it, its secret in the path."""

    def send(payload: Any, kind: str = "jellyfin", **more: Any) -> Any:
        body = {} if payload is None else {"content": orjson.dumps(payload), "headers": {"content-type": "text/plain"}}
        return anonymous.post(f"/webhooks/{kind}/{server.external_id}/{secret}", **body | more)

    return send


@pytest.fixture
def home(client: TestClient, engine: Engine, server: Server) -> Home:
    return make_home(client, engine, server)


def started(user: str = ADA, item: str = FILM) -> dict[str, Any]:
    return jellyfin("PlaybackStart", user, item, datetime.now(UTC), 0)


def test_a_play_that_a_webhook_tells_is_out_of_the_next_answer(home: Home, post: Post) -> None:
    home.send("items", {"item_id": FILM, "type": "movie", "name": "Tin", "official_rating": "PG"})
    home.send("users", {"user_id": ADA, "name": "Ada"})
    before = recommended(home.client, home.server, ADA, limit=100)
    assert FILM in {item["item_id"] for item in before["items"]}
    answer = post(started())
    assert (answer.status_code, answer.json()) == (200, {"taken": "play"})
    after = recommended(home.client, home.server, ADA, limit=100)
    assert {item["item_id"] for item in after["items"]} == {item["item_id"] for item in before["items"]} - {FILM}


@pytest.mark.parametrize("header", ["Authorization", "X-Palate-Secret"])
def test_a_secret_may_stand_in_a_header(anonymous: TestClient, server: Server, secret: str, header: str) -> None:
    value = f"Bearer {secret}" if header == "Authorization" else secret
    answer = anonymous.post(f"/webhooks/jellyfin/{server.external_id}", headers={header: value}, json=started())
    assert (answer.status_code, answer.json()) == (200, {"taken": "play"})


def test_a_wrong_secret_is_not_told_whether_the_server_is_there(
    anonymous: TestClient, engine: Engine, server: Server, make_server: Callable[..., Server], secret: str
) -> None:
    of_another, other = new_key(), make_server()
    with engine.begin() as connection:
        create_webhook(connection, other.id, digest_of(of_another))
    answers = [
        anonymous.post(f"/webhooks/jellyfin/{name}{end}", json=started())
        for name in (server.external_id, "no-such-server")
        for end in ("", "/wrong", f"/{of_another}", f"/{new_key()}")
    ]
    assert {(answer.status_code, answer.json()["detail"]) for answer in answers} == {(401, answers[0].json()["detail"])}
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}


def test_a_secret_is_of_no_other_use_and_no_key_opens_a_webhook(anonymous: TestClient, server: Server, secret: str, admin_key: str) -> None:
    query = {"server_id": server.external_id, "user_id": ADA}
    assert anonymous.get("/recommendations", params=query, headers=bearer(secret)).status_code == 401
    assert anonymous.post("/ingest/plays", json={"server_id": server.external_id, "plays": []}, headers=bearer(secret)).status_code == 401
    assert anonymous.post(f"/webhooks/jellyfin/{server.external_id}", headers=bearer(admin_key), json=started()).status_code == 401


def test_a_secret_that_is_revoked_is_none(engine: Engine, server: Server, post: Post) -> None:
    assert post(started()).status_code == 200
    with engine.begin() as connection:
        assert revoke_webhooks(connection, server.id, datetime.now(UTC)) == 1
    assert post(started()).status_code == 401


def test_what_can_not_be_read_is_refused_with_a_reason(post: Post) -> None:
    for sent in (b"", b"{", b"\xff", b"[]", b'"x"', b"[" * 100_000, b'{"NotificationType": 5}', b"\x00", b'{"a": "\\ud800"}'):
        answer = post(None, content=sent)
        assert (answer.status_code, bool(answer.json()["detail"])) == (422, True), sent[:20]
    assert post(started(user="ada")).json()["detail"] == "UserId is missing, or no id of a Jellyfin."
    assert post(started(), "kodi").status_code == 404
    assert post({"NotificationType": "TaskCompleted"}).json() == {"taken": "nothing", "reason": "nothing is kept of TaskCompleted"}


KINDS = {jellyfin_webhook.read_webhook: "jellyfin", emby_webhook.read_webhook: "emby", plex_webhook.read_webhook: "plex"}


@pytest.mark.parametrize("n_examples", [300, pytest.param(5_000, marks=pytest.mark.soak)])
def test_bent_webhooks_over_http_are_taken_or_refused(post: Post, n_examples: int) -> None:
    """Made-up ones, and where they are at hand as many that were recorded."""
    told_of = st.one_of(*(st.sampled_from(some) for some in (PAYLOADS, recorded()) if some))

    @bounded(n_examples)
    @hypothesis.given(told_of, BENDS)
    def check(told: tuple[Any, dict[str, Any]], bends: list[tuple[int, Any, bool]]) -> None:
        bent, _ = bent_by(told[1], bends)
        answer = post(None, KINDS[told[0]], content=json.dumps(bent).encode())
        assert answer.status_code in (200, 422), answer.text
        assert answer.json().get("taken") or answer.json()["detail"]

    check()


def test_a_form_is_read_as_plex_and_emby_send_it(post: Post) -> None:
    thumb = ("thumb.jpg", b"\xff\xd8\xff" * 1000, "image/jpeg")
    sent = plex("media.play", 1, "77")
    answer = post(None, "plex", files={"payload": (None, orjson.dumps(sent), "application/json"), "thumb": thumb})
    assert (answer.status_code, answer.json()) == (200, {"taken": "play"})
    answer = post(None, "plex", files={"payload": ("payload.json", orjson.dumps(plex("media.play", 2, "77"))), "thumb": thumb})
    assert (answer.status_code, answer.json()) == (200, {"taken": "play"})
    sent = emby("playback.start", ADA, "77", datetime.now(UTC), 0)
    answer = post(None, "emby", data={"data": orjson.dumps(sent).decode()})
    assert (answer.status_code, answer.json()) == (200, {"taken": "play"})
    assert post(None, "plex", files={"thumb": thumb}).status_code == 400
    broken = {"content-type": "multipart/form-data; boundary=x"}
    assert post(None, "plex", content=b"no form", headers=broken).status_code == 400
    assert post(None, "plex", content=b"no form", headers={"content-type": "multipart/form-data"}).status_code == 400


def test_a_body_is_not_taken_without_a_secret_and_is_not_large(anonymous: TestClient, server: Server, post: Post) -> None:
    taken: list[int] = []

    def body() -> Any:
        for number in range(100):
            taken.append(number)
            yield b" " * 100_000

    assert anonymous.post(f"/webhooks/jellyfin/{server.external_id}/wrong", content=body()).status_code == 401
    assert len(taken) <= 1
    assert post(None, content=b" " * (2 << 20)).status_code == 413


def test_a_sender_counts_by_its_secret_and_wrong_ones_by_their_address(make_client: MakeClient, server: Server, secret: str) -> None:
    limited = make_client("10.0.0.9", rate_limit="5/minute")
    good, wrong = (f"/webhooks/jellyfin/{server.external_id}/{one}" for one in (secret, "wrong"))
    assert [limited.post(good, json=started()).status_code for _ in range(8)] == [200] * 6 + [429] * 2
    assert limited.get("/servers").status_code == 401
    limited = make_client("10.0.0.9", rate_limit="1000/minute")
    assert {limited.post(wrong, json=started()).status_code for _ in range(30)} == {401}
    assert limited.post(wrong, json=started()).status_code == 429


def test_the_secret_is_in_no_log_line_and_no_error(logged: io.StringIO, make_client: MakeClient, server: Server, secret: str) -> None:
    service = make_client()
    path = f"/webhooks/jellyfin/{server.external_id}/{secret}"
    answers = [service.post(path, content=body) for body in (b"{", orjson.dumps(started()))]
    work, service.app.state.work = service.app.state.work, None
    answers.append(service.post(path, json=started()))
    service.app.state.work = work
    answers.append(service.get(path))
    assert [answer.status_code for answer in answers] == [422, 200, 500, 405]
    assert not any(secret in answer.text for answer in answers)
    assert secret not in logged.getvalue()
    assert "/webhooks/{kind}/{server_id}/{secret}" in logged.getvalue()


def test_the_secret_is_in_no_line_of_the_web_server(
    settings: Settings, server: Server, secret: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with served(settings) as address:
        host, _, port = address.removeprefix("http://").partition(":")
        for head in ("POST /webhooks/jellyfin/{}/{} HTTP/1.1", "GET /webhooks/{}/{} HTTP/1.1", "POST /webhooks/jellyfin/{}/{}/x HTTP/1.1"):
            line = head.format(server.external_id, secret)
            answer = exchange(host, int(port), f"{line}\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())
            assert answer.split(b" ", 2)[1] in (b"401", b"404", b"422", b"405")
            assert secret.encode() not in answer
    written = capfd.readouterr()
    assert SECRETS.search(written.out + written.err) is None


def test_a_flood_of_progress_is_few_writes_and_a_bump_only_where_it_moved(home: Home, post: Post) -> None:
    home.send("items", {"item_id": FILM, "type": "movie", "name": "Tin", "runtime_seconds": 5400})
    home.send("users", {"user_id": ADA, "name": "Ada"})
    now = datetime.now(UTC) - timedelta(hours=2)
    post(jellyfin("PlaybackStart", ADA, FILM, now, 0))
    version = f"SELECT engagement_version FROM users WHERE server_id = :server_id AND external_id = '{ADA}'"
    before = home.rows(version)[0][0]
    for second in range(1, 119, 8):
        post(jellyfin("PlaybackProgress", ADA, FILM, now + timedelta(seconds=second), second / 60))
    assert home.rows(version)[0][0] == before
    post(jellyfin("PlaybackProgress", ADA, FILM, now + timedelta(seconds=130), 130 / 60))
    assert home.rows(version)[0][0] == before + 1
    assert home.rows("SELECT count(*) FROM sittings WHERE server_id = :server_id")[0][0] == 1
