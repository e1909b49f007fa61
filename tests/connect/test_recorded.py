"""What real media servers answered is read as the items it means, or refused with a reason; and the made-up Plex answers alike."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from app.connect.bodies import ITEMS
from app.connect.jellyfin_client import JellyfinClient
from app.connect.jellyfin_items import read_libraries
from app.connect.jellyfin_states import state_of
from app.connect.media_server import FILMS, SHOWS, Library, MediaServer
from app.connect.media_servers import open_media_server
from app.connect.plex_items import is_item, item_body
from app.errors import MediaServerDown, MediaServerRefused, MediaServerUnclear
from tests.connect.fake_emby import FakeEmby
from tests.connect.fake_jellyfin.library import FakeLibrary, generated
from tests.connect.fake_jellyfin.server import KEY, Answer, FakeJellyfin
from tests.connect.fake_plex import FakePlex
from tests.connect.samples import sample

MakePlex = Callable[[FakeLibrary], FakePlex]


def recorded(name: str) -> Any:
    return json.loads(sample(f"{name}.json").read_text(encoding="utf-8"))


def answered(name: str) -> Answer:
    answer = recorded("plex_data")[name]["response"]
    body = answer["body"]
    return Answer(answer["http_code"], body.encode() if isinstance(body, str) else orjson.dumps(body))


@pytest.fixture
def plex(make_plex: MakePlex) -> FakePlex:
    return make_plex(generated(2, 1, 2, 1, 0))


@pytest.fixture
def media(plex: FakePlex) -> Iterator[MediaServer]:
    with open_media_server("plex", plex.url, KEY, pauses=()) as media:
        yield media


def test_a_plex_says_which_it_is_and_what_libraries_it_has(plex: FakePlex, media: MediaServer) -> None:
    plex.canned = {"/": answered("server_info_get_200"), "/library/sections": answered("sections_get_200")}
    assert media.info().id
    assert [(one.id, one.types) for one in media.libraries()] == [("1", FILMS), ("2", SHOWS), ("3", SHOWS)]


@pytest.mark.parametrize(("name", "error"), [("sections_get_401", MediaServerRefused), ("server_info_get_500", MediaServerDown)])
def test_a_plex_that_refuses_or_fails_is_understood(plex: FakePlex, media: MediaServer, name: str, error: type[Exception]) -> None:
    plex.canned = {"/library/sections": answered(name)}
    with pytest.raises(error):
        media.libraries()


@pytest.mark.parametrize(("name", "section", "kind", "given"), [
    ("library_movie_get_200", "1", "Movie", {"type": "movie", "item_id": "1", "year": 2000, "runtime_seconds": 6989.0,
                                             "provider_ids": {"imdb": "tt0000001", "tmdb": "1", "tvdb": "1"}}),
    ("library_show_get_200", "2", "Series", {"type": "series", "item_id": "3", "provider_ids": {"tmdb": "3", "tvdb": "3"}}),
    ("library_episodes_get_200", "2", "Episode", {"type": "episode", "item_id": "5", "series_id": "3", "season_number": 1,
                                                  "episode_number": 1}),
])  # fmt: skip
def test_a_list_of_a_plex_is_the_items_it_means(
    plex: FakePlex, media: MediaServer, name: str, section: str, kind: str, given: dict[str, Any]
) -> None:
    plex.canned = {f"/library/sections/{section}/all": answered(name)}
    [[body]] = media.items(Library(section, "?", (kind,)), None)
    assert {field: body[field] for field in given} == given
    assert ITEMS.read([body])[2] == []


def test_the_older_agents_ids_are_read_and_a_list_of_playlists_is_none_of_items() -> None:
    film, episode = (recorded(name)["Metadata"] for name in ("plex_movie", "plex_tv"))
    assert item_body(film, "1")["provider_ids"] == {"imdb": "tt0072684"}
    body = item_body(episode, "2")
    assert (body["series_id"], body["season_number"], body["episode_number"]) == ("59800", 2, 15)
    assert ITEMS.read([item_body(film, "1"), body])[2] == []
    answers = recorded("plex_data")
    for name in ("playlists_list_get_200", "playlist_get_200"):
        assert not any(is_item(one) for one in answers[name]["response"]["body"]["MediaContainer"]["Metadata"])
    [listed] = answers["playlist_items_get_200"]["response"]["body"]["MediaContainer"]["Metadata"]
    assert item_body(listed, "1")["provider_ids"] == {"imdb": "tt0000001", "tmdb": "1"}


@pytest.mark.parametrize(("name", "path"), [
    ("server_info_get_200", "/"), ("sections_get_200", "/library/sections"),
    ("library_movie_get_200", "movies"), ("library_show_get_200", "tvshows"), ("library_episodes_get_200", "tvshows"),
])  # fmt: skip
def test_the_made_up_plex_answers_in_the_recorded_shapes(plex: FakePlex, name: str, path: str) -> None:
    sections = {kind: key for key, (_, kind) in plex.library.folders.items()}
    kind = {"library_movie_get_200": "1", "library_show_get_200": "2"}.get(name, "4")
    target = f"/library/sections/{sections[path]}/all" if path in sections else path
    query = f"?type={kind}&includeGuids=1&X-Plex-Container-Start=0&X-Plex-Container-Size=1"
    made_up = plex.answer("GET", target + query, {"X-Plex-Token": KEY, "Accept": "application/json"})
    assert made_up is not None
    assert differences(json.loads(made_up.body), json.loads(answered(name).body)) == []


def differences(made_up: Any, real: Any, where: str = "") -> list[str]:
    """Where both say something, of what type."""
    if isinstance(made_up, dict) and isinstance(real, dict):
        return [fault for name in made_up.keys() & real.keys() for fault in differences(made_up[name], real[name], f"{where}/{name}")]
    if isinstance(made_up, list) and isinstance(real, list):
        return differences(made_up[0], real[0], where) if made_up and real else []
    kinds = [float if isinstance(one, int | float) and not isinstance(one, bool) else type(one) for one in (made_up, real)]
    return [] if kinds[0] is kinds[1] else [f"{where}: {kinds[0].__name__}, recorded {kinds[1].__name__}"]


def test_the_recorded_folders_of_a_jellyfin_are_its_libraries(make_jellyfin: Callable[[FakeLibrary], FakeJellyfin]) -> None:
    folders = recorded("jellyfin_virtualFolderResponse")
    fake = make_jellyfin(generated(1, 0, 0, 1, 0))
    fake.canned = {"/Library/VirtualFolders": Answer(200, orjson.dumps(folders))}
    with JellyfinClient(fake.url, KEY, pauses=()) as client:
        found = read_libraries(client)
    wanted = [one for one in folders if one.get("CollectionType") in ("movies", "tvshows", "mixed", None)]
    assert [one.name for one in found] == [one["Name"] for one in wanted]
    assert {one["CollectionType"]: library.types for one, library in zip(wanted, found, strict=True)}.items() <= {
        "movies": FILMS, "tvshows": SHOWS,
    }.items()  # fmt: skip


def test_a_server_whose_ids_can_be_none_is_refused(make_emby: Callable[[FakeLibrary], FakeEmby]) -> None:
    said = recorded("jellyfin_emby_items_SYNTHETIC")
    fake = make_emby(generated(0, 0, 0, 0, 0))
    answers = {"/System/Info": said["info"], "/Users": said["users"], "/Library/MediaFolders": said["libraries"]}
    fake.canned = {path: Answer(200, orjson.dumps(answer)) for path, answer in answers.items()}
    with open_media_server("emby", fake.url, KEY, pauses=()) as media:
        with pytest.raises(MediaServerUnclear, match="which server it is"):
            media.info()
        with pytest.raises(MediaServerUnclear, match="without an id"):
            media.users()
        assert media.libraries() == []
    assert [state_of(one) for one in [*said["library_items"]["Items"], said["metadata_episode"]]] == [None, None]
