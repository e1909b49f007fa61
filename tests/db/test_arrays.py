"""What goes wrong in a COPY is known for what it is, as in any other statement."""

import numpy as np
import pytest
from sqlalchemy import text

from app.db import DBAPIError, Engine, is_passing, is_too_slow
from app.db.arrays import read_array, write_array
from app.db.engine import working_engine

SLOW = "SELECT 1::bigint FROM pg_sleep(60)"


def test_a_copy_that_is_stopped_was_too_slow_and_its_connection_is_good(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("SET LOCAL statement_timeout = '10ms'"))
        with pytest.raises(DBAPIError) as found:
            read_array(connection, SLOW, {}, {"one": "i8"})
        assert is_too_slow(found.value)
        assert not found.value.connection_invalidated
        connection.rollback()
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_a_copy_that_waits_in_vain_may_succeed_in_a_moment(engine: Engine) -> None:
    with engine.begin() as holder:
        holder.execute(text("LOCK TABLE engagement"))
        with engine.connect() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '10ms'"))
            with pytest.raises(DBAPIError) as found:
                write_array(connection, "engagement", {"server_id": np.array([1])}, {"server_id": "i8"})
    assert is_passing(found.value)
    assert not is_too_slow(found.value)


def test_a_copy_whose_connection_is_cut_may_succeed_in_a_moment_on_another(database_url: str) -> None:
    own = working_engine(database_url, 1)
    with pytest.raises(DBAPIError) as found, own.begin() as connection:
        read_array(connection, "SELECT 1::bigint FROM pg_terminate_backend(pg_backend_pid())", {}, {"one": "i8"})
    assert found.value.connection_invalidated
    assert is_passing(found.value)
    with own.begin() as connection:
        assert read_array(connection, "SELECT 1::bigint", {}, {"one": "i8"})["one"].tolist() == [1]
    own.dispose()


def test_a_copy_that_never_can_is_not_tried_again(engine: Engine) -> None:
    with pytest.raises(DBAPIError) as found, engine.begin() as connection:
        write_array(connection, "no_such_table", {"secret": np.array([1])}, {"secret": "i8"})
    assert not is_passing(found.value)
