"""What happens in a household while it is asked: people watch and change their mind, titles come, move and go, limits change."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from app.types import unseen
from jobs.refresh_tastes import refresh_stale
from tests.db.household import Body
from tests.leaks.world import GHOST, World, random_settings


def change(world: World) -> None:
    """One thing happens."""
    happenings: list[Callable[[World], None]] = [
        watch, watch, watch, limit, limit, switch, move, move, delete, restore, rematch, arrive, hide, unhide, decide, refresh,
        refresh, erase,
    ]  # fmt: skip
    world.random.choice(happenings)(world)


def watch(world: World) -> None:
    plays, signals = [], []
    for title in world.random.sample(world.titles(), 6):
        person = world.random.choice([*world.told.users, GHOST])
        watched, said = world.inventor.story(person, title)
        plays += watched
        signals += said + world.inventor.opinion(person, title)
    world.tell("plays", *plays)
    world.tell("signals", *signals)


def limit(world: World) -> None:
    person = world.random.choice(list(world.told.users))
    world.tell("users", world.told.users[person] | world.inventor.limits())


def switch(world: World) -> None:
    """Somebody opts out or is disabled, or is so no more."""
    person, what = world.random.choice(list(world.told.users)), world.random.choice(["opted_out", "opted_out", "is_disabled"])
    world.tell("users", world.told.users[person] | {what: not world.told.users[person][what]})


def move(world: World) -> None:
    """To another library, under another rating, with other tags."""
    world.tell("items", *(body | world.inventor.access() for body in _some_of_titles(world, 5)))


def arrive(world: World) -> None:
    """A title that has no vector yet."""
    world.tell("items", *world.inventor.title())


def delete(world: World) -> None:
    world.delete([body["item_id"] for body in _some_of_titles(world, 3)])


def restore(world: World) -> None:
    world.tell("items", *(world.told.items[entry] for entry in sorted(world.told.deleted)[:3]))


def rematch(world: World) -> None:
    """A version turns out to be another title, of which nothing was hidden."""
    hidden = {one["item_id"] for one in world.told.signals if one["kind"] == "hide"}
    for title in world.random.sample(world.titles(), 2):
        if not hidden & {body["item_id"] for body in title}:
            changed = world.random.choice([body for body in title if body["type"] in ("movie", "series")])
            world.tell("items", changed | {"provider_ids": world.inventor.provider_ids(changed["type"])})


def hide(world: World) -> None:
    _say_hidden(world, "POST", None)


def unhide(world: World) -> None:
    _say_hidden(world, "DELETE", False)


def _say_hidden(world: World, method: str, value: Any) -> None:
    """Of an episode, its series is meant; and it is the last word."""
    for person in world.random.sample(sorted(set(world.told.users) - world.told.erased), 3):
        entry = world.random.choice(list(world.told.items))
        answer = world.client.request(method, f"/users/{person}/hidden/{entry}", params={"server_id": world.name})
        assert answer.status_code == 200, answer.text
        now, title = datetime.now(UTC), world.told.items[entry].get("series_id", entry)
        said = {"user_id": person, "item_id": title, "kind": "hide", "value": value, "at": now.isoformat()}
        world.told.hear("signals", said, now)
    world.forget()


def decide(world: World) -> None:
    """Other settings; what a title in progress counts as stays, as not every play told how far it went."""
    world.told.settings |= random_settings(world.random) | {"in_progress": world.told.settings["in_progress"]}
    world.put_server()
    world.forget()


def refresh(world: World) -> None:
    refresh_stale(world.engine, world.house.server_id, datetime.now(UTC), unseen)


def erase(world: World) -> None:
    if world.random.random() < 0.2 and not world.told.erased:
        person = world.random.choice(list(world.told.users))
        answer = world.client.delete(f"/users/{person}", params={"server_id": world.name})
        assert answer.status_code == 200, answer.text
        world.told.erased.add(person)


def _some_of_titles(world: World, n_entries: int) -> list[Body]:
    return world.random.sample([body for body in world.told.items.values() if body["type"] in ("movie", "series")], n_entries)
