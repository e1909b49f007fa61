"""Whose a token is: asked of its Jellyfin, once a minute however many ask, and of nobody else."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.connect import jellyfin_user_token
from app.connect.jellyfin_user_token import TokenUser, UserTokens, ask_jellyfin, token_in
from app.errors import MediaServerDown, MediaServerUnclear
from tests.api.streamystats.attic import Attic, Clock
from tests.connect.fake_jellyfin.server import KEY, FakeJellyfin
from tests.planted import planted

ANN = TokenUser("a" * 32, "Ann", False)
URL = "http://jellyfin"


class Told:
    """What a Jellyfin says when it is asked, one answer after the other; the last stays."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), 0

    def __call__(self, url: str, token: str) -> TokenUser | None:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        found: TokenUser | None = answer() if callable(answer) else answer
        return found


def settle(known: UserTokens) -> None:
    """What was asked without waiting for it is answered before the clock goes on."""
    while known._waiting:
        time.sleep(0.001)


@pytest.fixture
def tokens(clock: Clock) -> Iterator[Callable[[Told], UserTokens]]:
    made: list[UserTokens] = []

    def make(told: Told) -> UserTokens:
        made.append(UserTokens(told, clock))
        return made[-1]

    yield make
    for one in made:
        one.stop()


FORMS = [
    'MediaBrowser Token="{}"',
    'MediaBrowser Client="Wholphin", Version="1.0", DeviceId="d%2C1", Device="A%20TV", Token="{}"',
    'MediaBrowser Token="{}", Device="Living, \\"room", Client="x"',
    "MediaBrowser token={}, client=x",
    "mediabrowser  DEVICE=x,TOKEN={}",
    'MediaBrowser Client="a", Token = "{}" ',
]


@pytest.mark.parametrize("form", FORMS)
def test_a_token_is_read_in_every_form_that_clients_send(form: str) -> None:
    assert token_in(form.format("5f1d")) == token_in(form.format("%35f%31d")) == "5f1d"


@pytest.mark.parametrize(
    "header",
    ["", "MediaBrowser", "MediaBrowser ", 'MediaBrowser Token=""', 'Token="5f1d"', 'Bearer 5f1d', 'Emby Token="5f1d"', "MediaBrowser 5f1d",
     'MediaBrowser Client="Token=5f1d"', 'MediaBrowser Token="5f%0d%0a1d"', 'MediaBrowser Token="5f%221d"', 'MediaBrowser Token="ключ"',
     'MediaBrowser Token="' + "a" * 300 + '"', 'MediaBrowserToken="5f1d"'],
)  # fmt: skip
def test_what_is_no_token_is_none(header: str) -> None:
    assert token_in(header) is None


def test_the_user_is_asked_for_with_the_token_alone(jellyfin: FakeJellyfin) -> None:
    user = next(iter(jellyfin.library.users.values()))
    for is_administrator in (False, True):
        user.policy = {"IsAdministrator": is_administrator}
        assert ask_jellyfin(jellyfin.url, planted("ann's")) == TokenUser(user.id, "User 0", is_administrator)
    assert {(asked.path, *asked.query) for asked in jellyfin.asked} == {("/Users/Me",)}
    # Jellyfin would take a device that is named for the user's own.
    token = planted("ann's")
    assert {asked.headers["authorization"] for asked in jellyfin.asked} == {f'MediaBrowser Token="{token}"'}


def test_a_key_a_wrong_token_and_one_of_a_disabled_user_are_nobodys(jellyfin: FakeJellyfin) -> None:
    jellyfin.library.users[jellyfin.user_tokens[planted("ann's")]].policy = {"IsDisabled": True}
    for nobodys in ("0" * 32, KEY, planted("ann's")):
        assert ask_jellyfin(jellyfin.url, nobodys) is None


@pytest.mark.parametrize("fault", ["500", "503", "hang up", "elsewhere", "no json", "truncated"])
def test_what_is_no_answer_is_no_refusal(jellyfin: FakeJellyfin, fault: Any) -> None:
    jellyfin.always = fault
    with pytest.raises((MediaServerDown, MediaServerUnclear)):
        ask_jellyfin(jellyfin.url, planted("ann's"))
    assert len(jellyfin.asked) == 1


def test_nobody_who_is_pointed_to_gets_a_token(jellyfin: FakeJellyfin, attic: Attic) -> None:
    jellyfin.always, jellyfin.elsewhere, n_asked = "elsewhere", f"{attic.fake.url}/Users/Me", len(attic.fake.asked)
    with pytest.raises(MediaServerDown):
        ask_jellyfin(jellyfin.url, attic.tokens["ann"])
    assert len(attic.fake.asked) == n_asked


def test_no_proxy_gets_a_token(jellyfin: FakeJellyfin, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert ask_jellyfin(jellyfin.url, planted("ann's")) is not None


def test_an_answer_without_end_is_given_up(jellyfin: FakeJellyfin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jellyfin_user_token, "MAX_BYTES", 10)
    with pytest.raises(MediaServerUnclear):
        ask_jellyfin(jellyfin.url, planted("ann's"))


def test_a_token_is_believed_for_a_minute_and_a_revoked_one_no_longer(tokens: Callable[[Told], UserTokens], clock: Clock) -> None:
    told = Told(ANN, None)
    known = tokens(told)
    for seconds in (0, 1, 58):
        clock.now += seconds
        assert known.user_of(1, URL, "t") == ANN
    assert told.asked == 1
    clock.now += 1
    assert known.user_of(1, URL, "t") is None
    assert told.asked == 2


def test_a_bad_token_is_asked_about_once_in_a_while(tokens: Callable[[Told], UserTokens], clock: Clock) -> None:
    told = Told(None)
    known = tokens(told)
    assert {known.user_of(1, URL, "t") for _ in range(50)} == {None}
    assert told.asked == 1
    clock.now += 11
    known.user_of(1, URL, "t")
    assert told.asked == 2


def test_a_token_is_one_servers_and_one_address_s(tokens: Callable[[Told], UserTokens]) -> None:
    told = Told(ANN, None)
    known = tokens(told)
    assert [known.user_of(1, URL, "t"), known.user_of(2, URL, "t"), known.user_of(1, URL + ":8096", "t")] == [ANN, None, None]
    assert (known.server_of("t"), known.server_of("other")) == (1, None)


def test_while_a_server_is_away_who_was_known_stays_known_for_ten_minutes(tokens: Callable[[Told], UserTokens], clock: Clock) -> None:
    told = Told(ANN, MediaServerDown())
    known = tokens(told)
    known.user_of(1, URL, "t")
    for _ in range(9):
        clock.now += 60
        assert known.user_of(1, URL, "t") == ANN
        assert known.user_of(1, URL, "another") is None
        settle(known)
    clock.now += 61
    assert known.user_of(1, URL, "t") is None


def test_a_server_that_is_away_is_left_alone_for_a_while(tokens: Callable[[Told], UserTokens], clock: Clock) -> None:
    told = Told(MediaServerDown(), MediaServerDown(), ANN)
    known = tokens(told)
    assert {known.user_of(1, URL, f"token {number}") for number in range(50)} == {None}
    assert told.asked == 1
    clock.now += 6
    assert known.user_of(1, URL, "token 0") is None
    clock.now += 6
    assert known.user_of(1, URL, "token 0") == ANN
    assert told.asked == 3


def test_who_was_known_does_not_wait_for_a_server_that_is_away(tokens: Callable[[Told], UserTokens], clock: Clock) -> None:
    may_answer = threading.Event()
    known = tokens(Told(ANN, MediaServerDown(), lambda: None if may_answer.wait(5) else ANN))
    known.user_of(1, URL, "t")
    clock.now += 61
    known.user_of(1, URL, "t")
    settle(known)
    clock.now += 6
    started = time.monotonic()
    assert known.user_of(1, URL, "t") == ANN
    assert time.monotonic() - started < 2
    may_answer.set()


def test_who_asks_at_once_waits_for_one_question(tokens: Callable[[Told], UserTokens]) -> None:
    may_answer = threading.Event()
    told = Told(lambda: ANN if may_answer.wait(5) else None)
    known = tokens(told)
    found: list[TokenUser | None] = []
    threads = [threading.Thread(target=lambda: found.append(known.user_of(1, URL, "t"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    may_answer.set()
    for thread in threads:
        thread.join()
    assert (found, told.asked) == ([ANN] * 20, 1)


def test_who_was_known_does_not_wait_for_a_server_that_hangs(
    tokens: Callable[[Told], UserTokens], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jellyfin_user_token, "PATIENCE_SECONDS", 0.05)
    may_answer = threading.Event()
    known = tokens(Told(ANN, lambda: may_answer.wait(5) and None))
    known.user_of(1, URL, "t")
    clock.now += 61
    started = time.monotonic()
    assert known.user_of(1, URL, "t") == ANN
    assert time.monotonic() - started < 2
    may_answer.set()


def test_a_flood_of_bad_tokens_pushes_nobody_out(tokens: Callable[[Told], UserTokens], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jellyfin_user_token, "MAX_KNOWN", 20)
    told = Told(ANN, None)
    known = tokens(told)
    known.user_of(1, URL, "t")
    for number in range(100):
        known.user_of(1, URL, f"guess {number}")
    assert known.user_of(1, URL, "t") == ANN
    assert (told.asked, len(known._known)) == (101, 20)
