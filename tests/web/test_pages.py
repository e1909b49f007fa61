"""The page for people, as a browser sees it."""

import html
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient

from app.db import Engine
from app.db.ingest import ingest_users
from app.db.servers import create_key, digest_of, revoke_key
from app.ingest_types import UserRow
from app.secrets import new_key
from app.types import Scope, Server
from app.web import view
from app.web.session import COOKIE

LINK = re.compile(r'<a id="([^"]+)" href="([^"]+)"')
HTML = "text/html"


@pytest.fixture
def logged_in(demo_client: TestClient, admin_key: str) -> TestClient:
    assert log_in(demo_client, admin_key).status_code == 303
    return demo_client


def log_in(demo_client: TestClient, key: str, query: str = "") -> Any:
    return demo_client.post(f"/login{query}", data={"key": key}, follow_redirects=False)


def links(page: str) -> dict[str, str]:
    return {name: html.unescape(address) for name, address in LINK.findall(page)}


def make_key(engine: Engine, scope: Scope, server: Server | None = None) -> tuple[str, int]:
    key = new_key()
    with engine.begin() as connection:
        return key, create_key(connection, "a page test", digest_of(key), [scope], server.id if server else None, None)


def test_who_is_not_logged_in_is_led_to_the_form_and_then_where_they_wanted(demo_client: TestClient, admin_key: str) -> None:
    away = demo_client.get("/?server_id=demo&user_id=jonas", follow_redirects=False)
    assert away.status_code == 303
    assert away.headers["location"] == "/login?server_id=demo&user_id=jonas"
    form = demo_client.get(away.headers["location"])
    assert form.status_code == 200
    assert 'type="password"' in form.text
    assert 'action="/login?server_id=demo&amp;user_id=jonas"' in form.text
    back = log_in(demo_client, admin_key, "?server_id=demo&user_id=jonas")
    assert back.headers["location"] == "/?server_id=demo&user_id=jonas"
    assert "For Jonas" in demo_client.get(back.headers["location"]).text


@pytest.mark.parametrize("key", ["wrong", "", "\x00", "ключ", "x" * 100_000])
def test_a_wrong_key_is_told_so(demo_client: TestClient, key: str) -> None:
    answer = log_in(demo_client, key)
    assert answer.status_code == 401
    assert "unknown, revoked or expired" in answer.text
    assert COOKIE not in answer.cookies


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "multipart/form-data; boundary=x"])
def test_a_login_that_is_no_form_is_a_wrong_key(demo_client: TestClient, content_type: str) -> None:
    answer = demo_client.post("/login", content=b"--x\r\n\xff", headers={"content-type": content_type})
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith(HTML)


def test_a_key_that_may_not_read_is_refused(demo_client: TestClient, engine: Engine) -> None:
    answer = log_in(demo_client, make_key(engine, "ingest")[0])
    assert answer.status_code == 403
    assert "scope read" in answer.text
    assert COOKIE not in answer.cookies


def test_the_cookie_is_closed_to_scripts_and_does_not_hold_the_key(demo_client: TestClient, admin_key: str) -> None:
    answer = log_in(demo_client, admin_key)
    cookie = answer.headers["set-cookie"]
    assert admin_key not in cookie
    assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=2592000"} <= set(cookie.split("; "))
    assert "Secure" not in cookie


def test_the_cookie_is_secure_over_https(demo_client: TestClient, admin_key: str) -> None:
    answer = demo_client.post("https://testserver/login", data={"key": admin_key}, follow_redirects=False)
    assert "Secure" in answer.headers["set-cookie"].split("; ")


@pytest.mark.parametrize("change", ["x{}", "{}x", "", "é"])
def test_a_cookie_that_was_not_signed_here_is_worth_nothing(logged_in: TestClient, change: str) -> None:
    cookie = logged_in.cookies[COOKIE]
    logged_in.cookies.clear()
    answer = logged_in.get("/", headers={b"cookie": f"{COOKIE}={change.format(cookie)}".encode()}, follow_redirects=False)
    assert answer.status_code == 303


def test_a_revoked_key_is_out_at_once(demo_client: TestClient, engine: Engine) -> None:
    key, key_id = make_key(engine, "read")
    log_in(demo_client, key)
    assert demo_client.get("/", follow_redirects=False).status_code == 200
    with engine.begin() as connection:
        revoke_key(connection, key_id, datetime.now(UTC))
    cookie = demo_client.cookies[COOKIE]
    assert demo_client.get("/", follow_redirects=False).status_code == 303
    swap = demo_client.get("/slate", headers={"hx-request": "true", "cookie": f"{COOKIE}={cookie}"})
    assert swap.status_code == 401
    assert swap.headers["hx-redirect"] == "/login"


def test_a_key_bound_to_a_server_sees_that_server_alone(demo_client: TestClient, engine: Engine, server: Server) -> None:
    log_in(demo_client, make_key(engine, "read", server)[0])
    page = demo_client.get("/")
    assert page.status_code == 200
    assert f"{server.name} has no users" in page.text
    assert demo_client.get("/?server_id=demo&user_id=mara").status_code == 404
    assert "Mara" not in demo_client.get("/?server_id=demo&user_id=mara").text


def test_logging_out_ends_it(logged_in: TestClient) -> None:
    answer = logged_in.post("/logout", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert logged_in.get("/", follow_redirects=False).status_code == 303


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://testserver.evil.example", "http://[", "http://testserver:81"])
@pytest.mark.parametrize("path", ["/login", "/logout"])
def test_another_sites_form_is_refused(logged_in: TestClient, admin_key: str, path: str, origin: str) -> None:
    answer = logged_in.post(path, data={"key": admin_key}, headers={"origin": origin}, follow_redirects=False)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("origin", ["http://testserver", "http://TESTSERVER:80"])
def test_our_own_form_is_taken(demo_client: TestClient, admin_key: str, origin: str) -> None:
    answer = demo_client.post("/login", data={"key": admin_key}, headers={"origin": origin}, follow_redirects=False)
    assert answer.status_code == 303


def test_the_slate_says_why_and_what_was_watched_stands_beside_it(logged_in: TestClient) -> None:
    page = html.unescape(logged_in.get("/?server_id=demo&user_id=mara").text)
    assert "For Mara" in page
    assert "Personal: chosen from what Mara watched" in page
    assert "Because you watched" in page
    assert "Based on" in page
    assert re.search(r"\d h \d+ min", page)
    history = page[page.index("Watched lately") :]
    assert "Zodiac" in history
    assert re.search(r'<progress max="100" value="\d+"', history)
    assert "gave it 9 of 10" in history


def test_every_link_works_without_javascript(logged_in: TestClient) -> None:
    found = links(logged_in.get("/?server_id=demo").text)
    assert {"type-all", "type-movie", "type-series"} < set(found)
    assert sum(name.startswith("user_id-") for name in found) == 4
    for address in found.values():
        page = logged_in.get(address)
        assert page.status_code == 200
        assert page.text.startswith("<!doctype html>")
        assert 'aria-current="true"' in page.text


@pytest.mark.parametrize(("type_", "kinds"), [("movie", {"Film"}), ("series", {"Series"}), ("all", {"Film", "Series"})])
def test_only_the_chosen_type_is_shown(logged_in: TestClient, type_: str, kinds: set[str]) -> None:
    page = logged_in.get(f"/?server_id=demo&user_id=mara&type={type_}").text
    slate = page[page.index('<ol class="items">') : page.index("</ol>")]
    assert set(re.findall(r"<span>(Film|Series)</span>", slate)) <= kinds
    assert slate.count('<li class="item">') == 20


def test_htmx_gets_the_part_and_the_address_to_show(logged_in: TestClient) -> None:
    part = logged_in.get("/slate?server_id=demo&user_id=mara&type=movie", headers={"hx-request": "true"})
    assert part.status_code == 200
    assert "<html" not in part.text
    assert "For Mara" in part.text
    shown = urlsplit(part.headers["hx-push-url"])
    assert shown.path == "/"
    assert parse_qs(shown.query) == {"server_id": ["demo"], "user_id": ["mara"], "type": ["movie"]}


def test_the_part_by_itself_leads_to_the_page(logged_in: TestClient) -> None:
    answer = logged_in.get("/slate?server_id=demo&user_id=mara", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/?server_id=demo&user_id=mara")


BAD = {
    "server_id=nowhere": 404,
    "server_id=demo&user_id=nobody": 404,
    "server_id=demo&user_id=%00": 422,
    "server_id=a%00b": 422,
    "server_id=" + "x" * 5000: 422,
    "server_id=demo&user_id=" + "x" * 257: 422,
    "server_id=demo&user_id=mara&type=opera": 422,
    "server_id=demo&user_id=mara&type=%00": 422,
    "server_id=demo&user_id=%ff%fe": 404,
    "server_id=<script>alert(1)</script>": 404,
}


@pytest.mark.parametrize(("query", "status"), BAD.items(), ids=[query[:40] for query in BAD])
@pytest.mark.parametrize("path", ["/", "/slate"])
def test_an_address_that_asks_for_nothing_we_have_is_told_so_on_the_page(logged_in: TestClient, path: str, query: str, status: int) -> None:
    headers = {"hx-request": "true"} if path == "/slate" else {}
    answer = logged_in.get(f"{path}?{query}", headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith(HTML)
    assert 'role="alert"' in answer.text
    assert "<script>alert" not in answer.text


def test_among_more_than_a_list_holds_anybody_is_found_by_address(
    logged_in: TestClient, engine: Engine, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "MAX_LISTED", 20)
    with engine.begin() as connection:
        ingest_users(connection, server.id, [UserRow(f"u{n}", f"User {n:02}", False, None, None, [], [], False) for n in range(30)])
    page = logged_in.get("/", params={"server_id": server.external_id, "user_id": "u29"})
    assert page.status_code == 200
    assert '<option value="u29" selected>User 29</option>' in page.text
    assert 'value="u20"' in page.text
    assert 'value="u21"' not in page.text


def test_names_are_shown_as_they_are_written(logged_in: TestClient, engine: Engine, server: Server) -> None:
    name = "<b>O'Neil & sons</b>"
    with engine.begin() as connection:
        ingest_users(connection, server.id, [UserRow("a&b=<c>", name, False, None, None, [], [], False)])
    page = logged_in.get("/", params={"server_id": server.external_id, "user_id": "a&b=<c>"})
    assert page.status_code == 200
    assert "<b>" not in page.text
    assert name in html.unescape(page.text)
    assert "user_id=a%26b%3D%3Cc%3E" in page.text


def test_pages_run_no_inline_code_and_stay_out_of_frames_and_caches(logged_in: TestClient) -> None:
    for page in (logged_in.get("/"), logged_in.get("/login"), logged_in.get("/?server_id=nowhere"), log_in(logged_in, "wrong")):
        policy = page.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["cache-control"] == "no-store"
        assert not re.search(r"<style|\sstyle=|<script(?! src=)|\son\w+=", page.text)
        assert '"includeIndicatorStyles": false' in page.text


def test_what_the_page_needs_is_there(demo_client: TestClient) -> None:
    assets = re.findall(r'(?:href|src)="(/static/[^"]+)"', demo_client.get("/login").text)
    assert len(assets) == 3
    for asset in assets:
        assert demo_client.get(asset).status_code == 200


@pytest.mark.parametrize("name", ["%2e%2e/pages.py", "..%2fpages.py", "../static/", "/etc/passwd", "%00", "", "x" * 300])
def test_static_files_are_only_those(demo_client: TestClient, name: str) -> None:
    assert demo_client.get(f"/static/{name}").status_code in {404, 405}


@pytest.mark.parametrize("sent_as", ["/cinema", ""], ids=["the proxy keeps the base path", "the proxy strips the base path"])
def test_every_address_keeps_the_base_path(demo_client: TestClient, admin_key: str, sent_as: str) -> None:
    behind = TestClient(demo_client.app, root_path="/cinema", follow_redirects=False)
    assert behind.get(f"{sent_as}/").headers["location"] == "/cinema/login"
    answer = behind.post(f"{sent_as}/login", data={"key": admin_key})
    assert answer.headers["location"] == "/cinema/"
    assert "Path=/cinema" in answer.headers["set-cookie"].split("; ")
    cookie = {"cookie": f"{COOKIE}={answer.cookies[COOKIE]}"}
    page = behind.get(f"{sent_as}/?server_id=demo", headers=cookie)
    addresses = re.findall(r'(?:href|src|action|hx-get)="([^"]+)"', page.text)
    assert addresses
    assert all(address.startswith("/cinema/") for address in addresses)
    for asset in (address.removeprefix("/cinema") for address in addresses if "/static/" in address):
        assert behind.get(sent_as + asset).status_code == 200
