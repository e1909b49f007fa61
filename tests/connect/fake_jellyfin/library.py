"""What a made-up Jellyfin holds: items, users, and what each user did with each item."""

import random
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

TICKS_PER_SECOND = 10_000_000
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
GENRES = ["Drama", "Comedy", "Horror", "Crime", "Western", "Animation"]
RATINGS = ["G", "PG", "PG-13", "R", "TV-14", None]


@dataclass
class FakeItem:
    id: str
    type: str
    name: str
    library_id: str
    provider_ids: dict[str, str] = field(default_factory=dict)
    year: int | None = 2000
    created_at: datetime = EPOCH
    saved_at: datetime = EPOCH
    runtime_seconds: int | None = 5400
    genres: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    people: list[str] = field(default_factory=list)
    official_rating: str | None = None
    overview: str | None = None
    series_id: str | None = None
    season_id: str | None = None
    season_number: int | None = None
    number: int | None = None
    is_missing: bool = False


@dataclass
class FakeState:
    """What a user did with an item: UserData."""

    n_plays: int = 0
    is_played: bool = False
    position_seconds: int = 0
    played_at: datetime | None = None
    is_favourite: bool = False
    rating: float | None = None

    @property
    def likes(self) -> bool | None:
        return None if self.rating is None else self.rating >= 6.5


@dataclass
class FakeUser:
    """`hidden` is what the server does not show them; `policy` is what it says of why."""

    id: str
    name: str
    policy: dict[str, Any] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    states: dict[str, FakeState] = field(default_factory=dict)


@dataclass
class FakeLibrary:
    folders: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    items: dict[str, FakeItem] = field(default_factory=dict)
    users: dict[str, FakeUser] = field(default_factory=dict)
    # Ids of collections, and of the films that each holds.
    collections: dict[str, set[str]] = field(default_factory=dict)
    # Items that somebody's data was saved of since the server started.
    saved: set[str] = field(default_factory=set)
    # Rises with each change, so that the server may keep a sorted list from page to page.
    version: int = 0

    def add(self, item: FakeItem) -> FakeItem:
        self.items[item.id] = item
        self.version += 1
        return item

    def remove(self, item_id: str) -> FakeItem:
        self.version += 1
        return self.items.pop(item_id)

    def change(self, item_id: str, saved_at: datetime, **changes: Any) -> FakeItem:
        return self.add(replace(self.items[item_id], saved_at=saved_at, **changes))

    def renew_id(self, item_id: str, saved_at: datetime) -> str:
        """A file that was renamed: the same title under another id, with what users did, as that is kept by the provider's id."""
        gone = self.remove(item_id)
        renewed = self.add(replace(gone, id=guid(f"renewed {item_id}"), saved_at=saved_at, created_at=saved_at))
        for user in self.users.values():
            if item_id in user.states:
                user.states[renewed.id] = user.states.pop(item_id)
        return renewed.id

    def restart(self) -> None:
        self.saved.clear()
        self.version += 1

    def key_of(self, item: FakeItem) -> str:
        """The key that a user's data is said to have: while the server runs the one that it was last saved under, the item's own id
        with dashes; after a restart the provider's."""
        if item.id in self.saved:
            return str(uuid.UUID(item.id)) if len(item.id) == 32 else item.id
        if item.type == "Episode" and item.series_id:
            parent = self.items[item.series_id]
            return f"{self.key_of(parent)}{item.season_number or 0:03}{item.number or 0:04}"
        return item.provider_ids.get("Tmdb") or item.provider_ids.get("Tvdb") or item.id

    def say(self, user_id: str, item_id: str, **changes: Any) -> None:
        user = self.users[user_id]
        user.states[item_id] = replace(user.states.get(item_id, FakeState()), **changes)
        self.saved.add(item_id)
        self.version += 1

    def begin(self, user_id: str, item_id: str, at: datetime, position_seconds: int, major: int) -> None:
        """Somebody watches, and has come so far. What counted as played still does on 12."""
        before = self.users[user_id].states.get(item_id, FakeState())
        is_played = before.is_played and major >= 12
        self.say(user_id, item_id, is_played=is_played, played_at=at, n_plays=before.n_plays + 1, position_seconds=position_seconds)

    def watch(self, user_id: str, item_id: str, at: datetime) -> None:
        n_plays = self.users[user_id].states.get(item_id, FakeState()).n_plays
        self.say(user_id, item_id, is_played=True, played_at=at, n_plays=n_plays + 1, position_seconds=0)


def guid(name: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_URL, name).hex


def generated(n_films: int, n_series: int, n_episodes: int, n_users: int, n_watched: int, seed: int = 0) -> FakeLibrary:
    """`n_episodes` of each series, in seasons of ten; each user watched `n_watched` films and episodes. The last third of the users are
    children, who see neither R nor what has no rating. The second and the third film are a collection."""
    chance = random.Random(seed)
    films, shows = guid("films"), guid("shows")
    library = FakeLibrary({films: ("Films", "movies"), shows: ("Series", "tvshows"), guid("songs"): ("Songs", "music")})
    for number in range(n_films):
        library.add(_title(chance, "Movie", number, films))
    library.collections = {guid("collection"): {guid("Movie 1"), guid("Movie 2")}}
    for number in range(n_series):
        parent = library.add(_title(chance, "Series", number, shows))
        for episode in range(n_episodes):
            _add_episode(library, parent, episode)
    for number in range(n_users):
        user = _user(library, number, is_child=number >= n_users - n_users // 3)
        library.users[user.id] = user
    watchable = [item.id for item in library.items.values() if item.type in ("Movie", "Episode")]
    for user in library.users.values():
        _live(chance, library, user, [one for one in watchable if one not in user.hidden], n_watched)
    return library


def _title(chance: random.Random, kind: str, number: int, library_id: str) -> FakeItem:
    provider = {"Tmdb": str(1000 + number), "Imdb": f"tt{number:07}"} if kind == "Movie" else {"Tvdb": str(5000 + number)}
    return FakeItem(
        guid(f"{kind} {number}"), kind, f"{kind} {number}", library_id, provider, 1960 + number % 60,
        EPOCH - timedelta(hours=number), EPOCH - timedelta(hours=number), 5400 if kind == "Movie" else None,
        chance.sample(GENRES, 2), ["tag"], [f"Person {chance.randrange(500)}" for _ in range(3)], chance.choice(RATINGS),
        f"About {number}.",
    )  # fmt: skip


def _add_episode(library: FakeLibrary, parent: FakeItem, number: int) -> None:
    season, within = number // 10 + 1, number % 10 + 1
    season_id = guid(f"{parent.id} season {season}")
    shared: dict[str, Any] = {"library_id": parent.library_id, "series_id": parent.id, "created_at": parent.created_at}
    shared |= {"saved_at": parent.saved_at}
    if within == 1:
        library.add(FakeItem(season_id, "Season", f"Season {season}", number=season, runtime_seconds=None, **shared))
    shared |= {"season_id": season_id, "season_number": season, "number": within, "runtime_seconds": 2700}
    library.add(FakeItem(guid(f"{parent.id} {number}"), "Episode", f"Episode {within}", **shared))


def _user(library: FakeLibrary, number: int, *, is_child: bool) -> FakeUser:
    user = FakeUser(guid(f"user {number}"), f"User {number}", {"IsAdministrator": True} if number == 0 else {})
    if is_child:
        titles = {one.id for one in library.items.values() if one.type in ("Movie", "Series") and one.official_rating in ("R", None)}
        user.hidden = titles | {one.id for one in library.items.values() if one.series_id in titles}
        user.policy = {"MaxParentalRating": 13, "BlockUnratedItems": ["Movie", "Series"]}
    return user


def _live(chance: random.Random, library: FakeLibrary, user: FakeUser, watchable: list[str], n_watched: int) -> None:
    for item_id in chance.sample(watchable, min(n_watched, len(watchable))):
        at = EPOCH - timedelta(minutes=chance.randrange(500_000))
        seconds = library.items[item_id].runtime_seconds or 0
        match chance.randrange(10):
            case 0:
                user.states[item_id] = FakeState(1, position_seconds=seconds // 3, played_at=at)
            case 1:
                user.states[item_id] = FakeState(1, played_at=at)
            case dice:
                user.states[item_id] = FakeState(1 + dice // 8, is_played=True, played_at=at, is_favourite=dice == 2)
        if chance.random() < 0.05:
            user.states[item_id].rating = chance.choice([10.0, 1.0, 8.0])
