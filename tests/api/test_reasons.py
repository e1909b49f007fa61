"""Whether what is said of a title is true: every reason of every answer worked out again from the rows, in this file's own words."""

import calendar
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.db import Engine
from app.db.dressing import MAX_COUNTED
from app.db.searches import BLOCK, MAX_FACETS
from app.types import Server, unseen
from jobs.refresh_tastes import refresh_stale, refresh_tastes
from tests.api.rows import send
from tests.api.test_taste import ago, ask, place
from tests.api.truth import Truth
from tests.db.household import Body, episode, film, play, series, signal, user

# "New" and "this month" are 30 days; three titles are named at most.
A_MONTH, MAX_NAMED = timedelta(days=30), 3
TABLES = ("users", "user_libraries", "entries", "items", "engagement", "item_vectors", "tastes")


def is_because(truth: Truth, item_id: int, said: str, facet: int) -> bool:
    return said == " and ".join(truth.items[other].name for other, _ in truth.because(item_id, facet)[:2]) != ""


def is_close(truth: Truth, item_id: int, label: str | None) -> bool:
    """A label is said in the middle of a sentence."""
    return label is None or label.lower() == (truth.nearest_label(item_id) or "").lower()


def is_dated(truth: Truth, item_id: int, date: str) -> bool:
    # In the time zone of the database, as it is read here.
    added_at = truth.items[item_id].added_at
    return date == f"{added_at.day} {calendar.month_name[added_at.month]} {added_at.year}"


def is_rated(truth: Truth, item_id: int, rating: str) -> bool:
    return truth.items[item_id].community_rating >= 7 and f"{truth.items[item_id].community_rating:.1f}" == rating


def is_watched(truth: Truth, item_id: int, to_the_end: bool) -> bool:
    row, item = truth.mine[item_id], truth.items[item_id]
    is_whole = row.is_finished or (item.kind == "series" and 0 < row.n_finished >= item.n_episodes)
    return item_id in truth.seen and is_whole is to_the_end


MANY = r"Watched by many others in this household"
CLOSE = r"Close to your taste(?: for (.+))?"
# Every sentence there is: the first that fits is looked at. Called with the truth, the item, what it says, and the interest asked for.
SENTENCES: dict[str, Callable[[Truth, int, Sequence[str | None], int], bool]] = {
    r"Because you watched (.+)": lambda truth, item, said, facet: is_because(truth, item, str(said[0]), facet),
    r"New, and close to your taste(?: for (.+))?": lambda truth, item, said, _: truth.is_new(item) and is_close(truth, item, said[0]),
    CLOSE: lambda truth, item, said, _: is_close(truth, item, said[0]),
    r"Popular in this household this month": lambda truth, item, *_: truth.n_lately(item) > 1,
    MANY: lambda truth, item, *_: len(truth.others(item)) >= MAX_COUNTED,
    r"Watched by (\d+) others in this household": lambda truth, item, said, _: len(truth.others(item)) == int(str(said[0])) > 1,
    r"Watched in this household": lambda truth, item, *_: len(truth.others(item)) == 1,
    r"Well rated \((.+) of 10\)": lambda truth, item, said, _: is_rated(truth, item, str(said[0])),
    r"New in your library": lambda truth, item, *_: truth.is_new(item),
    r"Added on (.+)": lambda truth, item, said, _: is_dated(truth, item, str(said[0])),
    r"In your library": lambda truth, item, *_: item in truth.open_items,
    r"You began this": lambda truth, item, *_: is_watched(truth, item, False),
    r"You watched this": lambda truth, item, *_: is_watched(truth, item, True),
    r"Like (.+)": lambda truth, item, said, _: item in truth.vectors and str(said[0]) in truth.seen_names,
}


def untruths(truth: Truth, items: Sequence[Any], facet: int | None) -> Iterator[str]:
    """`facet`: the interest that was asked for, 0 for the whole taste, None where no taste was."""
    for item in items:
        item_id = truth.entries[item["item_id"]].item_id
        fitting = [(pattern, found.groups()) for pattern in SENTENCES if (found := re.fullmatch(pattern, item["reason"]))]
        assert fitting, f"{item['reason']!r} is a new sentence: say here when it is true"
        pattern, said = fitting[0]
        truth.heard.add(pattern)
        if not SENTENCES[pattern](truth, item_id, said, facet or 0):
            yield f"{item['name']}: {item['reason']}"
        expected = [] if facet is None else truth.because(item_id, facet)
        named = [(truth.entries[one["item_id"]].item_id, one["weight"]) for one in item["based_on"]]
        is_based = [one for one, _ in named] == [one for one, _ in expected]
        is_based &= [one["name"] for one in item["based_on"]] == [truth.items[one].name for one, _ in named]
        if not is_based or not np.allclose([one for _, one in named], [one for _, one in expected], rtol=0, atol=0.6e-4):
            yield f"{item['name']} is based on {item['based_on']}, not {expected}"


def slate_untruths(truth: Truth, answer: Any, limit: int, offset: int) -> Iterator[str]:
    """Of GET /recommendations: also where each title came from."""
    items, is_personal = answer["items"], bool(truth.tastes)
    yield from untruths(truth, items, 0 if is_personal else None)
    ids = [truth.entries[item["item_id"]].item_id for item in items]
    is_watched = [bool(truth.others(item_id)) for item_id in ids]
    is_rated = [truth.items[item_id].community_rating is not None for item_id in ids]
    source = "personal" if is_personal else "household" if any(is_watched) else "popular" if any(is_rated) else "new"
    if answer["source"] != (source if items else "none"):
        yield f"the source is {source}, not {answer['source']}"
    n = -(-(offset + limit) // BLOCK) * BLOCK
    near = {item_id for facet in truth.tastes if facet <= MAX_FACETS for item_id in truth.nearest(facet, n)}
    popular = truth.most_popular(n) | truth.eligible - set(truth.vectors)
    for item, item_id, *is_known in zip(items, ids, is_watched, is_rated, strict=True):
        said = set(item["sources"])
        possible = {name for name, found in (("text", near), ("popular", popular)) if item_id in found}
        if not (said and said <= possible if is_personal else said == ({"popular"} if any(is_known) else {"new"})):
            yield f"{item['name']} has the sources {item['sources']}"


def row_untruths(truth: Truth, row: Any) -> Iterator[str]:
    """Of one row of GET /home: also its title."""
    ids = [truth.entries[item["item_id"]].item_id for item in row["items"]]
    sources = {one for item in row["items"] for one in item["sources"]}
    is_true = True
    facet: int | None = None
    match row["id"].partition("-")[0], row["title"]:
        case "because", title:
            heaviest = [truth.items[one].name for one in truth.tastes[0].item_ids if one in truth.seen and one in truth.vectors]
            is_true = title == f"Because you watched {heaviest[0]}" and sources == {"text"}
            is_true &= {item["reason"] for item in row["items"]} == {f"Like {heaviest[0]}"}
        case "top" | "hidden", _:
            facet, is_true = 0, sources <= {"text", "popular"}
        case "interest", title:
            facet = int(row["id"].removeprefix("interest-"))
            is_true = title == truth.tastes[facet].label and sources <= {"text", "popular"}
        case "popular", title:
            is_true = (title == "Popular in this household") is any(truth.others(one) for one in ids) and sources <= {"popular", "new"}
        case "continue" | "new" | "watch" as kind, _:
            is_true = sources == {{"continue": "in_progress", "new": "newest", "watch": "again"}[kind]}
    if not is_true:
        yield f"{row['id']}: {row['title']}, {sources}"
    yield from untruths(truth, row["items"], facet)


def all_untruths(client: TestClient, server: Server, truth: Truth) -> list[str]:
    """Of pages of recommendations, with and without what was seen, and of the home page, short and long."""
    asked = {"user_id": truth.me.external_id}
    found = []
    for limit, offset in ((20, 0), (100, 0), (50, 90)):
        found += slate_untruths(truth, ask(client, server, "/recommendations", limit=limit, offset=offset, **asked), limit, offset)
    again = ask(client, server, "/recommendations", limit=100, include_seen=True, **asked)["items"]
    found += untruths(truth, again, 0 if truth.tastes else None)
    for limit in (6, 50):
        found += [fault for row in ask(client, server, "/home", limit=limit, **asked)["rows"] for fault in row_untruths(truth, row)]
    return found


GENRES = ("Horror", "Comedy", "Western", "Mystery", "Musical", "War")


def invent(random: Random, client: TestClient, engine: Engine, server: Server, n_genres: int) -> list[str]:
    """A household told over HTTP, each of them at home in so many genres; who may be asked about."""
    titles = {f"t{number}": random.choice(GENRES) for number in range(160)}
    shows = {name for name in titles if random.random() < 0.2}
    items = [body for name, genre in titles.items() for body in _title(random, name, genre, name in shows)]
    people = [user(f"u{number}") for number in range(10)]
    people[1] |= {"library_ids": ["east"]}
    people[2] |= {"opted_out": True}
    plays, signals = [], []
    for person, n_watched in zip(people, [30, 30, 30, 30, 2, 0, 50, 12, 5, 1], strict=True):
        genres = random.sample(GENRES, n_genres)
        liked = [name for name, genre in titles.items() if genre in genres]
        for name in random.sample(liked, min(n_watched, len(liked))):
            part = f"{name}-{random.randrange(1, 4)}" if name in shows else name
            when = ago(random.choice([random.randrange(30), random.randrange(400)]) + 0.5)
            plays.append(play(person["user_id"], part, started_at=when, percent=random.choice([3, 40, 95, 100, 100, None])))
        for name in random.sample(liked, n_watched // 3):
            kind = random.choice(["hide", "dislike", "favourite", "like", "watchlist", "rating"])
            value = random.randrange(11) if kind == "rating" else None
            signals.append(signal(person["user_id"], name, kind, value, at=ago(random.randrange(400) + 0.5)))
    for name, rows in {"items": items, "users": people, "plays": plays, "signals": signals}.items():
        assert send(client, server, name, rows)["rejected"] == []
    chance = np.random.default_rng(random.randrange(2**32))
    centres = dict(zip(GENRES, chance.standard_normal((len(GENRES), 16)), strict=True))
    placed = {name: list(centres[genre] + 0.8 * chance.standard_normal(16)) for name, genre in titles.items()}
    place(engine, server, {name: vector for name, vector in placed.items() if random.random() < 0.9})
    assert client.delete("/users/u3", params={"server_id": server.external_id}).is_success
    refresh_tastes(engine, server.id, datetime.now(UTC), unseen)
    return [person["user_id"] for person in people if person["user_id"] != "u3"]


def _title(random: Random, name: str, genre: str, is_series: bool) -> list[Body]:
    """A film, or a series of three episodes; some in two versions, in one library each."""
    more: Body = {
        "genres": [genre], "year": 1950 + int(name[1:]), "library_id": random.choice(["east", "east", "west"]),
        "community_rating": random.choice([None, 3.0, random.uniform(5, 9.5)]), "vote_count": random.choice([None, 40, 5000]),
        "added_at": random.choice([None, ago(random.randrange(60) + 0.5), ago(random.randrange(2000) + 0.5)]),
    }  # fmt: skip
    bodies = [(series if is_series else film)(name, f"{name} title", **more)]
    if random.random() < 0.1:
        bodies.append(bodies[0] | {"item_id": f"{name}-west", "library_id": "west"})
    return bodies + [episode(f"{name}-{number}", name, number, runtime_seconds=3000) for number in range(1, 4) if is_series]


@pytest.mark.parametrize("user_id", ["mara", "okafors", "jonas", "ines"])
def test_what_is_said_to_the_demo_household_is_true(client: TestClient, engine: Engine, demo_server: Server, user_id: str) -> None:
    assert all_untruths(client, demo_server, Truth(engine, demo_server, user_id)) == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_said_to_any_household_is_true(client: TestClient, engine: Engine, server: Server, seed: int) -> None:
    # Many others don't live here, and what is close is nearly always close to a title.
    heard = {MANY, CLOSE}
    for user_id in invent(Random(seed), client, engine, server, n_genres=2):
        truth = Truth(engine, server, user_id)
        assert all_untruths(client, server, truth) == [], user_id
        heard |= truth.heard
    assert heard == set(SENTENCES)


def test_many_is_said_of_those_who_are_many(client: TestClient, engine: Engine, server: Server) -> None:
    send(client, server, "items", [film("seen"), film("seen once less"), film("unseen")])
    send(client, server, "users", [user("ada"), *(user(f"u{number}") for number in range(MAX_COUNTED))])
    plays = [play(f"u{number}", name, started_at=ago(40)) for number in range(MAX_COUNTED) for name in ("seen", "seen once less")]
    send(client, server, "plays", plays[:-1])
    truth = Truth(engine, server, "ada")
    assert all_untruths(client, server, truth) == []
    assert {MANY, r"Watched by (\d+) others in this household"} <= truth.heard


def test_what_is_called_close_does_not_lie_in_the_other_direction(client: TestClient, engine: Engine, demo_server: Server) -> None:
    truth = Truth(engine, demo_server, "mara")
    for offset in (0, 100, 200):
        for item in ask(client, demo_server, "/recommendations", user_id="mara", limit=100, offset=offset)["items"]:
            if re.match("Close|New, and close", item["reason"]):
                item_id = truth.entries[item["item_id"]].item_id
                assert max(truth.similarity(item_id, facet) for facet in truth.tastes) > 0, item["name"]


def test_what_is_said_before_a_new_taste_is_stored_is_said_after(client: TestClient, engine: Engine, server: Server) -> None:
    invent(Random(1), client, engine, server, n_genres=2)
    send(client, server, "plays", [play("u0", "t7", "now", started_at=ago(0.5), percent=100)])
    before = ask(client, server, "/home", user_id="u0", limit=6)["rows"]
    refresh_stale(engine, server.id, datetime.now(UTC), unseen)
    after = ask(client, server, "/home", user_id="u0", limit=6)["rows"]
    for row in before + after:
        row["items"] = [(item["name"], item["reason"], [one["name"] for one in item["based_on"]]) for item in row["items"]]
    assert before == after
