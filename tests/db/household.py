"""A made-up household: what its media server may say, and what stands in the database after it was said, without our own ids."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import text

from app.connect.bodies import ITEMS, PLAYS, SIGNALS, USERS
from app.db import Connection, Engine, ingest
from app.db.erase import erase_user
from app.ingest_types import IngestOutcome, Rejection

Body = dict[str, Any]
DAY_ONE = datetime(2026, 1, 1, 20, tzinfo=UTC)
TABLES = ("libraries", "users", "user_libraries", "items", "entries", "plays", "signals", "engagement")
# Ours, or when and how often it was told.
VOLATILE = {"id", "server_id", "received_at", "engagement_version", "import_ids"}


def film(item_id: str, name: str | None = None, **more: Any) -> Body:
    return {"item_id": item_id, "type": "movie", "name": name or f"Film {item_id}", **more}


def series(item_id: str, name: str | None = None, **more: Any) -> Body:
    return {"item_id": item_id, "type": "series", "name": name or f"Series {item_id}", **more}


def episode(item_id: str, of: str, number: int, **more: Any) -> Body:
    numbers = {"season_number": 1, "episode_number": number}
    return {"item_id": item_id, "type": "episode", "name": f"Episode {number}", "series_id": of, **numbers, **more}


def user(user_id: str, **more: Any) -> Body:
    return {"user_id": user_id, "name": user_id.title(), **more}


def play(user_id: str, item_id: str, play_id: str | None = None, **more: Any) -> Body:
    return {"play_id": play_id or f"{user_id} {item_id}", "user_id": user_id, "item_id": item_id, **more}


def signal(user_id: str, item_id: str, kind: str, value: Any = None, **more: Any) -> Body:
    return {"user_id": user_id, "item_id": item_id, "kind": kind, "value": value, **more}


def day(number: float) -> str:
    """A time of the household's, as it is sent; days are counted from 1 January 2026, 20:00."""
    return (DAY_ONE + timedelta(days=number)).isoformat()


@dataclass(frozen=True)
class House:
    """One server, told things through the door that the API uses; each call is one transaction."""

    engine: Engine
    server_id: int

    def items(self, *bodies: Body) -> IngestOutcome:
        return self.tell("items", bodies)

    def users(self, *bodies: Body) -> IngestOutcome:
        return self.tell("users", bodies)

    def plays(self, *bodies: Body, source: str = "api") -> IngestOutcome:
        return self.tell("plays", bodies, source)

    def signals(self, *bodies: Body, source: str = "api") -> IngestOutcome:
        return self.tell("signals", bodies, source)

    def tell(self, kind: str, bodies: Sequence[Body], source: str = "api") -> IngestOutcome:
        with self.engine.begin() as connection:
            return tell(connection, self.server_id, kind, bodies, source)

    def state(self) -> dict[str, list[Body]]:
        with self.engine.begin() as connection:
            return state(connection, self.server_id)

    def groups(self) -> set[frozenset[str]]:
        """The entries of each item."""
        with self.engine.begin() as connection:
            sql = "SELECT array_agg(external_id) FROM entries WHERE server_id = :server_id AND item_id IS NOT NULL GROUP BY item_id"
            return {frozenset(ids) for ids in connection.execute(text(sql), {"server_id": self.server_id}).scalars()}

    def engagement(self, user_id: str, item_id: str) -> Body | None:
        """What this user did with the item that this entry belongs to."""
        rows = [row for row in self.state()["engagement"] if row["user_id"] == user_id and item_id in row["item_id"]]
        assert len(rows) <= 1
        return rows[0] if rows else None

    def erase(self, user_id: str) -> None:
        with self.engine.begin() as connection:
            erase_user(connection, self.server_id, user_id, datetime.now(UTC))


def tell(connection: Connection, server_id: int, kind: str, bodies: Sequence[Body], source: str = "api") -> IngestOutcome:
    reader: Any = {"items": ITEMS, "users": USERS, "plays": PLAYS, "signals": SIGNALS}[kind]
    rows, _, rejected = reader.read(bodies)
    assert not rejected, rejected
    if kind == "items":
        return ingest.ingest_items(connection, server_id, rows)
    if kind == "users":
        return ingest.ingest_users(connection, server_id, rows)
    write: Any = {"plays": ingest.ingest_plays, "signals": ingest.ingest_signals}[kind]
    outcome: IngestOutcome = write(connection, server_id, source, rows)
    return outcome


def rejected(outcome: IngestOutcome) -> list[int]:
    assert all(isinstance(one, Rejection) and one.error for one in outcome.rejected)
    return [one.index for one in outcome.rejected]


def counts(outcome: IngestOutcome) -> tuple[int, int, int]:
    """Created, updated, unchanged."""
    return outcome.created, outcome.updated, outcome.unchanged


def state(connection: Connection, server_id: int) -> dict[str, list[Body]]:
    """Every row of the server, with an item written as the ids of its entries and every other of our ids as the media server's."""
    rows = {name: _rows(connection, name, server_id) for name in TABLES}
    names: dict[str, dict[int, Any]] = {
        name: {row["id"]: row["external_id"] for row in rows[name]} for name in ("libraries", "users", "entries")
    }
    items: dict[int, list[str]] = {row["id"]: [] for row in rows["items"]}
    for row in rows["entries"]:
        if row["item_id"] is not None:
            items[row["item_id"]].append(row["external_id"])
    known = {
        "user_id": names["users"], "entry_id": names["entries"], "series_id": names["entries"], "library_id": names["libraries"],
        "item_id": {item: tuple(sorted(entries)) for item, entries in items.items()},
    }  # fmt: skip
    for row in rows["items"]:
        row["item_id"] = row["id"]
    return {name: sorted((_without_our_ids(row, known) for row in found), key=repr) for name, found in rows.items()}


def _rows(connection: Connection, table: str, server_id: int) -> list[Body]:
    found = connection.execute(text(f"SELECT * FROM {table} WHERE server_id = :server_id"), {"server_id": server_id})
    return [dict(row._mapping) for row in found]


def _without_our_ids(row: Body, known: dict[str, dict[int, Any]]) -> Body:
    return {
        name: known[name][value] if name in known and value is not None else value for name, value in row.items() if name not in VOLATILE
    }


@dataclass(frozen=True)
class Household:
    """Everything that one media server could say; plays come through three doors."""

    items: list[Body] = field(default_factory=list)
    users: list[Body] = field(default_factory=list)
    plays: list[Body] = field(default_factory=list)
    more_plays: list[Body] = field(default_factory=list)
    counted_plays: list[Body] = field(default_factory=list)
    signals: list[Body] = field(default_factory=list)

    def messages(self) -> list[tuple[str, str, Body]]:
        """(kind, source, body)"""
        kinds = (("items", "api"), ("users", "api"), ("plays", "api"), ("plays", "webhook"), ("plays", "jellyfin"), ("signals", "api"))
        everything = (self.items, self.users, self.plays, self.more_plays, self.counted_plays, self.signals)
        return [(kind, source, body) for (kind, source), bodies in zip(kinds, everything, strict=True) for body in bodies]

    def shuffled(self, random: Random) -> "Household":
        return replace(self, **{name: random.sample(getattr(self, name), len(getattr(self, name))) for name in self.__dataclass_fields__})


def make_household(random: Random, n_titles: int, n_users: int, n_plays: int, n_signals: int) -> Household:
    """Invented at random, such that the end does not depend on the order of telling: each item and user is told of in one way,
    plays only grow, and every signal has a time."""
    items = [body for number in range(n_titles) for body in _title(random, number)]
    users = [_user(random, number) for number in range(n_users)]
    people = [body["user_id"] for body in users] + ["never-sent"]
    places = [body["item_id"] for body in items] + ["never-sent"]
    plays = [_play(random, number, people, places) for number in range(n_plays)]
    grown = [_grown(random, body) for body in plays if random.random() < 0.5]
    echoes = [_echo(random, body) for body in plays if random.random() < 0.3]
    signals = [_signal(random, number, people, places) for number in range(n_signals)]
    counted = [_counted(random, number, people, places) for number in range(n_plays)]
    return Household(items, users, plays + grown, echoes, counted, signals)


def _title(random: Random, number: int) -> list[Body]:
    """A film of one to three versions, or a series of some episodes and perhaps a season; ids are few, so that titles share them."""
    name, year = f"Title {random.randrange(4)}", random.choice([None, 1999, 2000])
    is_film = random.random() < 0.6
    bodies = []
    for version in range(random.choice([1, 1, 2, 3])):
        ids = {provider: random.choice([None, None, "0", str(random.randrange(1, 4))]) for provider in ("tmdb", "imdb", "tvdb")}
        more: Body = {
            "year": year, "provider_ids": ids, "library_id": random.choice([None, "east", "west"]), "genres": random.sample(["A", "B"], 1),
            "runtime_seconds": random.choice([None, 3600, 5400]), "added_at": random.choice([None, day(-number)]),
        }  # fmt: skip
        bodies.append((film if is_film else series)(f"t{number}v{version}", name, **more))
    if not is_film:
        bodies += [
            episode(f"t{number}e{one}", bodies[0]["item_id"], random.randrange(3), runtime_seconds=random.choice([None, 1800]))
            for one in range(random.randrange(4))
        ]
    return bodies


def _user(random: Random, number: int) -> Body:
    return user(
        f"u{number}", library_ids=random.choice([None, [], ["east"], ["east", "south"]]), blocked_tags=random.choice([[], ["gore"]])
    )


def _play(random: Random, number: int, people: list[str], places: list[str]) -> Body:
    more = {
        "started_at": random.choice([None, day(random.randrange(40) / 24)]), "order": random.choice([None, random.randrange(9)]),
        "played_seconds": random.choice([None, random.randrange(7200)]), "percent": random.choice([None, float(random.randrange(101))]),
        "completed": random.choice([None, False, True]),
    }  # fmt: skip
    return play(random.choice(people), random.choice(places), f"p{number}", **more)


def _grown(random: Random, body: Body) -> Body:
    return {**body, "played_seconds": (body["played_seconds"] or 0) + random.randrange(600), "completed": random.choice([None, True])}


def _echo(random: Random, body: Body) -> Body:
    """The same sitting as another door tells it."""
    started = body["started_at"] and (datetime.fromisoformat(body["started_at"]) + timedelta(seconds=random.randrange(90))).isoformat()
    return {**body, "play_id": f"echo {body['play_id']}", "started_at": started, "percent": random.choice([None, 50.0])}


def _counted(random: Random, number: int, people: list[str], places: list[str]) -> Body:
    """As a media server keeps it: with the time of the last, and of those before it nothing."""
    at = random.choice([None, None, day(random.randrange(40) / 24)])
    said = {"completed": True, "percent": None} if at or random.random() < 0.3 else {}
    return play(random.choice(people), random.choice(places), f"counted {number}", started_at=at, **said)


def _signal(random: Random, number: int, people: list[str], places: list[str]) -> Body:
    kind = random.choice(["rating", "favourite", "like", "dislike", "watchlist", "hide", "watched", "unwatched", "shown", "clicked"])
    value: Any = random.choice([True, False]) if kind not in {"watched", "unwatched", "shown", "clicked"} else None
    if kind == "rating" and value:
        value = random.randrange(11)
    more = {"signal_id": f"s{number}", "at": day(random.randrange(40) / 24), "order": random.choice([None, random.randrange(9)])}
    return signal(random.choice(people), random.choice(places), kind, value, **more)
