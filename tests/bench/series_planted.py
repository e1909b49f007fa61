"""People who watch films and series for a year: whose next title follows what is said."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.learn.events import Ints

FOLLOWED = ("interest", "begun last", "finished last", "being watched")
N_FILMS, N_SERIES, N_TOPICS, N_SUCCESSORS = 1_200, 400, 24, 4
SHARE_OF_SERIES, DAYS, DRIFT_DAYS = 0.4, 500.0, 60.0
LENGTHS, LENGTH_SHARES = (6, 8, 10, 20, 40, 60, 100), (0.15, 0.2, 0.2, 0.2, 0.12, 0.08, 0.05)
PART_DAYS = 0.03


@dataclass(frozen=True)
class Plays:
    """By user and time, in days: `parts` count from 0 in their title, `share` is how much of the part was watched."""

    users: Ints
    items: Ints
    parts: Ints
    at: npt.NDArray[np.float64]
    share: npt.NDArray[np.float64]
    is_series: npt.NDArray[np.bool_]

    @property
    def n_items(self) -> int:
        return len(self.is_series)

    def rows(self, kept: npt.NDArray[np.bool_]) -> "Plays":
        return Plays(self.users[kept], self.items[kept], self.parts[kept], self.at[kept], self.share[kept], self.is_series)


class Catalogue:
    def __init__(self, chance: np.random.Generator) -> None:
        n = N_FILMS + N_SERIES
        self.is_series = np.arange(n) >= N_FILMS
        self.topic, second = chance.integers(0, N_TOPICS, (2, n))
        popular = np.concatenate([_long_tail(chance, N_FILMS) * (1 - SHARE_OF_SERIES), _long_tail(chance, N_SERIES) * SHARE_OF_SERIES])
        self.popular = popular
        self.n_parts = np.where(self.is_series, chance.choice(LENGTHS, n, p=LENGTH_SHARES), 1)
        self.quality = chance.beta(4, 2, n)
        self.of_topic = [np.flatnonzero((self.topic == topic) | (second == topic)) for topic in range(N_TOPICS)]
        self.shares = [popular[items] / popular[items].sum() for items in self.of_topic]
        self.after = np.array([chance.choice(self.of_topic[topic], N_SUCCESSORS, p=self.shares[topic]) for topic in self.topic])

    def of(self, topic: int, chance: np.random.Generator) -> int:
        return int(chance.choice(self.of_topic[topic], p=self.shares[topic]))


@dataclass
class Begun:
    """A series that is being watched: its next part, and how many more until it is dropped."""

    item: int
    part: int
    left: int


class Person:
    def __init__(self, titles: Catalogue, followed: str, chance: np.random.Generator) -> None:
        self.titles, self.followed, self.chance = titles, followed, chance
        self.tastes = chance.choice(N_TOPICS, 4, replace=False)
        self.interest = int(self.tastes[0])
        self.seen: set[int] = set()
        self.running: list[Begun] = []
        self.begun_last = self.finished_last = -1
        self.plays: list[tuple[int, int, float, float]] = []

    def live(self) -> None:
        end, now = self.chance.uniform(0.3, 1) * DAYS, self.chance.uniform(0, 10)
        a_day = self.chance.lognormal(0, 0.5) * 0.7
        while now < end:
            if self.chance.random() < 1 - np.exp(-1 / (a_day * DRIFT_DAYS)):
                self.interest = int(self.chance.choice(self.tastes) if self.chance.random() < 0.8 else self.chance.integers(N_TOPICS))
            now += self.chance.exponential(1 / a_day)
            if self.running and self.chance.random() < 0.7:
                latest = self.chance.random() < 0.75
                self.go_on(self.running[-1 if latest else self.chance.integers(len(self.running))], 1 + self.chance.poisson(1.2), now)
            else:
                self.begin(now)

    def go_on(self, series: Begun, n_parts: int, now: float) -> None:
        for _ in range(n_parts):
            is_left = series.left <= 1 and series.part == 0 and self.chance.random() < 0.4
            self.plays.append((series.item, series.part, now, 0.08 if is_left else 1.0))
            now, series.part, series.left = now + PART_DAYS, series.part + 1, series.left - 1
            is_whole = series.part >= self.titles.n_parts[series.item]
            if is_whole or series.left <= 0:
                if is_whole:
                    self.finished_last = series.item
                self.running.remove(series)
                return

    def begin(self, now: float) -> None:
        titles, item = self.titles, self.chosen()
        if item in self.seen:
            return
        self.seen.add(item)
        self.begun_last = item
        likes = titles.quality[item] * (1 if titles.topic[item] in self.tastes or titles.topic[item] == self.interest else 0.6)
        if titles.is_series[item]:
            is_kept = self.chance.random() < likes * 0.7
            left = int(titles.n_parts[item]) if is_kept else 1 + self.chance.geometric(0.25 if self.chance.random() < likes else 0.7)
            self.running.append(Begun(item, 0, left))
            self.go_on(self.running[-1], 1 + self.chance.poisson(0.8), now)
        elif self.chance.random() > 0.55 + 0.45 * likes:
            self.plays.append((item, 0, now, self.chance.uniform(0.02, 0.09)))
        else:
            self.plays.append((item, 0, now, self.chance.uniform(0.7, 1)))
            self.finished_last = item

    def chosen(self) -> int:
        titles = self.titles
        before = {
            "interest": -1,
            "begun last": self.begun_last,
            "finished last": self.finished_last,
            "being watched": self.running[-1].item if self.running else self.begun_last,
        }[self.followed]
        if before >= 0 and self.chance.random() < 0.4:
            return int(self.chance.choice(titles.after[before]))
        if before >= 0 and self.chance.random() < 0.5:
            return titles.of(int(titles.topic[before]), self.chance)
        if self.chance.random() < 0.15:
            return int(self.chance.choice(len(titles.popular), p=titles.popular))
        return titles.of(self.interest if self.chance.random() < 0.75 else int(self.chance.choice(self.tastes)), self.chance)


def plant(followed: str, n_users: int, seed: int) -> Plays:
    chance = np.random.default_rng(seed)
    titles = Catalogue(chance)
    people = [Person(titles, followed, chance) for _ in range(n_users)]
    for person in people:
        person.live()
    users = np.repeat(np.arange(n_users), [len(person.plays) for person in people])
    items, parts, at, share = (np.array(column) for column in zip(*(play for person in people for play in person.plays), strict=True))
    by_time = np.lexsort((at, users))
    return Plays(users[by_time], items[by_time], parts[by_time], at[by_time], share[by_time], titles.is_series)


def _long_tail(chance: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    shares = (1.0 + chance.permutation(n)) ** -0.7
    return np.asarray(shares / shares.sum())
