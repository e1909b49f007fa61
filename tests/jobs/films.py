"""A world of films for packs: ratings that GroupLens might have published, and a home that has the same films."""

import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from app.connect.pack import Pack
from app.db import Engine
from app.learn.next_item import Parameters
from app.recommend.pipeline import recommend
from app.types import Filters, Server, Slate, unseen
from jobs.packs import Installed, install
from tests.db.household import House, film, play, series, user

N_FILMS, N_RATERS, N_RATED = 40, 60, 12
FEW = Parameters(rank=40, ridge=5.0, item_ridge=50.0, next_decay=2.0)


def tmdb(number: int) -> str:
    return str(5000 + number)


def write_movielens(made: Path) -> Path:
    """Everybody watches film after film in one circle, each from a place of their own; half of the films have no TMDB id."""
    films = range(1, N_FILMS + 1)
    (made / "movies.csv").write_text("movieId,title,genres\n" + "".join(f"{n},Film {n} ({1960 + n}),Drama\n" for n in films))
    rated = [(user, (user * 7 + step) % N_FILMS + 1, step) for user in range(N_RATERS) for step in range(N_RATED)]
    rows = "".join(f"{user},{n},4.5,{978300000 + user * 1000 + step}\n" for user, n, step in rated)
    (made / "ratings.csv").write_text("userId,movieId,rating,timestamp\n" + rows)
    (made / "links.csv").write_text("movieId,imdbId,tmdbId\n" + "".join(f"{n},{9000 + n},{tmdb(n) if n % 2 else ''}\n" for n in films))
    return made


class Home:
    """A server with the same films under other ids of its own, and one person who watched a few."""

    def __init__(self, engine: Engine, server: Server, now: datetime, n_films: int = N_FILMS) -> None:
        self.engine, self.server, self.now = engine, server, now
        self.house = House(engine, server.id)
        ids = [{"tmdb": tmdb(n)} if n % 2 else {"imdb": f"tt{9000 + n:07}"} for n in range(1, n_films + 1)]
        films = [film(f"f{n}", runtime_seconds=6000, year=1960 + n, provider_ids=ids[n - 1]) for n in range(1, n_films + 1)]
        self.house.items(*films, series("s1", provider_ids={"tmdb": tmdb(1)}))
        self.house.users(user("ana"))
        self.watch(("ana", 10, 3), ("ana", 11, 2), ("ana", 12, 1))

    def watch(self, *plays: tuple[str, int, float]) -> None:
        """Who, the number of a film, how many days ago."""
        told = [(who, f"f{number}", (self.now - timedelta(days=days_ago)).isoformat()) for who, number, days_ago in plays]
        self.house.plays(*(play(who, what, started_at=at, percent=100) for who, what, at in told))

    def install(self, pack: Pack) -> Installed:
        return install(self.engine, self.server, pack, self.now, unseen, parameters=FEW)

    def ask(self, who: str = "ana", limit: int = 5) -> Slate:
        with self.engine.begin() as connection:
            return recommend(
                connection, self.server, who, Filters(), limit=limit, offset=0, explain=True, now=self.now, slate_id=uuid.uuid4()
            )

    def names(self, who: str = "ana") -> list[str]:
        return [item.candidate.external_id for item in self.ask(who).items]

    def state(self) -> list[Any]:
        """Spaces with what they hold, and everybody's tastes."""
        with self.engine.begin() as connection:
            queries = (
                "SELECT kind, status, model_name, dimension, card->>'strength' FROM spaces WHERE server_id = :id ORDER BY id",
                "SELECT space_id, count(*), sum(item_id) FROM item_vectors WHERE server_id = :id GROUP BY space_id ORDER BY space_id",
                "SELECT user_id, space_id, facet, CAST(taste AS text) FROM tastes WHERE server_id = :id ORDER BY user_id, space_id, facet",
            )
            return [tuple(row) for query in queries for row in connection.execute(text(query), {"id": self.server.id})]

    def spaces(self) -> list[tuple[str, str]]:
        return sorted((row[1], row[2]) for row in self.state() if row[0] == "collab")
