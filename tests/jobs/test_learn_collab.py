"""A collab space from the first play to the answer: learned, live, fresh, explained, and nobody's who did not agree."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from app.db import Engine, events, spaces
from app.db.servers import find_user_id
from app.db.tastes import write_statistics
from app.errors import NotEnoughMemory, NothingToLearn
from app.learn.next_item import bytes_needed
from app.recommend.context import find_context
from app.types import Server, Slate, unseen
from jobs.learn_collab import learn_collab
from jobs.memory import fitting, free_bytes
from jobs.refresh_tastes import refresh_tastes
from jobs.watched import watched_in
from tests.db.household import episode, play, series
from tests.jobs.town import N_FILMS, Town


@pytest.fixture
def town(engine: Engine, server: Server, now: datetime) -> Town:
    return Town(engine, server, now)


def n_even(names: list[str]) -> int:
    return sum(int(name[1:]) % 2 == 0 for name in names)


def sides_apart(slate: Slate, liked: int) -> bool:
    """Whether the nearest of what was learned are of the liked side: films that nobody watched together are no nearer than by chance."""
    near = sorted(slate.items, key=lambda item: -(item.candidate.collab or 0.0))[:6]
    return all(int(item.candidate.external_id[1:]) % 2 == liked for item in near)


def test_who_watched_one_film_of_a_kind_gets_the_others(town: Town) -> None:
    for number in (0, 2, 4, 6):
        town.watch("new", f"f{number}", 9 - number)
    before = n_even(town.names("new"))
    assert town.learn().went_live
    slate = town.ask("new")
    # The household has its say too, beside a space learned from so little.
    assert n_even([item.candidate.external_id for item in slate.items]) > before
    assert sides_apart(town.ask("new", 40), liked=0)
    assert slate.source == "personal"
    assert {"collab"} <= set(slate.items[0].sources)
    # No text here: reasons are made of what was watched with it.
    assert {reason.item_id for reason in slate.items[0].candidate.based_on} <= {"f0", "f2", "f4", "f6"}
    assert slate.items[0].reason.startswith("Because you watched Film f")


def test_a_play_changes_the_next_answer_as_the_job_would(town: Town, engine: Engine) -> None:
    town.learn()
    before = n_even(town.names("new"))
    for number in (1, 3, 5, 7):
        town.watch("new", f"f{number}", 8 - number)
    with engine.begin() as connection:
        # What the household likes is counted by the minute, not by the play.
        write_statistics(connection, town.server.id)
    at_once = town.ask("new")
    refresh_tastes(engine, town.server.id, town.now, unseen)
    later = town.ask("new")
    assert n_even([item.candidate.external_id for item in at_once.items]) < before
    assert sides_apart(town.ask("new", 40), liked=1)
    assert [item.candidate.item_id for item in at_once.items] == [item.candidate.item_id for item in later.items]
    np.testing.assert_allclose([item.score for item in at_once.items], [item.score for item in later.items], atol=2e-3)


def test_a_bounce_is_no_event_and_who_opted_out_is_not_read(town: Town, engine: Engine) -> None:
    town.watch("new", "f39", 100, percent=2)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE users SET is_opted_out = true WHERE server_id = :id AND external_id = 'u3'"), {"id": town.server.id}
        )
        rows = events.read_engagement(connection, town.server.id)
        names = {row.id: row.external_id for row in connection.execute(text("SELECT id, external_id FROM users"))}
    seen = watched_in(rows).events
    here = [names[user_id] for user_id in np.unique(rows["user_id"]).tolist()]
    assert "u3" not in here
    assert seen.weights[seen.users == here.index("new")].tolist() == [0]


def test_a_series_stands_where_it_was_begun_and_a_film_where_it_was_watched_last(town: Town, engine: Engine) -> None:
    town.house.tell("items", [series("s"), *(episode(f"e{number}", "s", number) for number in (1, 2, 3))])
    for what, days_ago in (("f1", 50), ("e1", 40), ("f2", 30), ("e2", 20), ("f3", 15), ("e3", 10)):
        town.watch("new", what, days_ago)
    town.house.tell("plays", [play("new", "f1", "again", started_at=(town.now - timedelta(days=5)).isoformat(), percent=100)])
    with engine.begin() as connection:
        rows = events.read_engagement(connection, town.server.id)
        rows = rows[rows["user_id"] == find_user_id(connection, town.server.id, "new")]
        names = {row.id: row.name for row in connection.execute(text("SELECT id, name FROM items"))}
    assert places(rows, names) == ["Series s", "Film f2", "Film f3", "Film f1"]
    # What was begun before that moment, by what was known then; what was not, behind it.
    assert places(rows, names, town.now - timedelta(days=25)) == ["Film f1", "Series s", "Film f2", "Film f3"]


def places(rows: Any, names: dict[int, str], as_of: datetime | None = None) -> list[str]:
    """What one user watched, oldest first."""
    watched = watched_in(rows) if as_of is None else watched_in(rows, as_of=as_of.timestamp())
    return [names[item_id] for item_id in watched.item_ids[watched.events.items].tolist()]


def test_a_new_revision_takes_the_place_of_the_old_and_a_play_between_is_kept(town: Town, engine: Engine) -> None:
    first = town.learn()
    town.watch("new", "f4", 1)
    second = town.learn()
    assert second.space_id != first.space_id
    assert second.n_events == first.n_events + 1
    with engine.begin() as connection:
        live = spaces.live_space(connection, town.server.id, "collab")
    assert live is not None
    assert live.id == second.space_id


def test_what_was_begun_and_killed_is_put_aside(town: Town, engine: Engine) -> None:
    with engine.begin() as connection:
        left = spaces.create_space(connection, town.server.id, "collab", "next-item", "half", 1, 8, N_FILMS)
    done = town.learn()
    with engine.begin() as connection:
        found = connection.execute(text("SELECT id FROM spaces WHERE server_id = :id"), {"id": town.server.id}).scalars().all()
    assert done.space_id in found
    assert left.id not in found


def test_little_memory_leaves_the_solve_to_the_most_watched(town: Town, engine: Engine) -> None:
    with engine.begin() as connection:
        seen = watched_in(events.read_engagement(connection, town.server.id)).events
    fewer = fitting(seen, bytes_needed(7))
    counts = np.bincount(seen.items, minlength=seen.n_items)
    chosen = np.unique(fewer.items[fewer.weights > 0])
    assert len(chosen) == 7
    assert counts[chosen].min() >= np.sort(counts)[-7]
    assert town.learn(memory_bytes=bytes_needed(25)).n_items == 25


def test_too_little_memory_is_said_before_anything_is_done(town: Town) -> None:
    first = town.learn()
    with pytest.raises(NotEnoughMemory, match=r"40 watched titles takes 0\.0 MB"):
        town.learn(memory_bytes=bytes_needed(3))
    with town.engine.begin() as connection:
        live = spaces.live_space(connection, town.server.id, "collab")
    assert live is not None
    assert live.id == first.space_id


@pytest.mark.parametrize(("limit", "expected"), [("max", None), ("3000000", 3_000_000 - 900_000 + 100_000), ("1000", 0)])
def test_a_container_has_what_its_limit_leaves(tmp_path: Path, limit: str, expected: int | None) -> None:
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 100000\n")
    assert free_bytes(tmp_path) == (expected if expected is not None else pytest.approx(free_bytes(tmp_path / "none"), rel=0.2))


def test_a_server_that_watched_nothing_has_nothing_to_learn(engine: Engine, make_server: Callable[..., Server], now: datetime) -> None:
    with pytest.raises(NothingToLearn):
        learn_collab(engine, make_server(), now, unseen)


def test_the_streamystats_preset_is_answered_from_text_alone(engine: Engine, make_server: Callable[..., Server], now: datetime) -> None:
    town = Town(engine, make_server(preset="streamystats"), now)
    town.learn()
    with engine.begin() as connection:
        write_statistics(connection, town.server.id)
        context = find_context(connection, town.server, "u0", None, now)
    assert "collab" not in context.kinds
    assert all("collab" not in item.sources for item in town.ask("u0").items)
