"""palate doctor: each fault that is planted is found, with what to do about it."""

import json
import shlex
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.commands.doctor import examine
from app.commands.doctor_database import Finding, disk, examine_database
from app.db import Engine, models, spaces
from app.db.bench import item_ids_of
from app.db.engine import working_engine
from app.db.looks import note_look
from app.db.queue import ask_for
from app.db.scratch import scratch_database
from app.db.servers import put_server
from app.settings import Settings
from app.types import Fault, Server
from migrations.migrate import migrate
from tests.commands.conftest import Palate
from tests.db.household import House, film, play, user
from tests.db.trained import trained

Sql = Callable[[str], None]


def real_now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def own(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A database of this file's own: what is wrong in it is felt by everybody."""
    with scratch_database(postgres_url) as url:
        engine = working_engine(url)
        migrate(engine)
        yield engine
        engine.dispose()


@pytest.fixture
def settings(own: Engine, tmp_path: Path) -> Settings:
    url = own.url.render_as_string(hide_password=False)
    return Settings(_env_file=None, database_url=SecretStr(url), data_dir=tmp_path, port=9)


@pytest.fixture
def run_sql(own: Engine) -> Sql:
    def run(sql: str) -> None:
        with own.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(sql))

    return run


@pytest.fixture
def home(own: Engine) -> Iterator[Server]:
    """Where a worker works."""
    with own.begin() as connection:
        server, _ = put_server(connection, "home", "Home", "api", {})
        for name in ("clock", "servers"):
            note_look(connection, name)
            connection.execute(text("INSERT INTO procrastinate.procrastinate_workers DEFAULT VALUES"))
    yield server
    with own.begin() as connection:
        connection.execute(text("TRUNCATE servers CASCADE"))
        tables = "items, entries, users, plays, engagement, item_vectors, tastes, jobs, looks, procrastinate.procrastinate_workers"
        connection.execute(text(f"TRUNCATE {tables} CASCADE"))


def faults(own: Engine, settings: Settings, now: Callable[[], datetime] = real_now) -> list[Finding]:
    return [one for one in examine_database(own, settings, now) if one.remedy is not None]


def test_nothing_is_wrong_with_a_fresh_database(own: Engine, settings: Settings) -> None:
    found = list(examine(settings, real_now))
    assert [one for one in found if one.remedy is not None] == []
    assert {one.check for one in found} == {
        "versions", "data folder", "keys", "text model", "port", "database", "schema", "clock", "disk", "indexes", "bloat", "spaces",
        "vectors", "tastes", "models", "worker", "queue",
    }  # fmt: skip


def test_a_database_that_is_not_there_is_a_fault_and_the_rest_is_still_looked_at(settings: Settings) -> None:
    away = settings.model_copy(update={"database_url": SecretStr("postgresql://palate:planted-password@127.0.0.1:1/palate")})
    found = list(examine(away, real_now))
    assert [one.check for one in found if one.remedy] == ["database"]
    assert "planted-password" not in str(found)
    assert "text model" in {one.check for one in found}


def test_an_old_schema_is_found(empty_database_url: str, settings: Settings) -> None:
    engine = working_engine(empty_database_url)
    assert [one.remedy for one in faults(engine, settings)] == ["palate migrate"]
    engine.dispose()


def run_remedy(palate: Palate, own: Engine, found: Finding) -> str:
    """As it stands, pasted."""
    assert found.remedy is not None
    command, *words = shlex.split(found.remedy)
    assert command == "palate"
    return palate(own, *words).output


def test_an_index_that_is_not_valid_is_found_and_the_remedy_mends_it(own: Engine, settings: Settings, run_sql: Sql, palate: Palate) -> None:
    run_sql("CREATE TABLE twice AS SELECT 1 AS a FROM generate_series(1, 2)")
    try:
        with pytest.raises(Exception, match="duplicate"):
            run_sql("CREATE UNIQUE INDEX CONCURRENTLY twice_a ON twice (a)")
        [found] = faults(own, settings)
        assert "REINDEX INDEX CONCURRENTLY twice_a" in found.detail
        assert "not mended: REINDEX INDEX CONCURRENTLY twice_a: could not create unique index" in run_remedy(palate, own, found)
        run_sql("DELETE FROM twice WHERE ctid = (SELECT min(ctid) FROM twice)")
        run_sql("DROP INDEX IF EXISTS twice_a_ccnew")
        assert "\nmended: REINDEX INDEX CONCURRENTLY twice_a\n" in "\n" + run_remedy(palate, own, found)
        assert faults(own, settings) == []
    finally:
        run_sql("DROP TABLE twice")


def test_a_large_space_without_its_index_is_found_and_the_remedy_mends_it(
    own: Engine, settings: Settings, home: Server, run_sql: Sql, palate: Palate
) -> None:
    with own.begin() as connection:
        space = spaces.create_space(connection, home.id, "text", "model", "digest", 1, 384, spaces.OWN_PARTITION_FROM + 1)
        spaces.index_space(connection, space)
        spaces.go_live(connection, space, real_now())
    assert faults(own, settings) == []
    run_sql(f"DROP INDEX vectors.shelf_{space.id}_hnsw")
    [found] = faults(own, settings)
    run_remedy(palate, own, found)
    assert faults(own, settings) == []


def test_a_title_without_a_vector_and_an_old_taste_are_found(own: Engine, settings: Settings, home: Server) -> None:
    house = House(own, home.id)
    house.users(user("ana"))
    house.items(film("f1"))
    with own.begin() as connection:
        space = spaces.create_space(connection, home.id, "text", "model", "digest", 1, 384, 1)
        spaces.go_live(connection, space, real_now())
    assert [(one.check, one.remedy) for one in faults(own, settings)] == [("vectors", "palate embed --server home")]
    house.plays(play("ana", "f1"))
    assert [(one.check, one.remedy) for one in faults(own, settings)][1:] == [("tastes", "palate embed --server home")]


def learned(own: Engine, home: Server, *names: str) -> None:
    """A live space of behaviour in which these have vectors."""
    with own.begin() as connection:
        ids = item_ids_of(connection, home.id)
        space = spaces.create_space(connection, home.id, "collab", "next-item", "digest", 1, 8, 1)
        vectors, kept = np.ones((len(names), 8), dtype=np.float32), np.array([ids[name] for name in names])
        spaces.write_learned_vectors(connection, space, kept, vectors, vectors, np.zeros(len(names), dtype=np.bool_))
        spaces.go_live(connection, space, real_now())


def test_a_title_that_came_after_the_learning_is_no_fault_of_it_and_one_that_was_lost_is(
    own: Engine, settings: Settings, home: Server
) -> None:
    house = House(own, home.id)
    house.items(*(film(f"f{number}") for number in range(4)))
    learned(own, home, "f0", "f1", "f2", "f3")
    house.items(film("new"))
    assert faults(own, settings) == []
    with own.begin() as connection:
        connection.execute(text("DELETE FROM item_vectors WHERE item_id = :id"), {"id": item_ids_of(connection, home.id)["f1"]})
    [found] = faults(own, settings)
    assert (found.check, found.remedy) == ("vectors", "palate learn --server home")
    assert "1 of 4 titles" in found.detail
    with own.begin() as connection:
        connection.execute(text("DELETE FROM item_vectors"))
    assert "5 of 5 titles" in faults(own, settings)[0].detail


def test_titles_without_any_text_space_are_found_after_a_day(own: Engine, settings: Settings, home: Server, run_sql: Sql) -> None:
    House(own, home.id).items(film("f1"))
    assert faults(own, settings) == []
    run_sql("UPDATE servers SET created_at = now() - interval '25 hours'")
    assert [(one.check, one.remedy) for one in faults(own, settings)] == [("spaces", "palate embed --server home")]
    with own.begin() as connection:
        spaces.create_space(connection, home.id, "text", "model", "digest", 1, 384, 1)
    assert faults(own, settings) == []
    run_sql("UPDATE spaces SET created_at = now() - interval '25 hours'")
    assert [one.check for one in faults(own, settings)] == ["spaces"]


@pytest.mark.parametrize("fault", get_args(Fault))
def test_a_text_space_that_serves_and_is_damaged_is_found(own: Engine, settings: Settings, home: Server, fault: Fault) -> None:
    with own.begin() as connection:
        space = spaces.create_space(connection, home.id, "text", "model", "digest", 1, 384, 1)
        spaces.go_live(connection, space, real_now(), fault=fault)
    [found] = faults(own, settings)
    assert (found.check, fault in found.detail, found.remedy) == ("spaces", True, "palate embed --server home")


def test_a_worker_that_is_gone_or_does_not_look_is_found(
    own: Engine, settings: Settings, home: Server, run_sql: Sql, palate: Palate
) -> None:
    assert palate(own, "doctor", "--only", "worker").exit_code == 0
    run_sql("UPDATE looks SET looked_at = now() - interval '1 hour' WHERE name = 'servers'")
    [found] = faults(own, settings)
    assert (found.check, "for 60 minutes" in found.detail) == ("worker", True)
    run_sql("UPDATE procrastinate.procrastinate_workers SET last_heartbeat = now() - interval '1 minute'")
    [found] = faults(own, settings)
    assert (found.check, found.remedy) == ("worker", "palate worker")
    done = palate(own, "doctor", "--only", "worker")
    assert (done.exit_code, "vectors" in done.output, "FAULT  worker" in done.output) == (1, False, True)
    assert home.external_id == "home"


def test_what_there_is_not_to_look_at_is_a_usage_error(own: Engine, palate: Palate) -> None:
    done = palate(own, "doctor", "--only", "everything")
    assert (done.exit_code, "worker" in done.output) == (2, True)


def test_a_live_model_that_cannot_be_loaded_is_found(own: Engine, settings: Settings, home: Server) -> None:
    with own.begin() as connection:
        models.promote(connection, home.id, trained(connection, home, b"no ranker at all"), None, real_now())
    [found] = faults(own, settings)
    assert found.remedy == "palate models rollback --server home"


def test_dead_rows_are_found_and_gone_after_the_remedy(own: Engine, settings: Settings, run_sql: Sql, palate: Palate) -> None:
    run_sql("CREATE TABLE full_of_dead WITH (autovacuum_enabled = false) AS SELECT n FROM generate_series(1, 30000) AS n")
    try:
        run_sql("UPDATE full_of_dead SET n = n + 1")
        run_sql("SELECT pg_stat_force_next_flush()")
        [found] = faults(own, settings)
        assert (found.check, "full_of_dead" in found.detail) == ("bloat", True)
        run_remedy(palate, own, found)
        assert faults(own, settings) == []
    finally:
        run_sql("DROP TABLE full_of_dead")


def test_a_clock_that_is_wrong_is_found(own: Engine, settings: Settings) -> None:
    [found] = faults(own, settings, lambda: datetime.now(UTC) - timedelta(seconds=40))
    assert (found.check, "ntp" in (found.remedy or "")) == ("clock", True)


def test_too_little_room_for_a_large_database_is_found(settings: Settings) -> None:
    embedded = settings.model_copy(update={"database_url": None})
    assert disk(embedded, 10**9).remedy is None
    assert "Free" in (disk(embedded, 10**18).remedy or "")


def test_a_key_that_others_may_read_is_found(settings: Settings) -> None:
    file = settings.data_dir / "admin-key"
    file.write_text("a key")
    file.chmod(0o644)
    assert [one.remedy for one in examine(settings, real_now) if one.remedy] == [f"chmod 600 {file}"]
    file.chmod(0o600)
    assert [one for one in examine(settings, real_now) if one.remedy] == []


def test_the_command_ends_in_1_and_writes_what_it_found(
    own: Engine, palate: Palate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert palate(own, "doctor").exit_code == 0
    monkeypatch.setenv("PALATE_EMBEDDING_MODEL", str(tmp_path / "no-model"))
    done = palate(own, "doctor", "--json", tmp_path / "found.json")
    assert done.exit_code == 1
    assert "FAULT  text model" in done.output
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["n_faults"] == 1
    assert [one["check"] for one in found["findings"] if one["remedy"]] == ["text model"]


def test_a_job_that_nobody_does_is_found(own: Engine, settings: Settings, home: Server) -> None:
    with own.begin() as connection:
        ask_for(connection, "prune", home, None, real_now() - timedelta(hours=7))
    [found] = faults(own, settings)
    assert (found.check, found.remedy) == ("queue", "palate worker")
    assert "for 7 hours" in found.detail
