"""The made-up Jellyfin is one: it keeps to the official descriptions, with the traps of both versions."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import httpx
import pytest

from tests.connect.fake_jellyfin.description import FILES, description, folder
from tests.connect.fake_jellyfin.library import EPOCH, FakeLibrary, generated
from tests.connect.fake_jellyfin.server import KEY, FakeJellyfin
from tests.planted import planted

HEADERS = {"Authorization": f'MediaBrowser Client="Test", Token="{KEY}"'}
SINGLE = {"collapseBoxSetItems": "false"}
FILMS = SINGLE | {"recursive": "true", "includeItemTypes": "Movie", "sortBy": "DateCreated,SortName", "sortOrder": "Ascending"}


def get(fake: FakeJellyfin, path: str, headers: dict[str, str] = HEADERS, **query: Any) -> httpx.Response:
    # Without certificates, as to read them takes longer than all else.
    return httpx.get(fake.url + path, params=query, headers=headers, verify=False)


def ids_of(answer: httpx.Response) -> list[str]:
    return [item["Id"] for item in answer.json()["Items"]]


@pytest.mark.parametrize("version", FILES.values())
def test_the_official_descriptions_are_at_hand(version: str) -> None:
    if not (folder() / version).is_file():
        pytest.skip(f"{version} is not in {folder()}: conformity is not checked. PALATE_OPENAPI_DIR names another folder.")


@pytest.fixture
def described(major: Literal[10, 12]) -> None:
    if description(major) is None:
        pytest.skip("The official description is not at hand.")


@pytest.mark.usefixtures("described")
@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ({"years": "many"}, "years"),
        ({"includeItemTypes": "Film"}, "includeItemTypes"),
        ({"planted": "1"}, "no parameter planted"),
        ({"minPremiereDate": "yesterday"}, "minPremiereDate"),
    ],
)
def test_a_question_that_the_description_does_not_know_is_a_complaint(jellyfin: FakeJellyfin, query: dict[str, str], fault: str) -> None:
    get(jellyfin, "/Items", **query)
    [complaint] = jellyfin.complaints
    assert fault in complaint
    jellyfin.complaints.clear()


@pytest.mark.usefixtures("described")
@pytest.mark.parametrize("change", [{"overview": 5}, {"year": "1999"}, {"official_rating": ["R"]}, {"genres": None, "tags": [1]}])
def test_an_answer_that_the_description_does_not_know_is_a_complaint(jellyfin: FakeJellyfin, change: dict[str, Any]) -> None:
    jellyfin.library.change(next(iter(jellyfin.library.items)), EPOCH, **change)
    get(jellyfin, "/Items", fields="Tags,Overview")
    assert jellyfin.complaints
    jellyfin.complaints.clear()


def test_the_older_ways_to_say_the_token_are_off_in_12(jellyfin: FakeJellyfin, major: int) -> None:
    older = [({"X-Emby-Token": KEY}, {}), ({"Authorization": f'Emby Token="{KEY}"'}, {}), ({}, {"api_key": KEY})]
    assert {get(jellyfin, "/System/Info", headers, **query).status_code for headers, query in older} == {200 if major == 10 else 401}
    assert get(jellyfin, "/System/Info").status_code == get(jellyfin, "/System/Info", {}, ApiKey=KEY).status_code == 200
    assert get(jellyfin, "/System/Info", {}).status_code == 401


def test_a_key_is_nobody(jellyfin: FakeJellyfin) -> None:
    assert (get(jellyfin, "/Users/Me").status_code, get(jellyfin, "/UserViews").status_code) == (400, 400)
    user = next(iter(jellyfin.library.users))
    token = planted("hers")
    hers = {"Authorization": f'MediaBrowser Token="{token}"'}
    jellyfin.user_tokens[token] = user
    assert get(jellyfin, "/Users/Me", hers).json()["Id"] == user
    assert get(jellyfin, "/UserViews", userId=user).json()["TotalRecordCount"] == 3
    # An administrator may ask what a key may, and sees less.
    film = next(iter(jellyfin.library.items))
    jellyfin.library.users[user].hidden = {film}
    assert get(jellyfin, "/Users", hers).status_code == 200
    assert film not in ids_of(get(jellyfin, "/Items", hers, **FILMS))
    jellyfin.library.users[user].policy = {}
    assert get(jellyfin, "/Users", hers).status_code == 403


def test_10_hides_what_a_user_may_not_see_after_it_cut_the_page(jellyfin: FakeJellyfin, major: int) -> None:
    child = list(jellyfin.library.users.values())[-1]
    asked = FILMS | {"userId": child.id, "limit": "6"}
    pages = [get(jellyfin, "/Items", **asked, startIndex=start).json() for start in (0, 6)]
    seen = sum(len(page["Items"]) for page in pages)
    assert seen == sum(one.type == "Movie" and one.id not in child.hidden for one in jellyfin.library.items.values()) < 12
    assert pages[0]["TotalRecordCount"] == (12 if major == 10 else seen)


def test_without_a_count_the_total_is_that_of_the_page(jellyfin: FakeJellyfin) -> None:
    asked = FILMS | {"limit": "5", "startIndex": "10", "enableTotalRecordCount": "false"}
    assert get(jellyfin, "/Items", **asked).json()["TotalRecordCount"] == 2


def test_an_item_that_goes_between_two_pages_moves_the_next_one(jellyfin: FakeJellyfin) -> None:
    oldest = ids_of(get(jellyfin, "/Items", **FILMS))
    jellyfin.before[2] = lambda: jellyfin.library.remove(oldest[0])
    pages = [ids_of(get(jellyfin, "/Items", **FILMS, limit=5, startIndex=start)) for start in (0, 5)]
    assert pages == [oldest[:5], oldest[6:11]]


def test_ids_that_are_none_are_dropped_and_then_nothing_is_filtered(jellyfin: FakeJellyfin) -> None:
    film = next(iter(jellyfin.library.items))
    assert ids_of(get(jellyfin, "/Items", ids=film)) == [film]
    assert len(ids_of(get(jellyfin, "/Items", ids="planted", **SINGLE))) == len(jellyfin.library.items)
    jellyfin.complaints.clear()


def test_only_what_was_saved_since_is_told_and_a_favourite_is_no_saving(jellyfin: FakeJellyfin) -> None:
    film, user = next(iter(jellyfin.library.items)), next(iter(jellyfin.library.users))
    later = EPOCH + timedelta(days=1)
    jellyfin.library.say(user, film, is_favourite=True)
    for name in ("minDateLastSaved", "minDateLastSavedForUser"):
        assert ids_of(get(jellyfin, "/Items", **{name: later.isoformat()})) == []
    jellyfin.library.change(film, later, name="Renamed")
    assert ids_of(get(jellyfin, "/Items", minDateLastSaved=later.isoformat())) == [film]


def test_a_collection_stands_in_the_place_of_its_films_unless_told_not_to(jellyfin: FakeJellyfin, major: int) -> None:
    [(collection, films)] = jellyfin.library.collections.items()
    asked = {name: value for name, value in FILMS.items() if name not in SINGLE}
    of_nobody, of_a_user = ({}, {"userId": next(iter(jellyfin.library.users))})
    for whose, is_collapsed in ((of_nobody, major == 12), (of_a_user, True)):
        answer = get(jellyfin, "/Items", **asked, **whose)
        assert (collection in ids_of(answer), bool(films & set(ids_of(answer)))) == (is_collapsed, not is_collapsed)
        assert answer.json()["TotalRecordCount"] == len(ids_of(answer)) == (11 if is_collapsed else 12)
        assert len(ids_of(get(jellyfin, "/Items", **FILMS, **whose))) == 12
        # What is asked for by id or with a filter is never.
        assert set(ids_of(get(jellyfin, "/Items", ids=",".join(films), **whose))) == films
        assert collection not in ids_of(get(jellyfin, "/Items", **asked, **whose, filters="IsPlayed"))
    jellyfin.lists.groups_films = False
    jellyfin.library.version += 1
    told = [collection in ids_of(get(jellyfin, "/Items", **asked, **whose)) for whose in (of_nobody, of_a_user)]
    assert told == [major == 12, False]


@pytest.mark.parametrize("limit", ["BlockedMediaFolders", "EnabledFolders"])
def test_a_library_that_is_kept_from_somebody_is_in_no_list_of_theirs_and_answered_by_id(jellyfin: FakeJellyfin, limit: str) -> None:
    user = next(iter(jellyfin.library.users.values()))
    films, shows, _ = jellyfin.library.folders
    user.policy = {"EnableAllFolders": limit != "EnabledFolders", limit: [films if limit == "BlockedMediaFolders" else shows]}
    film = next(iter(jellyfin.library.items))
    assert get(jellyfin, "/Items", **FILMS, userId=user.id).json()["TotalRecordCount"] == 0
    assert ids_of(get(jellyfin, "/Items", recursive="true", includeItemTypes="Series", userId=user.id))
    assert ids_of(get(jellyfin, "/Items", ids=film, userId=user.id)) == [film]


def test_asked_for_dislikes_it_answers_something_else(jellyfin: FakeJellyfin, major: int) -> None:
    liked, disliked, other, *_ = (one.id for one in jellyfin.library.items.values() if one.type == "Movie")
    user = next(iter(jellyfin.library.users))
    for film, rating in ((liked, 10.0), (disliked, 1.0), (other, None)):
        jellyfin.library.say(user, film, rating=rating)
    answered = set(ids_of(get(jellyfin, "/Items", **FILMS, userId=user, filters="Dislikes")))
    assert answered & {liked, disliked, other} == ({liked} if major == 10 else {disliked, other})


def test_the_parts_of_a_series_are_below_it(jellyfin: FakeJellyfin, major: int) -> None:
    shows = next(key for key, (_, kind) in jellyfin.library.folders.items() if kind == "tvshows")
    asked = {"parentId": shows, "includeItemTypes": "Episode"}
    assert len(ids_of(get(jellyfin, "/Items", **asked))) == (0 if major == 10 else 36)
    assert len(ids_of(get(jellyfin, "/Items", **asked, recursive="true"))) == 36


def test_a_missing_episode_is_told_of_unless_it_is_left_out(jellyfin: FakeJellyfin) -> None:
    episode = next(one.id for one in jellyfin.library.items.values() if one.type == "Episode")
    jellyfin.library.change(episode, EPOCH, is_missing=True)
    assert episode in ids_of(get(jellyfin, "/Items", recursive="true"))
    assert episode not in ids_of(get(jellyfin, "/Items", recursive="true", excludeLocationTypes="Virtual"))


def test_the_same_file_under_a_new_id_keeps_what_people_did(jellyfin: FakeJellyfin) -> None:
    film = next(iter(jellyfin.library.items))
    user = next(iter(jellyfin.library.users))
    jellyfin.library.watch(user, film, EPOCH)
    before = get(jellyfin, f"/UserItems/{film}/UserData", userId=user).json()
    renewed = jellyfin.library.renew_id(film, EPOCH)
    assert get(jellyfin, f"/UserItems/{film}/UserData", userId=user).status_code == 404
    after = get(jellyfin, f"/UserItems/{renewed}/UserData", userId=user).json()
    assert (after["LastPlayedDate"], after["ItemId"]) == (before["LastPlayedDate"], renewed)
    assert after["Key"] != before["Key"]


def test_the_key_of_what_was_saved_is_another_after_a_restart(jellyfin: FakeJellyfin) -> None:
    film, user = next(iter(jellyfin.library.items)), next(iter(jellyfin.library.users))
    jellyfin.library.watch(user, film, EPOCH)
    keys = [get(jellyfin, f"/UserItems/{film}/UserData", userId=user).json()["Key"]]
    jellyfin.library.restart()
    keys.append(get(jellyfin, f"/UserItems/{film}/UserData", userId=user).json()["Key"])
    assert keys == [str(UUID(film)), jellyfin.library.items[film].provider_ids["Tmdb"]]


def test_what_is_watched_again_counts_as_played_on_12_alone(jellyfin: FakeJellyfin, major: int) -> None:
    film, user = next(iter(jellyfin.library.items)), next(iter(jellyfin.library.users))
    jellyfin.library.watch(user, film, EPOCH)
    jellyfin.library.begin(user, film, EPOCH + timedelta(days=1), 600, major)
    after = get(jellyfin, f"/UserItems/{film}/UserData", userId=user).json()
    assert (after["Played"], after["PlayCount"], after["PlaybackPositionTicks"]) == (major >= 12, 2, 6_000_000_000)


def test_faults_come_when_they_are_asked_for(make_jellyfin: Callable[[FakeLibrary], FakeJellyfin]) -> None:
    fake = make_jellyfin(generated(4, 0, 0, 1, 0))
    fake.faults = {0: "500", 1: "401", 2: "no json", 4: "elsewhere"}
    fake.faults[3] = "truncated"
    answers = [get(fake, "/Items") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [500, 401, 200, 200, 302, 200]
    assert answers[3].content == answers[5].content[: len(answers[5].content) // 2]
    fake.dies_at = 6
    with pytest.raises(httpx.RemoteProtocolError):
        get(fake, "/Items")
    fake.dies_at = None
    fake.writes_dashes = True
    assert all(len(key) == 36 for key in ids_of(get(fake, "/Items")))


def send(fake: FakeJellyfin, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
    return httpx.request(method, fake.url + path, params=query, json=body, headers=HEADERS, verify=False)


@pytest.mark.usefixtures("described")
@pytest.mark.parametrize(
    "body", [{"Name": 5}, {"Name": "x", "IsPublic": "no"}, {"Name": "x", "planted": 1}, {"Name": "x", "Ids": ["no id"]}]
)
def test_a_body_that_the_description_does_not_know_is_a_complaint(jellyfin: FakeJellyfin, body: dict[str, Any]) -> None:
    send(jellyfin, "POST", "/Playlists", {"UserId": next(iter(jellyfin.library.users))} | body)
    assert len(jellyfin.complaints) == 1
    jellyfin.complaints.clear()


def test_a_playlist_is_public_for_music_and_takes_a_series_apart_unless_one_knows_better(jellyfin: FakeJellyfin, major: int) -> None:
    user, other, *_ = jellyfin.library.users
    series = next(one.id for one in jellyfin.library.items.values() if one.type == "Series")
    made = send(jellyfin, "POST", "/Playlists", {"Name": "x", "UserId": user, "Ids": [series]}).json()["Id"]
    [theirs] = jellyfin.playlists.of(user)
    assert (theirs.is_public, theirs.media_type, len(theirs.item_ids)) == (True, "Audio", 12)
    path = f"/Playlists/{made}/Items"
    assert send(jellyfin, "POST", path, ids=theirs.item_ids[0], userId=user).status_code == 204
    assert len(ids_of(get(jellyfin, path, userId=user))) == (13 if major >= 12 else 12)
    # A key is nobody; another may look, and change nothing.
    assert get(jellyfin, path).status_code == send(jellyfin, "POST", f"/Playlists/{made}", {"Ids": []}).status_code == 400
    assert send(jellyfin, "POST", path, ids=series, userId=other).status_code == 403
    assert get(jellyfin, path, userId=other).status_code == 200
    entries = [item["PlaylistItemId"] for item in get(jellyfin, path, userId=user).json()["Items"]]
    send(jellyfin, "DELETE", path, entryIds=",".join(entries[1:]))
    assert len(theirs.item_ids) == 1
    film = next(iter(jellyfin.library.items))
    assert send(jellyfin, "DELETE", f"/Items/{film}").status_code == 204
    assert film not in jellyfin.library.items
