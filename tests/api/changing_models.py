"""Requests at a steady rate over HTTP while two models of opposite orders take each other's place."""

import re
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from sqlalchemy import select

from app.db import Engine, models
from app.db.tables import slates
from app.learn.ranker import LambdaMart
from app.learn.second_stage import SecondStage, read_second_stage
from app.types import Server
from tests.jobs.street import Street
from tests.jobs.working import until

PEOPLE = [f"u{number}" for number in range(20)]
N_CONNECTIONS = 8
# A promoted model is to be used within so long.
PICKED_UP_SECONDS = 5.0

Order = tuple[str, ...]


def two_models(street: Street) -> tuple[int, int]:
    """One that was trained and is live, and one that orders the other way round."""
    trained = street.train().model_id
    with street.engine.begin() as connection:
        name = models.get_model(connection, street.server.id, trained).name
        stage = read_second_stage(name, models.read_bytes(connection, street.server.id, trained))
        assert isinstance(stage.ranker, LambdaMart)
        content = SecondStage(LambdaMart(_negated(stage.ranker.text)), stage.facts).to_bytes()
        other = models.create_model(
            connection, street.server.id, name, content,
            parameters={}, metrics={}, data_window={}, card={}, code_revision="opposite", now=datetime.now(UTC),
        )  # fmt: skip
    return trained, other


def _negated(text: str) -> str:
    """The same trees with the sign of each leaf turned; trees stand by their length in bytes, which is told before them."""
    header, *trees = re.split(r"(?=^Tree=\d+$)", text.partition("end of trees")[0], flags=re.M)
    turned = [re.sub(r"^leaf_value=.*$", _turned, tree, flags=re.M) for tree in trees]
    sizes = " ".join(str(len(tree.encode())) for tree in turned)
    header = re.sub(r"^tree_sizes=.*$", f"tree_sizes={sizes}", header, flags=re.M)
    return header + "".join(turned) + "end of trees" + text.partition("end of trees")[2]


def _turned(line: re.Match[str]) -> str:
    return "leaf_value=" + " ".join(repr(-float(value)) for value in line[0].partition("=")[2].split())


@dataclass(frozen=True)
class Answer:
    who: str
    slate_id: str
    order: Order
    degraded: list[str]


@dataclass
class Caller:
    """What asks a service for the lists of one server, without what makes them varied."""

    http: httpx.Client
    server: Server
    answers: list[Answer] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def ask(self, who: str) -> Answer:
        plain: dict[str, Any] = {"limit": 60, "variety": False, "freshness": False}
        answer = self.http.get("/recommendations", params={"server_id": self.server.external_id, "user_id": who} | plain)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        order = tuple(item["item_id"] for item in body["items"])
        return Answer(who, body["recommendation_id"], order, body["degraded"])

    def promote(self, model_id: int) -> None:
        self._change(f"{model_id}/promote", {"json": {"reason": "a test under load"}})

    def rollback(self) -> None:
        self._change("rollback", {})

    def _change(self, path: str, body: dict[str, Any]) -> None:
        answer = self.http.post(f"/admin/models/{path}", params={"server_id": self.server.external_id}, **body)
        assert answer.status_code == 200, answer.text

    def orders(self) -> dict[str, Order]:
        """Of everybody, by the model that serves now."""
        return {who: self.ask(who).order for who in PEOPLE}

    def start(self, n_requests: int, a_second: float) -> list[threading.Thread]:
        """Each is asked when it is due, answered or not what was asked before."""
        numbers, started = iter(range(n_requests)), time.monotonic()
        one_at_a_time = threading.Lock()

        def call() -> None:
            while True:
                with one_at_a_time:
                    number = next(numbers, None)
                if number is None:
                    return
                due_at = started + number / a_second
                time.sleep(max(0.0, due_at - time.monotonic()))
                try:
                    self.answers.append(self.ask(PEOPLE[number % len(PEOPLE)]))
                except Exception as error:
                    self.errors.append(repr(error))

        threads = [threading.Thread(target=call, daemon=True) for _ in range(N_CONNECTIONS)]
        for thread in threads:
            thread.start()
        return threads


def change_under_load(
    caller: Caller, first: int, second: int, n_requests: int, a_second: float, n_rounds: int
) -> dict[int, dict[str, Order]]:
    """`first` is live. `second` is promoted and rolled back `n_rounds` times, evenly. Returns what each model orders for whom."""

    def wait_for(model: int) -> None:
        """What was promoted is picked up in time."""
        until(lambda: caller.ask(PEOPLE[0]).order == expected[model][PEOPLE[0]], PICKED_UP_SECONDS)

    # The first who ask a service that starts may be answered before its models are loaded.
    until(lambda: "no_ranker" not in caller.ask(PEOPLE[0]).degraded, PICKED_UP_SECONDS)
    expected = {first: caller.orders()}
    caller.promote(second)
    until(lambda: caller.ask(PEOPLE[0]).order != expected[first][PEOPLE[0]], PICKED_UP_SECONDS)
    expected[second] = caller.orders()
    caller.rollback()
    wait_for(first)
    threads = caller.start(n_requests, a_second)
    pause = n_requests / a_second / (2 * n_rounds + 1)
    for _ in range(n_rounds):
        time.sleep(pause)
        caller.promote(second)
        wait_for(second)
        time.sleep(pause)
        caller.rollback()
        wait_for(first)
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)
    return expected


def check(caller: Caller, expected: dict[int, dict[str, Order]], logged: dict[str, int | None], n_requests: int) -> None:
    """Every answer is the whole order of one of the models, of the one that the log says."""
    assert caller.errors == []
    assert len(caller.answers) == n_requests
    served = {logged[answer.slate_id] for answer in caller.answers}
    assert served == set(expected)
    for answer in caller.answers:
        model_id = logged[answer.slate_id]
        assert model_id is not None
        assert answer.order == expected[model_id][answer.who]
        assert answer.degraded == []
    # At hardly any place do they agree: an answer of both would be seen.
    first, second = expected.values()
    for who in PEOPLE:
        assert sum(one == other for one, other in zip(first[who], second[who], strict=True)) <= len(first[who]) / 5


def models_logged(engine: Engine, server: Server) -> dict[str, int | None]:
    """The model of each answer, once the service has stopped: they are logged after they are given."""
    with engine.begin() as connection:
        rows = connection.execute(select(slates.c.id, slates.c.model_id).where(slates.c.server_id == server.id))
        return {str(row.id): row.model_id for row in rows}
