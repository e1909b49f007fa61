"""What is asked at once leaves its connection as it was, and what goes wrong is known for what it is."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from app.db import DBAPIError, Engine, is_passing, is_too_slow
from app.db.driver import ask_at_once
from app.db.engine import working_engine

ONE = text("SELECT :of % 10 AS last_digit")


@pytest.fixture
def single(database_url: str) -> Iterator[Engine]:
    """Of one connection, which is then the one that was left behind."""
    engine = working_engine(database_url, 1)
    yield engine
    engine.dispose()


def test_a_row_comes_without_a_transaction_and_the_next_has_one_again(single: Engine) -> None:
    with single.connect() as connection:
        for of in (17, 18):
            assert ask_at_once(connection, ONE, {"of": of}).last_digit == of % 10
        assert not connection.in_transaction()
    with single.connect() as connection:
        connection.execute(text("CREATE TABLE not_kept ()"))
        connection.rollback()
        assert connection.execute(text("SELECT to_regclass('not_kept')")).scalar_one() is None


def test_it_is_refused_inside_of_a_transaction_and_ends_none(single: Engine) -> None:
    with single.connect() as connection:
        connection.execute(text("CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT 1"))
        with pytest.raises(DBAPIError, match="autocommit"):
            ask_at_once(connection, ONE, {"of": 1})
        assert connection.execute(text("SELECT count(*) FROM kept")).scalar_one() == 1


def test_what_takes_too_long_is_stopped_and_its_connection_is_good(single: Engine) -> None:
    with single.connect() as connection:
        connection.execute(text("SET statement_timeout = '10ms'"))
        connection.commit()
        with pytest.raises(DBAPIError) as found:
            ask_at_once(connection, text("SELECT pg_sleep(60)"), {})
        assert is_too_slow(found.value)
        assert not found.value.connection_invalidated
        assert ask_at_once(connection, ONE, {"of": 5}).last_digit == 5


def test_a_connection_that_is_cut_is_not_used_again(single: Engine) -> None:
    with pytest.raises(DBAPIError) as found, single.connect() as connection:
        ask_at_once(connection, text("SELECT pg_terminate_backend(pg_backend_pid())"), {})
    assert found.value.connection_invalidated
    assert is_passing(found.value)
    with single.connect() as connection:
        assert ask_at_once(connection, ONE, {"of": 5}).last_digit == 5
