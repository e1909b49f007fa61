"""Users that the media server no longer has: answered nothing, never erased, and here again when they are back."""

import pytest

from app.connect.bodies import USERS
from app.db.ingest import ingest_users
from app.errors import UserDisabled
from tests.connect.fake_jellyfin.library import guid
from tests.jobs.sync.conftest import EVENING, FILM, SERIES, House
from tests.jobs.sync.rows import rows


def disabled(house: House) -> set[str]:
    return {row.external_id for row in rows(house.engine, house.server, "users", is_disabled=True)}


def test_who_was_removed_is_disabled_and_back_again_is_asked_about_anew(house: House) -> None:
    house.library.users[house.ben].policy = {"MaxParentalRating": 13}
    house.library.watch(house.ben, FILM, EVENING)
    house.sync()
    gone = house.library.users.pop(house.ben)
    house.sync()
    assert disabled(house) == {house.ben}
    with pytest.raises(UserDisabled):
        house.shown(house.ben)
    assert [row.n_plays for row in rows(house.engine, house.server, "engagement", user=house.ben)] == [1]
    house.library.users[house.ben] = gone
    gone.hidden = {SERIES}
    house.sync()
    assert disabled(house) == set()
    assert house.shown(house.ben) & {SERIES, guid("Series 1")} == {guid("Series 1")}


def test_nobody_is_disabled_by_a_list_of_users_that_may_be_half(house: House) -> None:
    house.sync()
    everybody = dict(house.library.users)
    for left in ([house.ben], []):
        house.library.users.clear()
        house.library.users.update({user: everybody[user] for user in left})
        house.sync()
        assert disabled(house) == set()
    house.library.users.update(everybody)
    house.fake.faults[len(house.fake.asked) + 2] = "truncated"
    house.sync()
    assert disabled(house) == set()


def test_who_came_by_another_door_is_not_disabled(house: House) -> None:
    with house.engine.begin() as connection:
        ingest_users(connection, house.server.id, USERS.read([{"user_id": "planted", "name": "Planted"}])[0])
    house.sync()
    assert disabled(house) == set()
