"""What the media server of a leak test says: titles, people, plays and signals, invented at random.

Every entry has a name of its own with a mark in it, such as `zq7x0042`, that occurs nowhere else: whatever answer holds the mark
speaks of that entry. Times lie half a day beside a whole number of days ago, so that no limit in days falls on one.
"""

import itertools
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

from tests.db.household import Body, episode, film, play, series, signal, user

MARK = re.compile(r"zq\d+x\d{4}", re.IGNORECASE)
ENTRY_ID = re.compile(r"entry-\d{4}")

LIBRARIES = ("north", "east", "west")
GENRES = ("Drama", "Comedy", "Horror", "Science Fiction", "Family")
TAGS = ("gore", "Gore ", "slow", "gentle", "Gentle", "loud")
HEADS = ("Amber", "Harbour", "Élan", "The Long Night", "Copper", "Winter Road")
# Years from which each rating is meant for, by the boards' own definitions; None: it says nothing.
AGES = {
    "G": 0, "PG-13": 13, "R": 17, "NC-17": 18, "TV-G": 0, "TV-14": 14, "TV-MA": 17, "U": 0, "12A": 12, "FSK 6": 6, "FSK 16": 16,
    "DE-18": 18, "M": 15, "gb/15": 15, "AL": 0, "Not Rated": None, "banana": None, None: None,
}  # fmt: skip

# What one person did with one title, in this order.
STORIES = (
    ("finish",), ("finish",), ("finish",), ("begin",), ("begin",), ("watched",), ("rate",), ("begin", "finish"), ("finish", "finish"),
    ("finish", "unwatched"), ("begin", "unwatched"), ("watched", "unwatched"), ("finish", "unwatched", "begin"), ("unwatched", "finish"),
    ("rate", "unrate"), ("finish", "rate"), ("begin", "rate"), ("unwatched", "watched"), ("rate", "unrate", "rate"),
)  # fmt: skip
OPINIONS = (
    ("hide",), ("hide",), ("hide", "hide back"), ("hide", "hide back", "hide"), ("dislike",), ("dislike", "like"),
    ("like", "dislike"), ("dislike", "dislike back"), ("like",), ("favourite",), ("favourite", "favourite back"), ("watchlist",),
)  # fmt: skip
NO_LIMITS: Body = {
    "is_disabled": False,
    "opted_out": False,
    "library_ids": None,
    "max_parental_age": None,
    "blocked_tags": [],
    "allowed_tags": [],
}


class Inventor:
    """Goes on inventing: ids and marks are counted, everything else is chance. `number` tells the marks of two servers apart."""

    def __init__(self, random: Random, number: int, now: datetime, *, tells_all: bool) -> None:
        """`tells_all`: of each play, how much was watched."""
        self.random, self.number, self.now, self.tells_all = random, number, now, tells_all
        self._entries, self._plays, self._moments = itertools.count(), itertools.count(), itertools.count()
        self._provider_numbers = {"movie": itertools.count(1), "series": itertools.count(1)}

    def title(self) -> list[Body]:
        """A film or a series: one to three versions, and the episodes."""
        make = film if self.random.random() < 0.7 else series
        n_versions = self.random.choice([1, 1, 1, 2, 2, 3])
        facts = self._facts()
        facts["provider_ids"] = self.provider_ids("movie" if make is film else "series")
        if n_versions == 1 and self.random.random() < 0.3:
            facts["provider_ids"] = {}
        head = self.random.choice(HEADS)
        versions = [self._entry(make, head, **facts, **self.access()) for _ in range(n_versions)]
        return versions if make is film else versions + self._parts(versions)

    def provider_ids(self, kind: str) -> Body:
        # A film and a series may have the same number.
        number = next(self._provider_numbers[kind])
        return self.random.choice([{"tmdb": str(number)}, {"tmdb": str(number)}, {"imdb": f"tt{number:07d}"}, {"tvdb": str(number)}])

    def _facts(self) -> Body:
        """What the versions of a title have in common."""
        random = self.random
        return {
            "year": random.choice([None, 1975, 1988, 1999, 2004, 2021]), "genres": random.sample(GENRES, random.choice([0, 1, 1, 2])),
            "runtime_seconds": random.choice([None, 1500, 5400, 7800]), "community_rating": random.choice([None, 5.5, 7.5, 8.5]),
            "vote_count": random.choice([None, 90, 400, 5000]), "added_at": random.choice([None, self.moment(), self.moment()]),
        }  # fmt: skip

    def access(self) -> Body:
        """Where an entry is, and whom it is meant for."""
        random = self.random
        return {
            "library_id": random.choice([None, *LIBRARIES, *LIBRARIES]), "official_rating": random.choice(list(AGES)),
            "tags": random.sample(TAGS, random.choice([0, 0, 1, 2])),
        }  # fmt: skip

    def _entry(self, make: Any, head: str, **more: Any) -> Body:
        number = next(self._entries)
        mark, entry_id = f"zq{self.number}x{number:04d}", f"entry-{number:04d}"
        images = {"primary": f"/images/{entry_id}/{mark}.jpg"}
        return make(entry_id, name=self.random.choice([f"{head}: {mark}", f"{head} {mark}"]), images=images, **more)

    def _parts(self, versions: Sequence[Body]) -> list[Body]:
        parts = []
        n_episodes = self.random.choice([0, 1, 2, 3, 5])
        for version in versions:
            of = version["item_id"]
            parts += [self._entry(_episode, "Episode", of=of, number=number) for number in range(1, n_episodes + 1)]
            if self.random.random() < 0.3:
                parts.append(self._entry(_episode, "Special", of=of, number=1, season_number=0))
        return parts

    def people(self) -> list[Body]:
        """One of each kind of limit, and two of several at once."""
        random = self.random
        limits: dict[str, Body] = {
            "ada": {}, "bo": {"library_ids": random.sample(LIBRARIES, 2)}, "cy": {"library_ids": [random.choice([*LIBRARIES, "south"])]},
            "dee": {"library_ids": []}, "eve": {"max_parental_age": random.choice([0, 7, 12, 15])}, "fay": {"blocked_tags": ["GORE"]},
            "gus": {"allowed_tags": ["gentle", "Slow"]}, "hal": self.limits(), "ida": self.limits(), "out": {"opted_out": True},
            "off": {"is_disabled": True},
        }  # fmt: skip
        return [user(name, **NO_LIMITS | limit) for name, limit in limits.items()]

    def limits(self) -> Body:
        random = self.random
        return {
            "library_ids": random.choice([None, [], ["south"], list(LIBRARIES), random.sample(LIBRARIES, 2)]),
            "max_parental_age": random.choice([None, None, 0, 7, 12, 15]),
            "blocked_tags": random.choice([[], ["gore"], ["slow", "Loud"]]), "allowed_tags": random.choice([[], [], ["Gentle", "slow"]]),
        }  # fmt: skip

    def story(self, person: str, title: Sequence[Body]) -> tuple[list[Body], list[Body]]:
        """(plays, signals) of what a person did with a title of these entries."""
        plays, signals = [], []
        for step, at in self._timed(self.random.choice(STORIES)):
            if step in ("finish", "begin"):
                plays += [self._play(person, body, step, at) for body in self._watched(title, step)]
            else:
                signals.append(self._said(person, title, step, at))
        return plays, signals

    def opinion(self, person: str, title: Sequence[Body]) -> list[Body]:
        return [self._said(person, title, step, at) for step, at in self._timed(self.random.choice(OPINIONS))]

    def _timed(self, steps: Sequence[str]) -> list[tuple[str, str | None]]:
        """Each step with its time, rising. The last has none at times: it is the last word by being told last."""
        days = sorted(self.random.sample(range(1, 500), len(steps)), reverse=True)
        timed: list[tuple[str, str | None]] = [(step, self._ago(one)) for step, one in zip(steps, days, strict=True)]
        return [*timed[:-1], (steps[-1], None)] if self.random.random() < 0.2 else timed

    def _watched(self, title: Sequence[Body], step: str) -> list[Body]:
        """The film in one of its versions; of a series some episodes, or all."""
        episodes = [body for body in title if body["type"] == "episode"]
        if title[0]["type"] == "movie":
            return [self.random.choice(title)]
        if not episodes or step == "begin":
            return episodes and [self.random.choice(episodes)]
        return episodes if self.random.random() < 0.5 else self.random.sample(episodes, self.random.randint(1, len(episodes)))

    def _play(self, person: str, entry: Body, step: str, at: str | None) -> Body:
        random, runtime = self.random, entry.get("runtime_seconds")
        told: list[Body] = [{"percent": 97.0}, {"completed": True}]
        if step == "begin":
            told = [{"percent": 25.0}, {"percent": 50.0, "completed": False}]
        elif runtime:
            told.append({"played_seconds": int(runtime * 0.96)})
        if not self.tells_all:
            told.append({})
        started = {"order": random.randrange(9)} if at is None else {"started_at": at}
        return play(person, entry["item_id"], f"play-{next(self._plays)}", **started, **random.choice(told))

    def _said(self, person: str, title: Sequence[Body], step: str, at: str | None) -> Body:
        """Of the title itself; what was hidden, watched or not may be said of an episode."""
        kind, _, back = step.partition(" ")
        kind, back = ("rating", "back") if kind == "unrate" else (kind, back)
        about = [body for body in title if body["type"] in ("movie", "series")]
        if kind in ("hide", "watched", "unwatched") and self.random.random() < 0.5:
            about = list(title)
        value: Any = False if back else None
        if kind == "rate":
            kind, value = "rating", self.random.choice([1, 5, 8, 10])
        return signal(person, self.random.choice(about)["item_id"], kind, value, at=at)

    def moment(self) -> str:
        return self._ago(self.random.randrange(1, 500))

    def _ago(self, days: int) -> str:
        # No two things are said at one moment.
        return (self.now - timedelta(days=days + 0.5, seconds=next(self._moments))).isoformat()


def _episode(item_id: str, of: str, number: int, **more: Any) -> Body:
    return episode(item_id, of, number, **more)
