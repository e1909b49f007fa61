"""The rows that stand at the end do not depend on the order in which they came, on repeats, or on who else was writing."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import groupby
from multiprocessing import get_context
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db import Engine
from app.db.engine import working_engine
from app.types import Server
from tests.db.household import Body, House, Household, film, make_household, play, tell, user

MakeServer = Callable[..., Server]
Message = tuple[str, str, Body]


def bounded(n_examples: int) -> settings:
    quiet = [HealthCheck.function_scoped_fixture]
    return settings(max_examples=n_examples, deadline=None, derandomize=True, database=None, suppress_health_check=quiet)


def calls(messages: list[Message]) -> Iterator[tuple[str, str, list[Body]]]:
    """Neighbours of one kind and source are one call."""
    for (kind, source), group in groupby(messages, key=lambda message: message[:2]):
        yield kind, source, [body for _, _, body in group]


def send(house: House, messages: list[Message]) -> None:
    for kind, source, bodies in calls(messages):
        house.tell(kind, bodies, source)


def in_one_go(engine: Engine, server: Server, household: Household) -> House:
    house = House(engine, server.id)
    send(house, household.messages())
    return house


def chunks(messages: list[Message], random: Random, largest: int) -> list[list[Message]]:
    """Everything in random parts of a random size, each sorted into calls."""
    shuffled = random.sample(messages, len(messages))
    found = []
    while shuffled:
        size = random.randint(1, largest)
        found.append(sorted(shuffled[:size], key=lambda message: message[:2]))
        del shuffled[:size]
    return found


@bounded(25)
@given(seed=st.integers(0, 2**32 - 1), sizes=st.tuples(st.integers(1, 8), st.integers(1, 4), st.integers(0, 30), st.integers(0, 30)))
def test_shuffled_in_halves_and_twice_ends_in_the_same_rows(
    engine: Engine, make_server: MakeServer, seed: int, sizes: tuple[int, int, int, int]
) -> None:
    random = Random(seed)
    household = make_household(random, *sizes)
    expected = in_one_go(engine, make_server(), household).state()
    house = House(engine, make_server().id)
    messages = household.messages()
    random.shuffle(messages)
    halves = [sorted(half, key=lambda message: message[:2]) for half in (messages[::2], messages[1::2])]
    for half in random.sample([*halves, *halves], 4):
        groups = [list(group) for _, group in groupby(half, key=lambda message: message[:2])]
        for group in random.sample(groups, len(groups)):
            send(house, random.sample(group, len(group)))
    assert house.state() == expected


@bounded(10)
@given(seed=st.integers(0, 2**32 - 1))
def test_one_by_one_ends_in_the_same_rows(engine: Engine, make_server: MakeServer, seed: int) -> None:
    random = Random(seed)
    household = make_household(random, 3, 2, 4, 4)
    expected = in_one_go(engine, make_server(), household).state()
    house = House(engine, make_server().id)
    for message in random.sample(household.messages(), len(household.messages())):
        send(house, [message])
    assert house.state() == expected


def tell_from_a_process_of_its_own(url: str, server_id: int, household: Household, seed: int, largest: int) -> int:
    random = Random(seed)
    engine = working_engine(url)
    try:
        house = House(engine, server_id)
        everything = [chunk for _ in range(2) for chunk in chunks(household.messages(), random, largest)]
        for chunk in everything:
            send(house, chunk)
    finally:
        engine.dispose()
    return len(everything)


def tell_from_four_processes(url: str, server: Server, household: Household, seed: int, largest: int) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        telling = [pool.submit(tell_from_a_process_of_its_own, url, server.id, household, seed + one, largest) for one in range(4)]
        assert min(one.result() for one in telling) > 2


def test_four_processes_at_once_end_in_the_same_rows(engine: Engine, database_url: str, make_server: MakeServer) -> None:
    household = make_household(Random(4), n_titles=25, n_users=8, n_plays=80, n_signals=80)
    expected = in_one_go(engine, make_server(), household).state()
    server = make_server()
    tell_from_four_processes(database_url, server, household, seed=1, largest=120)
    assert House(engine, server.id).state() == expected


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(8))
def test_four_processes_at_once_for_long_end_in_the_same_rows(
    engine: Engine, database_url: str, make_server: MakeServer, seed: int
) -> None:
    household = make_household(Random(seed), n_titles=150, n_users=25, n_plays=1500, n_signals=1500)
    expected = in_one_go(engine, make_server(), household).state()
    server = make_server()
    tell_from_four_processes(database_url, server, household, seed=100 * seed, largest=90)
    assert House(engine, server.id).state() == expected


def until_waiting(engine: Engine, n_transactions: int) -> None:
    """Until so many wait for another to end."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    deadline = time.monotonic() + 10
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while connection.execute(text(sql)).scalar_one() < n_transactions:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_users_and_their_first_plays_sent_at_once_do_not_wait_for_each_other_forever(engine: Engine, house: House) -> None:
    house.users(user("ada"))
    is_held, release = threading.Event(), threading.Event()

    def hold_the_entry() -> None:
        with engine.begin() as connection:
            tell(connection, house.server_id, "plays", [play("zoe", "heat")])
            is_held.set()
            assert release.wait(10)

    with ThreadPoolExecutor(3) as pool:
        holding = pool.submit(hold_the_entry)
        assert is_held.wait(10)
        # Has made bob, and waits for the entry; will want ada.
        plays = pool.submit(house.plays, play("ada", "heat"), play("bob", "heat"))
        until_waiting(engine, 1)
        # Has ada, and wants bob; or waits for both.
        users = pool.submit(house.users, user("ada", is_disabled=True), user("bob"))
        until_waiting(engine, 2)
        release.set()
        for one in (holding, plays, users):
            one.result(timeout=10)
    house.items(film("heat"))
    assert [row["user_id"] for row in house.state()["engagement"]] == ["ada", "bob", "zoe"]


def test_two_plays_of_one_user_written_at_once_both_count(engine: Engine, house: House) -> None:
    house.items(film("heat"))
    house.users(user("ada"))
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            tell(connection, house.server_id, "plays", [play("ada", "heat", "first")])
            second = pool.submit(house.plays, play("ada", "heat", "second"))
            until_waiting(engine, 1)
        second.result(timeout=10)
    assert [row["n_plays"] for row in house.state()["engagement"]] == [2]
