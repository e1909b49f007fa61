"""What is asked: one of the endpoints that name titles, for anybody, with parameters at random."""

from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from tests.leaks.invent import GENRES, LIBRARIES
from tests.leaks.world import GHOST, World

Endpoint = Literal["recommendations", "home", "similar", "search", "taste", "hidden"]

# How often each is asked.
WEIGHTS: dict[Endpoint, int] = {"recommendations": 44, "home": 14, "similar": 16, "search": 16, "taste": 5, "hidden": 5}


@dataclass(frozen=True)
class Ask:
    """`about`: the entry or the words that it is about."""

    endpoint: Endpoint
    user_id: str | None
    parameters: dict[str, Any] = field(default_factory=dict)
    about: str = ""

    @property
    def path(self) -> str:
        of_user = f"/users/{self.user_id}/{self.endpoint}"
        return {"similar": f"/items/{self.about}/similar", "taste": of_user, "hidden": of_user}.get(self.endpoint, f"/{self.endpoint}")

    @property
    def limit(self) -> int:
        return int(self.parameters.get("limit", 12 if self.endpoint == "home" else 20))


def random_ask(random: Random, world: World) -> Ask:
    person = GHOST if random.random() < 0.02 else random.choice(list(world.told.users))
    [endpoint] = random.choices(list(WEIGHTS), list(WEIGHTS.values()))
    match endpoint:
        case "recommendations":
            return Ask(endpoint, person, _who(person) | _wishes(random, world))
        case "home":
            return Ask(endpoint, person, _who(person) | _chosen(random, limit=[1, 3, 12, 50]))
        case "similar":
            asker = None if random.random() < 0.2 else person
            entries = sorted(world.oracle.view(asker).opens) if random.random() < 0.6 and asker != GHOST else []
            entry = random.choice(entries or [*world.told.items, "entry-none"])
            return Ask(endpoint, asker, _who(asker) | _chosen(random, limit=[1, 5, 20, 100]), entry)
        case "search":
            asker = None if random.random() < 0.2 else person
            words = random.choice(world.queries or ["amber", *(body["name"] for body in world.told.items.values())])
            chosen = _chosen(random, limit=[1, 5, 20, 100], include_seen=["true"])
            return Ask(endpoint, asker, _who(asker) | {"q": words} | chosen, words)
        case _:
            return Ask(endpoint, person)


def _who(person: str | None) -> dict[str, Any]:
    return {} if person is None else {"user_id": person}


def _wishes(random: Random, world: World) -> dict[str, Any]:
    """A few of the parameters of /recommendations."""
    entries = random.sample(list(world.told.items), 8)
    paging = _chosen(random, limit=[1, 5, 20, 100, 100, 100], offset=[0, 0, 3, 20, 70], share=0.6)
    shape = _chosen(random, variety=["false"], freshness=["false"], explain=["false"], include_seen=["true"])
    filters = _chosen(
        random, type=["movie", "series", "all"], genres=["drama", "Horror, family", "opera"], exclude_genres=[random.choice(GENRES)],
        exclude_ids=[",".join(entries)], year_from=[1980, 2000], year_to=[1999, 2010], max_runtime_minutes=[30, 100],
        library_id=[*LIBRARIES, "south", "nowhere"], share=0.08,
    )  # fmt: skip
    return paging | shape | filters


def _chosen(random: Random, *, share: float = 0.3, **choices: list[Any]) -> dict[str, Any]:
    return {name: random.choice(values) for name, values in choices.items() if random.random() < share}
