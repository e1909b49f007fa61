"""kill -9 of the service while plays come in: none that was acknowledged is lost, none is doubled when all are sent again."""

import threading
import time
from pathlib import Path
from random import Random

import pytest

from app.db import Engine
from app.types import Server
from tests.db.household import House
from tests.soak.service import Told, films_and_plays, n_wrong_engagement, running, send_plays, stored_plays

N_SENDERS, N_PLAYS = 3, 900


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 21))])
def test_a_killed_service_loses_and_doubles_no_play(engine: Engine, database_url: str, server: Server, tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    items, users, plays = films_and_plays(N_PLAYS)
    house = House(engine, server.id)
    house.items(*items)
    house.users(*users)
    shares = [plays[first::N_SENDERS] for first in range(N_SENDERS)]
    told = [Told() for _ in shares]
    with running(database_url, tmp_path) as service, service.client() as client:
        senders = [
            threading.Thread(target=send_plays, args=(client, server.external_id, share, one, random.randint(2, 12), threading.Event()))
            for share, one in zip(shares, told, strict=True)
        ]
        for sender in senders:
            sender.start()
        enough = random.randrange(1, N_PLAYS * 2 // 3)
        while sum(len(one.acknowledged) for one in told) < enough:
            assert any(sender.is_alive() for sender in senders)
            time.sleep(0.001)
        service.process.kill()
        for sender in senders:
            sender.join(30)
    acknowledged = set().union(*(one.acknowledged for one in told))
    with engine.begin() as connection:
        stored = stored_plays(connection, server.id)
        assert n_wrong_engagement(connection, server.id) == 0
    assert len(stored) == len(set(stored))
    assert acknowledged <= set(stored)
    # What was under way may have been written without an answer; then whole.
    assert 0 < len(stored) < N_PLAYS
    house.plays(*plays)
    with engine.begin() as connection:
        assert sorted(stored_plays(connection, server.id)) == sorted(play["play_id"] for play in plays)
        assert n_wrong_engagement(connection, server.id) == 0
