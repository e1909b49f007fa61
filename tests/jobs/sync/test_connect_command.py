"""`palate connect` and `palate sync` on the command line."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from fastapi.testclient import TestClient
from sqlalchemy import text
from typer.testing import CliRunner, Result

from app.cli import app
from app.db import Engine
from app.db.servers import digest_of
from app.errors import BadInput, MediaServerRefused, NotConnected, PalateError, UnknownServer
from app.types import Server
from tests.connect.fake_emby import FakeEmby, numbered
from tests.connect.fake_jellyfin.library import FakeLibrary, generated, guid
from tests.connect.fake_jellyfin.server import KEY, FakeJellyfin
from tests.connect.fake_plex import FakePlex
from tests.connect.payloads import plex
from tests.connect.test_allowed_addresses import FORBIDDEN
from tests.planted import planted

Palate = Callable[..., Result]
MakeJellyfin = Callable[..., FakeJellyfin]


@pytest.fixture
def palate(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Palate]:
    """The command, on the database of the tests. A command sends its logs to its own output, which is closed after it."""
    configuration, handlers = structlog.get_config(), logging.root.handlers[:]
    monkeypatch.setenv("PALATE_DATABASE_URL", database_url)
    monkeypatch.setenv("PALATE_DATA_DIR", str(tmp_path))
    yield lambda *arguments, **given: CliRunner().invoke(app, [str(argument) for argument in arguments], terminal_width=200, **given)
    structlog.configure(**configuration)
    logging.root.handlers[:] = handlers


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(KEY + "\n")
    return file


@pytest.fixture
def library() -> FakeLibrary:
    return generated(4, 1, 2, 2, 3)


def test_a_jellyfin_is_connected_in_one_command_and_synced_by_another(
    palate: Palate, make_jellyfin: MakeJellyfin, library: FakeLibrary, token: Path, client: TestClient
) -> None:
    fake = make_jellyfin(library)
    done = palate("connect", "jellyfin", fake.url, "--server", "attic", "--token-file", token)
    assert done.exit_code == 0, (done.output, done.exception)
    for line in (
        "Attic, Jellyfin 12.0.0",
        "Films",
        "User 1",
        "The plugin Webhook is missing",
        "Connected as attic",
        "8 items new",
        "2 users",
    ):
        assert line in done.output
    again = palate("sync", "--server", "attic")
    assert "0 items new and 0 changed" in again.output
    assert KEY not in done.output + again.output
    for path in ("/servers", "/users?server_id=attic"):
        answer = client.get(path)
        assert answer.is_success
        assert KEY not in answer.text
    assert {user["name"] for user in answer.json()["users"]} == {"User 0", "User 1"}


def test_a_list_that_does_not_agree_with_its_count_is_said(
    palate: Palate, make_jellyfin: MakeJellyfin, library: FakeLibrary, token: Path
) -> None:
    fake = make_jellyfin(library)
    pages = fake.lists.page
    fake.lists.page = lambda query: (page := pages(query)) | {"TotalRecordCount": page["TotalRecordCount"] + 1}  # type: ignore[method-assign]
    done = palate("connect", "jellyfin", fake.url, "--server", "unsure", "--token-file", token)
    assert done.exit_code == 0, (done.output, done.exception)
    assert "the list of the library Films is not as long" in done.output


def test_a_server_that_fails_keeps_no_other_from_being_synced(
    palate: Palate, make_jellyfin: MakeJellyfin, library: FakeLibrary, token: Path, engine: Engine
) -> None:
    fakes = [make_jellyfin(library) for _ in range(3)]
    names = [f"{letter} of three" for letter in "abc"]
    for fake, name in zip(fakes, names, strict=True):
        assert palate("connect", "jellyfin", fake.url, "--server", name, "--token-file", token).exit_code == 0
    # The commands of other tests connected servers that are gone.
    with engine.begin() as connection:
        connection.execute(
            text("DELETE FROM connections WHERE server_id NOT IN (SELECT id FROM servers WHERE external_id = ANY (:names))"),
            {"names": names},
        )
    fakes[0].always = fakes[1].always = "401"
    fakes[2].asked.clear()
    done = palate("sync")
    assert (done.exit_code, type(done.exception)) == (1, PalateError)
    assert all(f"{name}: http" in str(done.exception) for name in names[:2])
    assert names[2] not in str(done.exception)
    assert "c of three: 0 items new" in done.output
    assert fakes[2].asked


@pytest.mark.parametrize("host", FORBIDDEN)
def test_the_command_asks_nobody_where_no_media_server_may_be(
    palate: Palate, make_jellyfin: MakeJellyfin, library: FakeLibrary, token: Path, host: str
) -> None:
    fake = make_jellyfin(library)
    done = palate("connect", "jellyfin", f"http://{host}:{fake.url.rpartition(':')[2]}", "--server", "cloud", "--token-file", token)
    assert isinstance(done.exception, BadInput)
    assert "leads to where no media server is" in str(done.exception)
    assert fake.asked == []
    assert isinstance(palate("sync", "--server", "cloud").exception, UnknownServer)


def test_an_emby_and_a_plex_are_connected_alike(
    palate: Palate, make_emby: Callable[..., FakeEmby], make_plex: Callable[..., FakePlex], token: Path, client: TestClient
) -> None:
    fakes = make_emby(numbered(generated(4, 1, 2, 2, 3))), make_plex(generated(4, 1, 2, 2, 3))
    for fake, line in zip(fakes, ("Den, Emby 4.8", "Loft, Plex 1.40"), strict=True):
        done = palate("connect", fake.kind, fake.url, "--server", f"my {fake.kind}", "--token-file", token)
        assert done.exit_code == 0, (done.output, done.exception)
        for said in (line, "Films", "User 1", f"Connected as my {fake.kind}", "8 items new", "2 users"):
            assert said in done.output
        assert ("they get nothing unless" in done.output) == (fake.kind == "plex")
        # What a server is called here says nothing of what answers at its address.
        client.put(f"/servers/my {fake.kind}", json={"name": "Renamed"})
        again = palate("sync", "--server", f"my {fake.kind}")
        assert "0 items new and 0 changed" in again.output, (again.output, again.exception)
        assert KEY not in done.output + again.output


def test_an_emby_may_be_given_with_the_path_of_its_api(palate: Palate, make_emby: Callable[..., FakeEmby], token: Path) -> None:
    fake = make_emby(numbered(generated(1, 0, 0, 1, 0)))
    done = palate("connect", "emby", f"{fake.url}/emby/", "--server", "with a path", "--token-file", token)
    assert done.exit_code == 0, (done.output, done.exception)


def test_the_token_may_be_typed_and_is_not_shown(palate: Palate, make_jellyfin: MakeJellyfin, library: FakeLibrary) -> None:
    done = palate("connect", "jellyfin", make_jellyfin(library).url, "--server", "typed", input=f"{KEY}\n")
    assert done.exit_code == 0, (done.output, done.exception)
    assert KEY not in done.output


def test_what_stands_in_the_way_is_said_before_anything_is_stored(
    palate: Palate, make_jellyfin: MakeJellyfin, library: FakeLibrary, token: Path, tmp_path: Path, client: TestClient
) -> None:
    fake = make_jellyfin(library)
    wrong = tmp_path / "wrong"
    wrong.write_text(planted("wrong-token"))
    refused = [
        (palate("connect", "jellyfin", fake.url, "--server", "nowhere", "--token-file", wrong), MediaServerRefused),
        (palate("connect", "jellyfin", "attic", "--server", "nowhere", "--token-file", token), BadInput),
        (palate("connect", "jellyfin", fake.url, "--server", "nowhere", "--token-file", tmp_path / "none"), BadInput),
        (palate("sync", "--server", "nowhere"), UnknownServer),
        (palate("sync", "--forget", guid("films")), BadInput),
    ]
    for done, error in refused:
        assert isinstance(done.exception, error), done.output
        assert "planted" not in f"{done.output} {done.exception}"
    assert "nowhere" not in client.get("/servers").text


def test_a_server_is_not_given_another_jellyfin(
    palate: Palate, make_jellyfin: MakeJellyfin, library: FakeLibrary, token: Path, engine: Engine
) -> None:
    mine = make_jellyfin(library)
    palate("connect", "jellyfin", mine.url, "--server", "mine", "--token-file", token)
    done = palate("connect", "jellyfin", make_jellyfin(library).url, "--server", "mine", "--token-file", token)
    assert isinstance(done.exception, BadInput)
    moved = make_jellyfin(library)
    moved.id = mine.id
    twice = palate("connect", "jellyfin", moved.url, "--server", "not mine", "--token-file", token)
    assert isinstance(twice.exception, BadInput)
    assert "already, as mine" in str(twice.exception)
    assert palate("connect", "jellyfin", moved.url, "--server", "mine", "--token-file", token).exit_code == 0


def test_a_server_that_was_never_connected_says_how(palate: Palate, server: object) -> None:
    done = palate("sync", "--server", server.external_id)  # type: ignore[attr-defined]
    assert isinstance(done.exception, NotConnected)
    assert "palate connect" in str(done.exception)


def test_a_webhook_is_made_shown_once_and_revoked(palate: Palate, client: TestClient, server: Server, engine: Engine) -> None:
    made = palate("connect", "webhook", "--server", server.external_id, "--kind", "plex", "--address", "http://nas:8000/palate/")
    assert made.exit_code == 0, (made.output, made.exception)
    address = made.stdout.strip()
    path = address.removeprefix("http://nas:8000/palate")
    assert path.startswith(f"/webhooks/plex/{server.external_id}/palate_")
    assert made.stderr.startswith("Plex: Settings")
    told = plex("media.play", 1, "77")
    assert client.post(path, json=told).json() == {"taken": "play"}
    with engine.begin() as connection:
        digests = connection.execute(text("SELECT digest FROM webhooks WHERE server_id = :id"), {"id": server.id}).scalars().all()
    assert digests == [digest_of(path.rpartition("/")[2])]
    assert palate("connect", "revoke-webhooks", "--server", server.external_id).stdout == "1 revoked.\n"
    assert client.post(path, json=told).status_code == 401
    # A server that a script tells of is of no kind that sends webhooks.
    assert isinstance(palate("connect", "webhook", "--server", server.external_id).exception, BadInput)


def test_playlists_are_shown_made_and_taken_back_in_a_command_each(
    palate: Palate, make_jellyfin: MakeJellyfin, library: FakeLibrary, token: Path
) -> None:
    fake = make_jellyfin(library)
    palate("connect", "jellyfin", fake.url, "--server", "listed", "--token-file", token)
    fake.asked.clear()
    shown = palate("publish", "--server", "listed", "--dry-run")
    assert (shown.exit_code, fake.asked) == (0, []), (shown.output, shown.exception)
    assert "For you" in shown.output
    assert "make" in shown.output
    made = palate("publish", "--server", "listed", "--name", "Tonight", "--limit", 1)
    assert "2 playlists made, 0 changed, 0 as they were" in made.output
    assert [(one.name, len(one.item_ids)) for one in fake.playlists.all.values()] == [("Tonight", 1)] * 2
    shown = palate("publish", "--server", "listed", "--remove", "--dry-run")
    assert shown.output.count("Tonight") == 2
    removed = palate("publish", "--server", "listed", "--remove")
    assert ("2 playlists deleted" in removed.output, fake.playlists.all) == (True, {})
    assert KEY not in shown.output + made.output + removed.output
    for arguments in (("--user", "User 1"), ("--server", "listed", "--user", "nobody")):
        assert isinstance(palate("publish", *arguments).exception, PalateError)
