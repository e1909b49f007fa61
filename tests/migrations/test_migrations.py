"""The schema that migrations make is the one that the tables say, and can be taken back."""

from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, text

from app.db import Engine
from app.db.embedded import find_binaries
from app.db.engine import working_engine
from app.db.servers import put_server
from app.db.tables import PARTITION_SCHEMA, metadata
from migrations.migrate import alembic_config, current_revision, migrate, newest_revision
from tests.db.household import House, day, episode, film, play, series, signal, user


@pytest.fixture
def empty(empty_database_url: str) -> Engine:
    return working_engine(empty_database_url)


def dump(engine: Engine) -> str:
    """The schema as pg_dump writes it, without what differs each time."""
    import subprocess

    url = engine.url
    command_line = [find_binaries() / "pg_dump", "-s", "-h", url.query["host"], "-U", str(url.username), str(url.database)]
    schema = subprocess.run(command_line, check=True, capture_output=True, text=True).stdout
    return "\n".join(line for line in schema.splitlines() if not line.startswith(("\\restrict", "\\unrestrict", "--")))


def test_up_down_and_up_again_leave_the_same_schema(empty: Engine) -> None:
    migrate(empty)
    first = dump(empty)
    assert PARTITION_SCHEMA in first
    migrate(empty, "base")
    assert "CREATE TABLE public.items" not in dump(empty)
    migrate(empty)
    assert dump(empty) == first
    assert current_revision(empty) == newest_revision()
    empty.dispose()


def test_the_tables_equal_the_migrated_schema(empty: Engine) -> None:
    migrate(empty)
    config = alembic_config()
    with empty.connect() as connection:
        config.attributes["connection"] = connection
        command.check(config)  # raises where autogenerate would add anything
    empty.dispose()


def test_the_checks_of_the_tables_are_in_the_schema(empty: Engine) -> None:
    migrate(empty)
    schema = dump(empty)
    checks = [(table, column, check) for table in metadata.sorted_tables for column in table.columns for check in column.constraints]
    checks = [(table.name, column.name) for table, column, check in checks if isinstance(check, CheckConstraint)]
    assert checks
    assert [one for one in checks if f"CONSTRAINT {one[0]}_{one[1]}_check CHECK" not in schema] == []
    empty.dispose()


def test_what_was_there_before_is_told_when_it_was_begun(empty: Engine) -> None:
    migrate(empty)
    with empty.begin() as connection:
        server, _ = put_server(connection, "home", "Home", "api", {})
    house = House(empty, server.id)
    house.users(user("ada"))
    house.items(film("heat"), film("ronin"), series("s"), episode("e1", "s", 1), episode("e2", "s", 2))
    house.plays(play("ada", "e1", started_at=day(1), order=5), play("ada", "e2", started_at=day(3), order=2))
    house.plays(play("ada", "heat", started_at=day(2)), play("ada", "heat", "again", started_at=day(8)))
    house.signals(signal("ada", "ronin", "rating", 8, at=day(4)))
    before = house.state()["engagement"]
    assert sum(row["first_at"] is not None for row in before) == 3
    migrate(empty, "0006")
    with empty.begin() as connection:
        connection.execute(text("UPDATE engagement SET first_at = NULL, first_order = NULL"))
    migrate(empty)
    assert house.state()["engagement"] == before
    empty.dispose()


def test_every_migration_gives_up_on_a_lock_it_cannot_get() -> None:
    for script in ScriptDirectory.from_config(alembic_config()).walk_revisions():
        source = Path(script.path).read_text(encoding="utf-8")
        assert source.count("SET LOCAL lock_timeout") == 2
