"""How often a key and an address may ask, and from which headers an address is taken."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from app.api import rate_limits
from app.settings import Settings
from tests.api.conftest import MakeClient, MakeKey, bearer
from tests.api.served import served


def statuses(client: TestClient | httpx.Client, n: int, key: str | None = None, **headers: str) -> list[int]:
    sent = (bearer(key) if key else {}) | headers
    return [client.get("/servers", headers=sent).status_code for _ in range(n)]


@pytest.fixture
def limited(make_client: MakeClient) -> TestClient:
    return make_client("10.0.0.1", rate_limit="5/minute")


def test_a_key_that_asks_too_often_is_told_when_to_ask_again(limited: TestClient, make_key: MakeKey) -> None:
    key, other = make_key(), make_key()
    assert statuses(limited, 8, key) == [200] * 6 + [429] * 2
    answer = limited.get("/servers", headers=bearer(key))
    assert (answer.status_code, answer.headers["content-type"]) == (429, "application/problem+json")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert "x-request-id" in answer.headers
    # Another key counts by itself.
    assert statuses(limited, 3, other) == [200] * 3


def test_an_address_without_a_key_is_limited_and_the_bootstrap_key_and_monitors_are_not(limited: TestClient, admin_key: str) -> None:
    assert [limited.get("/login").status_code for _ in range(7)] == [200] * 5 + [429] * 2
    assert statuses(limited, 10, admin_key) == [200] * 10
    assert {limited.get("/health/live").status_code for _ in range(10)} == {200}


def test_wrong_keys_are_limited_by_address_and_good_ones_beside_them_are_not(
    make_client: MakeClient, make_key: MakeKey, admin_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "FAILURES", rate_limits.parse("3/minute"))
    client, key = make_client("10.0.0.1", rate_limit="1000/minute"), make_key()
    assert statuses(client, 1, key) == [200]
    assert [statuses(client, 1, f"guess-{number}")[0] for number in range(5)] == [401] * 3 + [429] * 2
    assert client.post("/login", data={"key": "guess"}).status_code == 429
    assert statuses(client, 2, key) == statuses(client, 2, admin_key) == [200] * 2
    elsewhere = TestClient(client.app, client=("10.0.0.2", 5))
    assert statuses(elsewhere, 1, "guess") == [401]


def test_failed_logins_are_limited_as_wrong_keys_are(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "FAILURES", rate_limits.parse("3/minute"))
    client = make_client("10.0.0.1", rate_limit="1000/minute")
    assert [client.post("/login", data={"key": "guess"}).status_code for _ in range(5)] == [401] * 3 + [429] * 2


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
    ],
)
def test_an_ipv6_network_is_one_address(one: str, other: str, is_same: bool) -> None:
    first, second = (rate_limits._network_of({"client": (address, 1)}) for address in (one, other))
    assert (first == second) is is_same


@pytest.fixture
def address(settings: Settings) -> Iterator[str]:
    with served(settings.model_copy(update={"rate_limit": "4/minute", "forwarded_allow_ips": "127.0.0.1"})) as found:
        yield found


def called_from(address: str, local: str) -> httpx.Client:
    return httpx.Client(base_url=address, transport=httpx.HTTPTransport(local_address=local))


def test_a_forwarded_address_is_believed_from_a_trusted_proxy_alone(address: str) -> None:
    with called_from(address, "127.0.0.1") as proxy, called_from(address, "127.0.0.2") as stranger:

        def ask(client: httpx.Client, number: int, **more: Any) -> int:
            return client.get("/login", headers={"X-Forwarded-For": f"203.0.113.{number}"} | more).status_code

        # Each a client of its own, as the proxy says.
        assert [ask(proxy, number) for number in range(8)] == [200] * 8
        # One client, whatever it says.
        assert [ask(stranger, number) for number in range(8)] == [200] * 4 + [429] * 4
        # What a client told the proxy stands before what the proxy saw, and is not believed.
        spoofed = [ask(proxy, 0, **{"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.77"}) for number in range(6)]
        assert spoofed == [200] * 4 + [429] * 2
        # Nor is a caller from elsewhere on this machine because the proxy is.
        assert proxy.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1, 203.0.113.1"}).status_code == 404


def test_a_rate_that_is_none_is_no_setting() -> None:
    with pytest.raises(ValueError, match="rate_limit"):
        Settings(_env_file=None, rate_limit="often")
