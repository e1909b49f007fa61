"""Connecting a Jellyfin on the page: by those who may, without the token being seen again, and with errors that say what to do."""

import html
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.db import Engine
from app.db.connections import find_connection
from app.db.jobs import find_jobs, get_job, start_job, tell_progress
from app.db.queue import enqueue
from app.db.servers import create_key, digest_of, find_server
from app.job_types import Job
from app.main import create_app
from app.secrets import decrypted, new_key
from app.settings import Settings
from app.types import Scope, Server
from app.web.connecting import remaining
from jobs.running import run_job
from tests.connect.fake_jellyfin.library import FakeLibrary, generated
from tests.connect.fake_jellyfin.server import KEY, FakeJellyfin, plugin
from tests.connect.fake_plex import FakePlex
from tests.connect.test_allowed_addresses import FORBIDDEN
from tests.planted import SECRET_KEY, planted

MakeJellyfin = Callable[..., FakeJellyfin]


@pytest.fixture
def browser(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


@pytest.fixture
def operator(browser: TestClient, admin_key: str) -> TestClient:
    assert browser.post("/login", data={"key": admin_key}).status_code == 303
    return browser


@pytest.fixture
def library() -> FakeLibrary:
    return generated(4, 1, 2, 2, 3)


def connect(client: TestClient, url: str, name: str, token: str = KEY, kind: str = "jellyfin", **headers: str) -> Any:
    return client.post("/connect", data={"kind": kind, "url": url, "token": token, "server_id": name}, headers=headers)


def test_a_jellyfin_is_connected_and_read_and_its_token_is_seen_nowhere(
    operator: TestClient, make_jellyfin: MakeJellyfin, library: FakeLibrary, major: int, engine: Engine, settings: Settings,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    fake = make_jellyfin(library, major)
    fake.plugins = [plugin()]
    form = operator.get("/connect")
    assert 'type="password"' in form.text
    name = f"attic-{major}"
    answer = connect(operator, f" {fake.url}/ ", name)
    page = html.unescape(answer.text)
    assert answer.status_code == 200, page
    for words in ("Attic is connected", f"Jellyfin {fake.version}", "Films", "User 1", "Playback Reporting", "Waiting to be read"):
        assert words in page
    assert "Webhook" not in page
    with engine.begin() as connection:
        server = find_server(connection, name)
        assert server is not None
        stored = find_connection(connection, server.id)
        [job] = find_jobs(connection, server.id, 10)
    assert stored is not None
    assert (stored.url, decrypted(stored.token, SECRET_KEY), job.name) == (fake.url, KEY, "sync-library")
    [address] = re.findall(r'hx-get="([^"]+)"', page)
    run_job(engine, settings, job.id, lambda: False)
    part = operator.get(address, headers={"hx-request": "true"})
    assert "<html" not in part.text
    assert "All is read" in part.text
    assert re.search(r"8 items, \d+ plays, 2 users", part.text)
    assert "hx-get" not in part.text
    assert operator.get(address).text.startswith("<!doctype html>")
    written = capfd.readouterr()
    seen = form.text + page + part.text + str(answer.headers) + written.out + written.err
    assert KEY not in seen


def test_a_plex_is_connected_alike(operator: TestClient, make_plex: Callable[..., FakePlex], library: FakeLibrary, engine: Engine) -> None:
    fake = make_plex(library)
    page = connect(operator, fake.url, "loft", kind="plex")
    assert (page.status_code, "Loft is connected" in page.text, "they get nothing unless" in page.text) == (200, True, True)
    with engine.begin() as connection:
        server = find_server(connection, "loft")
        assert server is not None
        stored = find_connection(connection, server.id)
        assert stored is not None
        assert (server.kind, stored.kind) == ("plex", "plex")
    assert KEY not in page.text


@pytest.mark.parametrize("host", FORBIDDEN)
def test_the_page_asks_nobody_where_no_media_server_may_be(
    operator: TestClient, make_jellyfin: MakeJellyfin, library: FakeLibrary, engine: Engine, host: str
) -> None:
    fake = make_jellyfin(library)
    answer = connect(operator, f"http://{host}:{fake.url.rpartition(':')[2]}", "cloud")
    assert (answer.status_code, "leads to where no media server is" in answer.text, fake.asked) == (422, True, [])
    with engine.begin() as connection:
        assert find_server(connection, "cloud") is None


def test_what_stands_in_the_way_is_said_and_nothing_is_stored(
    operator: TestClient, make_jellyfin: MakeJellyfin, library: FakeLibrary, engine: Engine
) -> None:
    fake, old, no_jellyfin, moved = (make_jellyfin(library) for _ in range(4))
    old.version, no_jellyfin.always, moved.always = "10.10.7", "no json", "elsewhere"
    cases = [
        (connect(operator, "http://127.0.0.1:9", "no"), "does not answer"),
        (connect(operator, no_jellyfin.url, "no"), "Is this the address of a Jellyfin"),
        (connect(operator, fake.url, "no", planted("wrong-token")), "does not accept the token"),
        (connect(operator, old.url, "no"), "reads 10.11 and newer"),
        (connect(operator, moved.url, "no"), "sends elsewhere"),
        (connect(operator, "attic", "no"), "is as http://"),
        (connect(operator, f"http://admin:{KEY}@127.0.0.1:9", "no"), "no name and password"),
        (connect(operator, f"http://127.0.0.1:9/?api_key={KEY}", "no"), "is as http://"),
        (connect(operator, "file:///etc/passwd", "no"), "is as http://"),
        (connect(operator, fake.url, "no", "two\nlines"), "no token"),
        (connect(operator, fake.url, ""), "A name for the server"),
        (connect(operator, fake.url, "a\x00b"), "A name for the server"),
        (operator.post("/connect", content=b"no form"), "A name for the server"),
    ]
    for answer, words in cases:
        page = html.unescape(answer.text)
        assert (answer.status_code, words in page) == (422, True), page
        assert "planted" not in page
    assert len(moved.asked) == len(no_jellyfin.asked) == 1, "not followed, and nobody is kept waiting"
    assert f'value="{fake.url}"' in cases[2][0].text, "what was right need not be typed again"
    with engine.begin() as connection:
        assert find_server(connection, "no") is None
    assert connect(operator, fake.url, "theirs").status_code == 200
    fake.id = "e" * 32
    assert "connected to another media server" in connect(operator, fake.url, "theirs").text


def test_only_who_may_do_anything_anywhere_may_have_an_address_asked(
    browser: TestClient, make_jellyfin: MakeJellyfin, library: FakeLibrary, engine: Engine, server: Server, admin_key: str
) -> None:
    fake = make_jellyfin(library)
    keys: list[tuple[Sequence[Scope], Server | None]] = [(["read"], None), (["read", "ingest"], None), (["admin"], server)]
    assert connect(browser, fake.url, "no").headers["location"] == "/login"
    assert browser.get("/connect").headers["location"] == "/login"
    for scopes, of in keys:
        key = new_key()
        with engine.begin() as connection:
            create_key(connection, "a page test", digest_of(key), scopes, of and of.id, None)
        browser.post("/login", data={"key": key})
        assert 'href="/connect"' not in browser.get("/").text
        for answer in (browser.get("/connect"), connect(browser, fake.url, server.external_id), browser.get("/connect/progress?job_id=1")):
            assert answer.status_code == 403, scopes
    browser.post("/login", data={"key": admin_key})
    assert 'href="/connect"' in browser.get("/").text
    for origin in ("https://evil.example", "null", "http://testserver:81"):
        assert connect(browser, fake.url, "no", origin=origin).status_code == 403
    assert fake.asked == []


def test_how_far_it_is_refreshes_by_itself_and_says_how_long_it_will_take(operator: TestClient, engine: Engine, server: Server) -> None:
    began = datetime.now(UTC) - timedelta(minutes=1)
    with engine.begin() as connection:
        job_id = enqueue(connection, "sync-library", server.id, None, None, began)
        other = enqueue(connection, "prune", server.id, None, None, began)
    assert job_id is not None
    page = operator.get(f"/connect/progress?job_id={job_id}").text
    assert "Is a worker running" in page
    with engine.begin() as connection:
        job = start_job(connection, job_id, began)
        assert job is not None
        tell_progress(connection, job, 1000, 4000)
    page = operator.get(f"/connect/progress?job_id={job_id}").text
    for words in ('max="4000" value="1000"', "1,000 of 4,000", "About 3 minutes more", 'hx-trigger="load delay:2s"'):
        assert words in page
    assert not re.search(r"<style|\sstyle=|<script(?! src=)|\son\w+=", page)
    for wrong in (str(other), "0", "-1", "x", "", "1" * 30, "\u0663"):
        assert operator.get("/connect/progress", params={"job_id": wrong}).status_code == 404


def test_an_estimate_is_made_of_the_speed_so_far(engine: Engine, server: Server, now: datetime) -> None:
    with engine.begin() as connection:
        job_id = enqueue(connection, "sync-library", server.id, None, None, now)
        assert job_id is not None
        start_job(connection, job_id, now)

        def after(seconds: float, done: int, total: int) -> str | None:
            job: Job = get_job(connection, job_id)
            tell_progress(connection, job, done, total)
            return remaining(get_job(connection, job_id), now + timedelta(seconds=seconds))

        assert [after(60, *far) for far in ((0, 0), (0, 10), (10, 10), (6, 10), (1, 10), (1, 2), (1, 1000))] == [
            None, None, None, "less than a minute", "about 9 minutes", "about 1 minute", "about 17 hours",
        ]  # fmt: skip
        assert after(2, 1, 10) is None
