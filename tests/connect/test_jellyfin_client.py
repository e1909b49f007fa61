"""Asking a Jellyfin: only that server, only by the header, and no secret in anything that is said."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from app.connect.jellyfin_client import JellyfinClient
from app.connect.jellyfin_items import SINGLE
from app.connect.jellyfin_server import look_around, read_info
from app.connect.lenient import plain_id
from app.connect.media_client import checked_url
from app.errors import BadInput, MediaServerDown, MediaServerRefused, MediaServerSlow, MediaServerUnclear, PalateError
from tests.connect.fake_jellyfin.library import FakeLibrary, generated
from tests.connect.fake_jellyfin.server import KEY, FakeJellyfin, plugin

MakeJellyfin = Callable[..., FakeJellyfin]


@pytest.fixture
def library() -> FakeLibrary:
    return generated(30, 0, 0, 2, 5)


@pytest.fixture
def fake(make_jellyfin: MakeJellyfin, library: FakeLibrary) -> FakeJellyfin:
    return make_jellyfin(library, 12, "/media")


@pytest.fixture
def client(fake: FakeJellyfin) -> Iterator[JellyfinClient]:
    with JellyfinClient(fake.url + "/", KEY, pauses=(0.0, 0.0), page=100) as client:
        yield client


@pytest.fixture
def impatient(fake: FakeJellyfin) -> Iterator[JellyfinClient]:
    fake.slow_seconds = 0.8
    with JellyfinClient(fake.url, KEY, pauses=(0.0,), timeout=0.4, page=100) as client:
        yield client


def test_every_request_carries_the_one_header_that_12_takes_and_nothing_else(fake: FakeJellyfin, client: JellyfinClient) -> None:
    client.get("/System/Info")
    list(client.pages("/Items", {"recursive": True}))
    for asked in fake.asked:
        assert asked.headers["authorization"] == f'MediaBrowser Token="{KEY}"'
        assert KEY not in str(asked.path) + str(asked.query)
        assert not {"x-emby-token", "x-mediabrowser-token", "x-emby-authorization"} & set(asked.headers)


def test_a_path_behind_a_proxy_is_kept(fake: FakeJellyfin, client: JellyfinClient) -> None:
    assert read_info(client).name == "Attic"
    assert fake.url.endswith("/media")


def test_the_servers_clock_is_told(fake: FakeJellyfin, client: JellyfinClient) -> None:
    fake.now = lambda: datetime(2026, 5, 1, 12, 0, 30, tzinfo=UTC)
    client.get("/System/Info")
    assert client.answered_at == datetime(2026, 5, 1, 12, 0, 30, tzinfo=UTC)


def test_a_redirect_is_not_followed(fake: FakeJellyfin, client: JellyfinClient) -> None:
    fake.always = "elsewhere"
    with pytest.raises(MediaServerRefused, match="sends elsewhere"):
        client.get("/System/Info")
    assert len(fake.asked) == 1


@pytest.mark.parametrize(("fault", "error", "n_requests"), [
    ("500", MediaServerDown, 3), ("503", MediaServerDown, 3), ("hang up", MediaServerDown, 3), ("truncated", MediaServerUnclear, 3),
    ("401", MediaServerRefused, 1), ("403", MediaServerRefused, 1),
])  # fmt: skip
def test_what_may_pass_is_tried_again_and_what_will_not_is_said_at_once(
    fake: FakeJellyfin, client: JellyfinClient, fault: Any, error: type[PalateError], n_requests: int
) -> None:
    fake.always = fault
    with pytest.raises(error) as raised:
        client.get("/System/Info")
    assert (len(fake.asked), client.n_requests) == (n_requests, n_requests)
    assert KEY not in f"{raised.value!r} {raised.value.__cause__!r} {raised.value.__context__!r}"


def test_nobody_at_the_address_is_said_with_the_address(client: JellyfinClient) -> None:
    with (
        JellyfinClient("http://127.0.0.1:9", KEY, pauses=()) as nobody,
        pytest.raises(MediaServerDown, match=r"http://127.0.0.1:9 does not"),
    ):
        nobody.get("/System/Info")


def test_pages_go_on_to_the_total_though_one_is_short_and_count_once(fake: FakeJellyfin, client: JellyfinClient) -> None:
    client.page = 10
    cut = fake.lists.page

    def short(query: Any) -> dict[str, Any]:
        page = cut(query)
        return page | {"Items": page["Items"][:3]} if query["startIndex"] == "10" else page

    fake.lists.page = short  # type: ignore[method-assign]
    assert [len(page.items) for page in client.pages("/Items", SINGLE)] == [10, 3, 10]
    assert [asked.query["enableTotalRecordCount"] for asked in fake.asked] == ["true", "false", "false"]


def test_a_page_that_takes_too_long_is_halved_and_stays_so(fake: FakeJellyfin, impatient: JellyfinClient) -> None:
    fake.slow_above = 60
    assert sum(len(page.items) for page in impatient.pages("/Items", SINGLE)) == 30
    assert [asked.query["limit"] for asked in fake.asked] == ["100", "50"]
    assert impatient.page == 50


def test_a_server_that_is_too_slow_for_anything_is_said_to_be(fake: FakeJellyfin, impatient: JellyfinClient) -> None:
    fake.always = "slow"
    with pytest.raises(MediaServerSlow):
        impatient.get("/System/Info")
    assert len(fake.asked) == 2
    impatient.page = 20
    with pytest.raises(MediaServerSlow):
        list(impatient.pages("/Items", {"recursive": True}))


@pytest.mark.parametrize(
    "answer", [{}, [], {"Items": None}, {"Items": []}, {"Items": [{}], "TotalRecordCount": 0}, {"Items": [], "TotalRecordCount": "5"}]
)
def test_a_list_without_items_or_with_a_length_that_cannot_be_is_no_list(fake: FakeJellyfin, client: JellyfinClient, answer: Any) -> None:
    fake.lists.page = lambda query: answer  # type: ignore[method-assign]
    with pytest.raises(MediaServerUnclear):
        list(client.pages("/Items", {"recursive": True}))
    fake.complaints.clear()


def test_asked_by_id_what_was_not_asked_for_is_left_out(fake: FakeJellyfin, client: JellyfinClient, library: FakeLibrary) -> None:
    ids = list(library.items)
    assert [item["Id"] for items in client.by_id(ids[:3], {}) for item in items] == sorted(ids[:3], key=lambda key: library.items[key].name)
    gone = "0" * 32
    assert list(client.by_id([gone], {})) == [[]]
    # As a server answers that dropped the id.
    everything = fake.lists.page({})
    fake.lists.page = lambda query: everything  # type: ignore[method-assign]
    assert list(client.by_id([gone], {})) == [[]]
    assert list(client.by_id([], {})) == []
    list(client.by_id([f"{number:032x}" for number in range(450)], {}))
    assert max(len(asked.query.get("ids", "").split(",")) for asked in fake.asked) == 200


@pytest.mark.parametrize("url", [
    "", "192.168.1.5:8096", "ftp://host", "file:///etc/passwd", "http://", "http://host:port", "http://host?x=1", "http://host#x",
    "http://user:secret@host", "http://[::1", "javascript:alert(1)", "http://a b", "http://host\x00",
])  # fmt: skip
def test_what_is_no_address_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(BadInput) as raised:
        checked_url(url)
    assert "secret" not in str(raised.value)


def test_an_address_is_kept_without_the_slash_at_its_end() -> None:
    assert checked_url(" https://host:8920/jellyfin// ") == "https://host:8920/jellyfin"


@pytest.mark.parametrize("token", ["", "  ", 'a"b', "line\nbreak", "schlüssel"])
def test_what_is_no_token_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(BadInput) as raised:
        JellyfinClient("http://host", token)
    assert not token.strip() or token not in str(raised.value)


def test_ids_are_32_letters_with_dashes_or_without() -> None:
    plain = "0b4e1c6fd3a94f7e8a51c2d9e7f60312"
    assert plain_id(plain) == plain_id("0B4E1C6F-D3A9-4F7E-8A51-C2D9E7F60312") == plain
    assert plain_id("81924") == "81924"
    assert [plain_id(one) for one in ("", None, 5, "0b4e", plain + "0", "z" * 32)] == [None] * 6


def test_no_log_holds_the_token(fake: FakeJellyfin, client: JellyfinClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client.get("/System/Info")
    fake.always = "500"
    with pytest.raises(MediaServerDown):
        client.get("/System/Info")
    assert caplog.text
    assert KEY not in caplog.text + repr(client)


def test_what_a_server_holds_is_counted_and_what_it_lacks_is_named(
    fake: FakeJellyfin, client: JellyfinClient, library: FakeLibrary
) -> None:
    fake.plugins = [plugin()]
    found = look_around(client)
    assert (*found.libraries, found.missing_plugins) == (
        ("Films", "Movie", 30), ("Series", "Series", 0), ("Series", "Season", 0), ("Series", "Episode", 0), ["Playback Reporting"],
    )  # fmt: skip
    assert dict(found.users) == {user.name: sum(one.is_played for one in user.states.values()) for user in library.users.values()}


def test_an_administrators_own_token_is_refused_and_how_to_make_a_key_is_said(fake: FakeJellyfin, library: FakeLibrary) -> None:
    fake.user_tokens["planted-token"] = next(iter(library.users))
    with JellyfinClient(fake.url, "planted-token", pauses=()) as hers, pytest.raises(MediaServerRefused, match=r"user's token.*API Keys"):
        read_info(hers)


def test_an_older_jellyfin_is_refused(fake: FakeJellyfin, client: JellyfinClient) -> None:
    fake.version = "10.10.7"
    with pytest.raises(MediaServerRefused, match=r"10.10.7"):
        read_info(client)
