"""Whatever is asked in whatever household: no answer names what this person may not see, has hidden or has seen already."""

from datetime import UTC, datetime
from random import Random

import pytest
from fastapi.testclient import TestClient

from app.db import Engine
from tests.leaks.ask import random_ask
from tests.leaks.check import faults
from tests.leaks.life import change
from tests.leaks.world import make_worlds

ASKS_PER_CHANGE = 8
SEEDS, ASKS_PER_SEED = range(5), 200
# 24,000 in all.
SOAK_SEEDS, SOAK_ASKS_PER_SEED = range(100, 160), 400


def ask_all_about(engine: Engine, client: TestClient, seed: int, n_asks: int) -> None:
    """Two households at once, which go on living while they are asked."""
    random = Random(seed)
    worlds = make_worlds(engine, client, seed, datetime.now(UTC))
    for number in range(n_asks):
        world = random.choice(worlds)
        if number % ASKS_PER_CHANGE == 0:
            change(world)
        ask = random_ask(random, world)
        found = faults(world, ask)
        assert not found, f"seed {seed}, ask {number} of {world.name}: {ask}\n" + "\n".join(found)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_answer_names_what_it_must_not_or_leaves_out_what_it_owes(engine: Engine, client: TestClient, seed: int) -> None:
    ask_all_about(engine, client, seed, ASKS_PER_SEED)


@pytest.mark.soak
@pytest.mark.parametrize("seed", SOAK_SEEDS)
def test_no_answer_names_what_it_must_not_however_long_it_is_asked(engine: Engine, client: TestClient, seed: int) -> None:
    ask_all_about(engine, client, seed, SOAK_ASKS_PER_SEED)
