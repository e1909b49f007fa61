"""palate backup and restore: what comes back is what was saved, whole or not at all."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db import Engine, backup, spaces
from app.db.engine import working_engine
from app.db.scratch import scratch_database
from app.db.servers import put_server
from app.errors import AlreadyRunning, BadInput, DatabaseUnsuitable
from migrations.migrate import migrate
from tests.commands.conftest import Palate
from tests.db.household import House, film, play, user

Sums = dict[str, tuple[int, str]]


@pytest.fixture(scope="module")
def saved(postgres_url: str) -> Iterator[Engine]:
    """A small server with vectors, one space of which has a partition and an index of its own."""
    with scratch_database(postgres_url) as url:
        engine = working_engine(url)
        migrate(engine)
        plant(engine)
        yield engine
        engine.dispose()


@pytest.fixture
def other(empty_database_url: str) -> Iterator[Engine]:
    engine = working_engine(empty_database_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def target(postgres_url: str) -> Iterator[Engine]:
    """A migrated database that nothing changes."""
    with scratch_database(postgres_url) as url:
        engine = working_engine(url)
        migrate(engine)
        yield engine
        engine.dispose()


@pytest.fixture(scope="module")
def dump(saved: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("backups") / "monday.dump"
    saved.dispose()
    backup.back_up(saved, file, palate="0.1.0", revision="0009", made_at="2026-01-01T00:00:00+00:00")
    return file


def plant(engine: Engine) -> None:
    with engine.begin() as connection:
        server, _ = put_server(connection, "home", "Home", "api", {})
    house = House(engine, server.id)
    house.users(user("ana"), user("tom"))
    house.items(*(film(f"f{number}", overview="Ünïcode; 'quotes' \\ and\nlines") for number in range(30)))
    house.plays(*(play("ana", f"f{number}", played_seconds=60) for number in range(20)))
    with engine.begin() as connection:
        space = spaces.create_space(connection, server.id, "text", "model", "digest", 1, 8, spaces.OWN_PARTITION_FROM + 1)
        fill = (
            "INSERT INTO item_vectors (server_id, space_id, shelf, item_id, target)"
            " SELECT server_id, :space, :space, id, array_fill(1.0 / id, '{8}')::halfvec FROM items"
        )
        connection.execute(text(fill.replace("::", "\\:\\:")), {"space": space.id})
        spaces.index_space(connection, space)
        spaces.go_live(connection, space, datetime.now(UTC))


def sums(engine: Engine) -> Sums:
    """How many rows each table has, and a checksum over them in any order."""
    with engine.begin() as connection:
        names = connection.execute(
            text(
                "SELECT format('%I.%I', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
                " WHERE relkind = 'r' AND nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
            )
        ).scalars()
        sql = "SELECT count(*), coalesce(sum(hashtextextended(CAST(t AS text), 0)), 0) FROM {} t"
        found = {name: connection.execute(text(sql.format(name))).one() for name in names}
    return {name: (row[0], str(row[1])) for name, row in found.items()}


def test_what_comes_back_equals_what_was_saved(saved: Engine, other: Engine, palate: Palate, tmp_path: Path) -> None:
    file = tmp_path / "kept" / "monday.dump"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "secret-key").write_text("x")
    done = palate(saved, "backup", file)
    assert done.exit_code == 0, done.output
    assert "Not in the backup" in done.output
    assert str(tmp_path / "data" / "secret-key") in done.output
    assert sorted(path.name for path in file.parent.iterdir()) == ["monday.dump", "monday.dump.json"]
    assert file.stat().st_mode & 0o777 == 0o600
    done = palate(other, "restore", file)
    assert done.exit_code == 0, done.output
    before = sums(saved)
    assert sums(other) == before
    assert before["public.plays"][0] == 20
    with other.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%hnsw%'")).scalar_one() == 1
    # The next row gets an id of its own.
    with other.begin() as connection:
        server_id = connection.execute(text("SELECT id FROM servers")).scalar_one()
    assert House(other, server_id).users(user("zoe")).created == 1


def test_nothing_is_written_over(saved: Engine, dump: Path, palate: Palate) -> None:
    before = dump.read_bytes()
    done = palate(saved, "backup", dump)
    assert isinstance(done.exception, BadInput)
    assert dump.read_bytes() == before


def test_a_database_with_something_in_it_is_left_alone_unless_told(saved: Engine, other: Engine, dump: Path, palate: Palate) -> None:
    migrate(other)
    before = sums(other)
    other.dispose()
    assert isinstance(palate(other, "restore", dump).exception, BadInput)
    assert isinstance(palate(other, "restore", dump, "--replace").exception, BadInput)  # nobody to ask
    with other.connect():
        assert isinstance(palate(other, "restore", dump, "--replace", "--yes").exception, AlreadyRunning)
    other.dispose()
    assert sums(other) == before
    other.dispose()
    for _ in range(2):
        done = palate(other, "restore", dump, "--replace", "--yes")
        assert done.exit_code == 0, (done.output, done.exception)
        assert sums(other) == sums(saved)
        other.dispose()


def test_somebody_elses_tables_are_never_replaced(other: Engine, dump: Path, palate: Palate) -> None:
    with other.begin() as connection:
        connection.execute(text("CREATE TABLE invoices (a int)"))
    other.dispose()
    done = palate(other, "restore", dump, "--replace", "--yes")
    assert isinstance(done.exception, BadInput)
    assert set(sums(other)) == {"public.invoices"}


@pytest.mark.parametrize("damage", ["a byte", "half", "another file", "no list beside", "another list"])
def test_a_damaged_file_is_refused_and_nothing_changes(target: Engine, dump: Path, palate: Palate, tmp_path: Path, damage: str) -> None:
    before = sums(target)
    target.dispose()
    content, beside = bytearray(dump.read_bytes()), json.loads(backup.contents_file(dump).read_text())
    if damage == "a byte":
        content[len(content) // 2] ^= 1
    elif damage == "half":
        del content[len(content) // 2 :]
    elif damage == "another file":
        content[:] = b"PK not a dump at all"
    elif damage == "another list":
        beside["tables"] = {"plays; DROP TABLE plays": 1}
    file = tmp_path / "damaged.dump"
    file.write_bytes(content)
    if damage != "no list beside":
        backup.contents_file(file).write_text(json.dumps(beside))
    done = palate(target, "restore", file, "--replace", "--yes")
    assert isinstance(done.exception, BadInput)
    assert sums(target) == before


def test_a_backup_that_lacks_rows_is_taken_back_whole(target: Engine, dump: Path, tmp_path: Path) -> None:
    """The digest is right and the rows are not: found inside the transaction."""
    before = sums(target)
    contents = backup.read_contents(dump)
    target.dispose()
    for wrong in (
        backup.Contents(**(vars(contents) | {"tables": {**contents.tables, "public.plays": 21}})),
        backup.Contents(**(vars(contents) | {"n_indexes": contents.n_indexes + 1})),
    ):
        with pytest.raises(DatabaseUnsuitable, match="the backup says"):
            backup.restore(target, dump, wrong)
        assert sums(target) == before
        target.dispose()


def test_a_backup_of_a_newer_postgresql_or_palate_says_so(other: Engine, dump: Path, palate: Palate, tmp_path: Path) -> None:
    contents = backup.read_contents(dump)
    with pytest.raises(DatabaseUnsuitable, match="PostgreSQL 99"):
        backup.restore(other, dump, backup.Contents(**(vars(contents) | {"server_major": 99})))
    file = tmp_path / "newer.dump"
    file.write_bytes(dump.read_bytes())
    backup.contents_file(file).write_text(json.dumps(json.loads(backup.contents_file(dump).read_text()) | {"revision": "9999"}))
    assert "newer Palate" in str(palate(other, "restore", file).exception)


def test_no_file_bears_the_name_where_pg_dump_failed(saved: Engine, tmp_path: Path) -> None:
    with saved.begin() as connection:
        connection.execute(text("CREATE ROLE planted_reader LOGIN"))
    url = saved.url.set(username="planted_reader")
    engine = working_engine(url.render_as_string(hide_password=False))
    try:
        with pytest.raises(DatabaseUnsuitable, match="permission denied"):
            backup.back_up(engine, tmp_path / "x.dump", palate="", revision="", made_at="")
        assert list(tmp_path.iterdir()) == []
    finally:
        engine.dispose()
        with saved.begin() as connection:
            connection.execute(text("DROP ROLE planted_reader"))
