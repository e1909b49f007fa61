"""palate erase-user"""

from app.db import Engine
from app.errors import BadInput, UnknownServer, UnknownUser
from app.types import Server
from tests.commands.conftest import Palate
from tests.db.household import House, film, play, user


def test_a_user_is_erased_for_good_and_nobody_else_is(engine: Engine, server: Server, palate: Palate) -> None:
    house = House(engine, server.id)
    house.users(user("ada"), user("bo"))
    house.items(film("f"))
    house.plays(play("ada", "f"), play("bo", "f"))
    assert isinstance(palate(engine, "erase-user", "ada", "--server", server.external_id).exception, BadInput)
    assert house.engagement("ada", "f") is not None
    done = palate(engine, "erase-user", "ada", "--server", server.external_id, "--yes")
    assert done.exit_code == 0, done.output
    assert "1 plays" in done.output
    assert [row["user_id"] for row in house.state()["plays"]] == ["bo"]
    assert house.plays(play("ada", "f")).rejected
    assert isinstance(palate(engine, "erase-user", "ada", "--server", server.external_id, "--yes").exception, UnknownUser)
    assert isinstance(palate(engine, "erase-user", "ada", "--server", "nowhere", "--yes").exception, UnknownServer)
