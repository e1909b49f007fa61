"""A media server is asked anywhere but where none ever is, whatever the address is written as and whoever answers for its name."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

from app.connect.allowed_addresses import is_allowed
from app.connect.histories.tautulli_api import read_tautulli_api
from app.connect.jellyfin_client import JellyfinClient
from app.connect.jellyfin_user_token import ask_jellyfin
from app.errors import BadInput, MediaServerDown
from tests.connect.fake_jellyfin.library import generated
from tests.connect.fake_jellyfin.server import KEY, FakeJellyfin
from tests.planted import planted

# What a cloud tells its machines at, this machine by another name, and everybody: as one may write them in an address.
FORBIDDEN = [
    "169.254.169.254", "2852039166", "0xA9FEA9FE", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[fe80::1]", "0.0.0.0", "0", "[::]",
    "[::ffff:0.0.0.0]", "224.0.0.1", "[ff02::1]",
]  # fmt: skip
NAME = "films.example"

Lead = Callable[..., list[str]]


@pytest.fixture
def fake(make_jellyfin: Callable[..., FakeJellyfin]) -> FakeJellyfin:
    return make_jellyfin(generated(1, 0, 0, 1, 0))


@pytest.fixture
def lead(monkeypatch: pytest.MonkeyPatch) -> Lead:
    """Who answers for NAME answers each time with the next of these, several at once or one. Returns what was asked for so far."""
    real, asked = socket.getaddrinfo, list[str]()

    def to(*answers: list[str]) -> list[str]:
        left = list(answers)

        def answer(host: Any, port: Any, *more: Any, **named: Any) -> Any:
            if host != NAME:
                return real(host, port, *more, **named)
            asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)) for address in left.pop(0)]

        monkeypatch.setattr(socket, "getaddrinfo", answer)
        return asked

    return to


def by_name(fake: FakeJellyfin) -> str:
    return f"http://{NAME}:{fake.url.rpartition(':')[2]}"


def client(url: str) -> JellyfinClient:
    return JellyfinClient(url, KEY, pauses=())


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.8", "192.168.1.5", "172.17.0.1", "100.64.3.2", "::1", "fd00::5", "203.0.113.9", "::ffff:192.168.1.5"]
)
def test_ones_own_network_and_the_world_are_allowed(address: str) -> None:
    assert is_allowed(address)


@pytest.mark.parametrize("host", FORBIDDEN)
def test_nobody_is_asked_where_no_media_server_may_be(fake: FakeJellyfin, host: str) -> None:
    url = f"http://{host}:{fake.url.rpartition(':')[2]}"
    with client(url) as asking, pytest.raises(BadInput, match="leads to where no media server is"):
        asking.get("/System/Info")
    with client(url) as asking, pytest.raises(BadInput), asking.socket():
        pass
    with pytest.raises(BadInput):
        ask_jellyfin(url, planted("user-token"))
    with pytest.raises(BadInput):
        list(read_tautulli_api(url, planted("tautulli-key")))
    assert fake.asked == []


def test_a_name_that_leads_there_is_not_followed(fake: FakeJellyfin, lead: Lead) -> None:
    lead(["0.0.0.0", "169.254.169.254"])
    with client(by_name(fake)) as asking, pytest.raises(BadInput, match=NAME):
        asking.get("/System/Info")
    assert fake.asked == []


def test_of_several_addresses_of_a_name_the_first_that_is_allowed_and_answers_is_asked(fake: FakeJellyfin, lead: Lead) -> None:
    lead(["169.254.7.7", "127.0.0.2", "127.0.0.1"])
    with client(by_name(fake)) as asking:
        assert asking.get("/System/Info")["ServerName"] == "Attic"


def test_a_name_that_changes_its_mind_is_looked_at_again_and_not_between_look_and_connection(fake: FakeJellyfin, lead: Lead) -> None:
    asked = lead(["127.0.0.1"], ["0.0.0.0"])
    with client(by_name(fake)) as asking:
        asking.get("/System/Info")
    assert (len(asked), len(fake.asked)) == (1, 1)
    with client(by_name(fake)) as asking, pytest.raises(BadInput):
        asking.get("/System/Info")
    assert (len(asked), len(fake.asked)) == (2, 1)


def test_a_name_that_leads_nowhere_is_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: Any, **__: Any) -> Any:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with client(f"http://{NAME}") as asking, pytest.raises(MediaServerDown):
        asking.get("/System/Info")
