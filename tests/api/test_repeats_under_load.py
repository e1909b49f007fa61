"""Plays, hides, renames and promotions while answers are repeated, by two processes' worth of service: whoever was told that a change
is made finds it in the next answer of either. For a while, and with `make soak` for long."""

import contextlib
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from app.db import Engine, models
from app.settings import Settings
from app.types import Server, unseen
from jobs.refresh_tastes import refresh_stale
from tests.api.conftest import bearer
from tests.api.served import served
from tests.api.test_taste import beside, place
from tests.db.household import House, film, user
from tests.db.trained import BETTER, delete_trained, trained

FILMS = [f"f{number}" for number in range(60)]
PEOPLE = [f"u{number}" for number in range(4)]


class Person:
    """Asks either service, and keeps answers and their tags as a client does."""

    def __init__(self, name: str, server: Server, services: list[httpx.Client], seed: int) -> None:
        self.name, self.server, self.services, self.random = name, server, services, random.Random(seed)
        self.kept: dict[str, tuple[str, str]] = {}
        self.statuses: Counter[int] = Counter()

    def ask(self, path: str) -> str:
        tag, body = self.kept.get(path, ("", ""))
        parameters = {"server_id": self.server.external_id, "user_id": self.name, "limit": 50 if path == "/home" else 100}
        # Half of the callers keep nothing: what a service holds in memory is to be right, too.
        headers = {"If-None-Match": tag} if tag and self.random.random() < 0.5 else {}
        answer = self.random.choice(self.services).get(path, params=parameters, headers=headers)
        self.statuses[answer.status_code] += 1
        if answer.status_code == 304:
            return body
        assert answer.status_code == 200, answer.text
        self.kept[path] = answer.headers.get("etag", ""), answer.text
        return answer.text

    def suggested(self) -> set[str]:
        return {item["item_id"] for item in json.loads(self.ask("/recommendations"))["items"]}

    def tell(self, method: str, path: str, **options: Any) -> None:
        answer = self.random.choice(self.services).request(method, path, **options)
        assert answer.status_code == 200, answer.text

    def live(self) -> None:
        """Something, and then what it must have done."""
        item = self.random.choice(FILMS)
        self.suggested()
        hidden = {"params": {"server_id": self.server.external_id}}
        match self.random.randrange(4):
            case 0:
                row = {"play_id": f"{self.name} {time.monotonic_ns()}", "user_id": self.name, "item_id": item, "percent": 100}
                self.tell("POST", "/ingest/plays", json={"server_id": self.server.external_id, "plays": [row]})
                assert item not in self.suggested()
            case 1:
                self.tell("POST", f"/users/{self.name}/hidden/{item}", **hidden)
                assert item not in self.suggested()
                assert f'"{item}"' not in self.ask("/home")
                self.tell("DELETE", f"/users/{self.name}/hidden/{item}", **hidden)
            case _:
                self.ask("/home")


def keep_doing(step: Callable[[], object], until: float, errors: list[Exception]) -> threading.Thread:
    def run() -> None:
        try:
            while time.monotonic() < until:
                step()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("seconds", [pytest.param(2, id="for a while"), pytest.param(120, id="for long", marks=pytest.mark.soak)])
def test_a_change_that_was_acknowledged_is_in_every_later_answer(
    engine: Engine, settings: Settings, server: Server, admin_key: str, seconds: int
) -> None:
    house = House(engine, server.id)
    house.tell("items", [film(name, f"{name} film") for name in FILMS])
    house.tell("users", [user(name) for name in PEOPLE])
    place(engine, server, {name: beside(0, number) for number, name in enumerate(FILMS)})
    with contextlib.ExitStack() as stack:
        addresses = [stack.enter_context(served(settings.model_copy(update={"pool_size": 5}))) for _ in range(2)]
        services = [stack.enter_context(httpx.Client(base_url=one, headers=bearer(admin_key), timeout=30)) for one in addresses]
        people = [Person(name, server, services, seed) for seed, name in enumerate(PEOPLE)]
        librarian, promoter = (Person(PEOPLE[0], server, services, seed) for seed in (98, 99))
        numbers = iter(range(1_000_000))

        def rename() -> None:
            name = f"Renamed {next(numbers)}"
            row = {"item_id": "always there", "type": "movie", "name": name}
            librarian.tell("POST", "/ingest/items", json={"server_id": server.external_id, "items": [row]})
            assert name in librarian.ask("/recommendations")
            time.sleep(0.2)

        def promote() -> None:
            before = promoter.services[0].get("/items/always there/similar", params={"server_id": server.external_id})
            with engine.begin() as connection:
                models.promote(connection, server.id, trained(connection, server, fused=BETTER), "a test", datetime.now(UTC))
            after = promoter.services[1].get(
                "/items/always there/similar",
                params={"server_id": server.external_id},
                headers={"If-None-Match": before.headers["etag"]},
            )
            assert after.status_code == 200
            time.sleep(0.2)

        rename()
        errors: list[Exception] = []
        until = time.monotonic() + seconds
        steps = [*(person.live for person in people), rename, promote]
        steps.append(lambda: refresh_stale(engine, server.id, datetime.now(UTC), unseen) and time.sleep(0.05))
        threads = [keep_doing(step, until, errors) for step in steps]
        for thread in threads:
            thread.join(timeout=seconds + 30)
        refresh_stale(engine, server.id, datetime.now(UTC), unseen)
        for _ in range(20):
            people[0].ask("/home")
    delete_trained(engine)
    assert errors == []
    # Answers were repeated, or nothing was tried.
    assert sum((person.statuses for person in people), Counter())[304] > 0
