"""A private playlist for each user: right, kept up to date, and nothing touched that is somebody else's."""

import copy
from datetime import UTC, datetime

import pytest

from app.db import Engine
from app.errors import MediaServerRefused, NotConnected, PalateError, UnknownUser
from app.settings import Settings
from app.types import Server, unseen
from jobs.publish import Removed, remove
from jobs.steps import STEPS, Task
from tests.connect.fake_jellyfin.library import guid
from tests.connect.fake_jellyfin.playlists import FakePlaylist
from tests.jobs.sync.publishing import Home, of_12
from tests.planted import SECRET_KEY


def test_each_user_gets_what_they_are_recommended_in_that_order_and_nobody_else_sees_it(home: Home) -> None:
    assert (home.publish().n_made, len(home.fake.playlists.all)) == (3, 3)
    for user in home.users:
        made = home.list_of(user)
        assert made.item_ids == home.wanted(user)
        assert (made.name, made.is_public, made.media_type) == ("For you", False, "Video")
        assert not set(made.item_ids) & user.hidden
    assert guid(f"{guid('Series 0')} 0") in home.list_of(home.users[0]).item_ids


@of_12
def test_what_has_not_changed_takes_no_request_and_what_has_is_put_in_its_place(own_home: Home) -> None:
    own_home.publish()
    n_before = len(own_home.fake.asked)
    assert (own_home.publish().n_unchanged, len(own_home.fake.asked)) == (3, n_before)
    watched = next(one for one in own_home.list_of(own_home.users[0]).item_ids if own_home.fake.library.items[one].type == "Movie")
    own_home.watch(watched)
    others = [copy.deepcopy(own_home.list_of(user)) for user in own_home.users[1:]]
    done = own_home.publish()
    assert done.n_changed >= 1
    assert watched not in own_home.list_of(own_home.users[0]).item_ids
    assert [own_home.list_of(user).item_ids for user in own_home.users] == [own_home.wanted(user) for user in own_home.users]
    assert [own_home.list_of(user).id for user in own_home.users[1:]] == [other.id for other in others]


@of_12
def test_the_next_episode_follows_what_was_watched(own_home: Home) -> None:
    own_home.server.settings["in_progress"] = "open"
    own_home.publish()
    series = guid("Series 0")
    own_home.watch(guid(f"{series} 0"))
    own_home.publish()
    held = own_home.list_of(own_home.users[0]).item_ids
    assert guid(f"{series} 1") in held
    assert guid(f"{series} 0") not in held


@of_12
def test_what_somebody_puts_into_theirs_stays_there(home: Home) -> None:
    home.publish(n_items=2)
    made = home.list_of(home.users[0])
    own = next(key for key, item in home.fake.library.items.items() if item.type == "Episode" and key not in home.wanted(home.users[0]))
    home.fake.playlists.add(made, [own])
    home.publish(n_items=3)
    assert made.item_ids == [own, *home.wanted(home.users[0], 3)]
    done = home.remove()
    assert (done.n_deleted, done.kept, made.item_ids) == (2, [home.users[0].name], [own])


@of_12
def test_playlists_of_others_are_never_touched(own_home: Home) -> None:
    lists = own_home.fake.playlists
    before = [
        lists.make(own_home.mine, "For you"), lists.make(own_home.mine, "Mine"),
        lists.make(own_home.users[1].id, "For you", is_public=True), lists.make(own_home.users[2].id, "For you"),
    ]  # fmt: skip
    for one in before:
        lists.add(one, [guid("Movie 0")])
    before.append(lists.make(own_home.mine, "For you"))
    kept = copy.deepcopy(before)
    own_home.publish()
    own_home.watch(guid("Movie 1"))
    own_home.publish()
    assert len(lists.all) == len(before) + 3
    assert own_home.remove().n_deleted == 3
    assert list(lists.all.values()) == kept
    assert not set(lists.deleted) & {one.id for one in kept}


def deleted_renamed_and_made_anew(home: Home) -> list[FakePlaylist]:
    """What each of the three does with theirs. Returns what there is then."""
    lists, (first, second, third) = home.fake.playlists, map(home.list_of, home.users)
    del lists.all[first.id], lists.all[third.id]
    second.name = "Sunday"
    own = lists.make(home.users[2].id, "For you")
    # The name of the first one's folder is free again, and in another home it would be the third's.
    lists.all[third.id] = lists.all.pop(own.id)
    own.id = third.id
    lists.add(own, [guid(f"{guid('Series 0')} 2")])
    return copy.deepcopy([*lists.all.values()])


@of_12
def test_who_lets_theirs_go_gets_another_one_only_when_asked(home: Home) -> None:
    home.publish(n_items=2)
    before = deleted_renamed_and_made_anew(home)
    for limit in (3, 4):
        done = home.publish(n_items=limit)
        assert (sorted(done.let_go), done.n_made) == ([user.name for user in home.users], 0)
    assert home.remove() == Removed()
    assert list(home.fake.playlists.all.values()) == before
    assert home.publish(only=home.users[0].name, n_items=2).n_made == 1
    assert home.list_of(home.users[0]).item_ids == home.wanted(home.users[0], 2)
    assert home.remove().n_deleted == 1
    assert list(home.fake.playlists.all.values()) == before


@of_12
def test_what_is_no_longer_ours_is_not_deleted(home: Home) -> None:
    home.publish(n_items=2)
    before = deleted_renamed_and_made_anew(home)
    done = home.remove()
    assert (done.n_deleted, done.n_gone, home.fake.playlists.deleted) == (0, 3, [])
    assert list(home.fake.playlists.all.values()) == before


@of_12
def test_an_id_that_became_a_film_is_never_deleted(own_home: Home) -> None:
    own_home.publish()
    theirs = own_home.list_of(own_home.users[0])
    del own_home.fake.playlists.all[theirs.id]
    own_home.fake.library.items[theirs.id] = own_home.fake.library.items[guid("Movie 0")]
    own_home.remove()
    assert theirs.id in own_home.fake.library.items
    assert theirs.id not in own_home.fake.playlists.deleted


@of_12
def test_where_it_cannot_be_published_it_is_said_and_nothing_is_written(own_home: Home, server: Server, engine: Engine) -> None:
    with pytest.raises(UnknownUser, match="nobody"):
        own_home.publish(only="nobody")
    for name in ("", " ", "two\nlines", "x" * 101):
        with pytest.raises(PalateError, match="100 characters"):
            own_home.publish(name=name)
    with pytest.raises(NotConnected):
        remove(engine, Server(server.id, server.external_id, "Emby", "emby", {}), SECRET_KEY, None, unseen)
    known, own_home.fake.id = own_home.fake.id, "e" * 32
    with pytest.raises(MediaServerRefused, match="Another Jellyfin"):
        own_home.publish()
    assert own_home.n_writes() == 0
    own_home.fake.id = known
    # One user who is gone keeps nobody waiting.
    del own_home.fake.library.users[own_home.users[1].id]
    done = own_home.publish()
    assert (done.n_made, done.absent, done.failed) == (2, [own_home.users[1].name], {})


@of_12
def test_it_is_a_job_and_what_one_user_is_refused_keeps_nobody_waiting(home: Home, settings: Settings, engine: Engine) -> None:
    task = Task(engine, settings, home.server, None, True, datetime.now(UTC), unseen)
    # The first user's playlist is not made.
    home.fake.faults = {len(home.fake.asked) + 3: "403"}
    done = STEPS["publish"](task)
    assert (done["n_made"], done["n_failed"]) == (2, 1)
    done = STEPS["publish"](task)
    assert (done["n_made"], done["n_unchanged"]) == (1, 2)
