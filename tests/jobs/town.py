"""People of two tastes, who watch film after film."""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from app.db import Engine
from app.learn.next_item import Parameters
from app.recommend.pipeline import recommend
from app.types import Filters, Server, Slate, unseen
from jobs.learn_collab import Learned, learn_collab
from tests.db.household import Body, House, film, play, user

N_FILMS, N_PEOPLE = 40, 24
FEW = Parameters(rank=8)


def in_line(number: int, step: int) -> str:
    """The film that this person comes to after so many."""
    return f"f{(number % 2 + 2 * (number // 2 + step)) % N_FILMS}"


class Town:
    """People of two tastes: who likes one even film likes the others, in their order; likewise odd ones. Nobody's text is known."""

    def __init__(self, engine: Engine, server: Server, now: datetime) -> None:
        self.engine, self.server, self.now = engine, server, now
        self.house = House(engine, server.id)
        self.house.tell("items", [film(f"f{number}", runtime_seconds=6000, library_id="l") for number in range(N_FILMS)])
        self.house.tell("users", [user(f"u{number}") for number in range(N_PEOPLE)] + [user("new")])
        self.watch_all((f"u{number}", in_line(number, step), 20 - step) for number in range(N_PEOPLE) for step in range(10))

    def watch(self, who: str, what: str, days_ago: float, percent: float = 100) -> None:
        self.house.tell("plays", [self._play(who, what, days_ago, percent)])

    def watch_all(self, watched: Iterable[tuple[str, str, float]]) -> None:
        """Who, what, and how many days ago."""
        self.house.tell("plays", [self._play(*one) for one in watched])

    def _play(self, who: str, what: str, days_ago: float, percent: float = 100) -> Body:
        return play(who, what, started_at=(self.now - timedelta(days=days_ago)).isoformat(), percent=percent)

    def learn(self, **options: Any) -> Learned:
        return learn_collab(self.engine, self.server, self.now, unseen, **{"parameters": FEW} | options)

    def ask(self, who: str, limit: int = 10) -> Slate:
        with self.engine.begin() as connection:
            return recommend(
                connection, self.server, who, Filters(), limit=limit, offset=0, explain=True, now=self.now, slate_id=uuid.uuid4()
            )

    def names(self, who: str, limit: int = 10) -> list[str]:
        return [item.candidate.external_id for item in self.ask(who, limit).items]
