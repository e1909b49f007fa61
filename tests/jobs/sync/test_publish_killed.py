"""Publishing that is killed anywhere and started again."""

import contextlib

import pytest

from app.errors import PalateError
from tests.connect.fake_jellyfin.library import guid
from tests.jobs.sync.publishing import Home, of_12


@pytest.mark.parametrize(("major", "fault"), [(10, "dies"), (12, "truncated")])
def test_killed_at_any_request_and_started_again_each_has_one_playlist(home: Home, fault: str) -> None:
    """Truncated: it did what it was asked, and the answer was lost."""
    own = home.fake.playlists.make(home.mine, "For you")
    n_requests, before = 999, 0
    while before < n_requests:
        start = len(home.fake.asked)
        if fault == "dies":
            home.fake.dies_at = start + before
        else:
            home.fake.faults = {start + before: "truncated"}
        try:
            home.publish(only=home.mine)
            n_requests = len(home.fake.asked) - start
        except PalateError:
            pass
        home.fake.dies_at, home.fake.faults = None, {}
        home.publish(only=home.mine)
        [made] = [one for one in home.fake.playlists.of(home.mine) if one is not own]
        assert made.item_ids == home.wanted(home.users[0])
        assert home.remove().n_deleted == 1
        before += 1
    assert n_requests == 6
    assert home.fake.playlists.of(home.mine) == [own]
    assert own.item_ids == []


@pytest.mark.parametrize(("major", "fault"), [(10, "dies"), (12, "truncated")])
def test_killed_at_any_request_of_a_change_it_ends_in_what_is_recommended(home: Home, fault: str) -> None:
    own = guid(f"{guid('Series 0')} 2")
    for number in range(7):
        home.publish(only=home.mine, n_items=2 + number % 2)
        if number == 0:
            home.fake.playlists.add(home.list_of(home.users[0]), [own])
        start = len(home.fake.asked) + number
        if fault == "dies":
            home.fake.dies_at = start
        else:
            home.fake.faults = {start: "truncated"}
        n_items = 4 + number % 2
        with contextlib.suppress(PalateError):
            home.publish(only=home.mine, n_items=n_items)
        home.fake.dies_at, home.fake.faults = None, {}
        home.publish(only=home.mine, n_items=n_items)
        assert home.list_of(home.users[0]).item_ids == [own, *home.wanted(home.users[0], n_items)]


@of_12
def test_killed_before_its_id_was_written_it_is_taken_back_too(home: Home) -> None:
    made_at = len(home.fake.asked) + 4
    home.fake.faults = {made_at: "truncated"}
    with pytest.raises(PalateError):
        home.publish(only=home.mine)
    assert home.fake.asked[made_at].method == "POST"
    assert len(home.fake.playlists.all) == 1
    assert (home.remove().n_deleted, home.fake.playlists.all) == (1, {})
