"""palate import KIND, list and undo"""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app.connect.histories.tautulli_api import read_tautulli_api
from app.connect.histories.told import Told
from app.db import Engine
from app.errors import BadInput, ImportUndone, MediaServerRefused, UnknownServer
from app.types import Server
from tests.commands.conftest import Palate
from tests.connect.histories.payloads import NETFLIX, STARTED, tautulli, tautulli_film
from tests.db.household import House, day, episode, film, play, series, user
from tests.planted import planted

KEY = planted("tautulli-key-1c7f")


@pytest.fixture
def house(engine: Engine, server: Server) -> House:
    house = House(engine, server.id)
    house.users(user("ada"), user("bo"))
    house.items(film("h", "Salt Harbour", year=2019), film("m1", "Two Moons", year=1990), film("m2", "Two Moons", year=2010))
    house.items(series("o", "The Tin Orchard"), episode("o1", "o", 1, name="Pilot"), episode("o2", "o", 2, name="Half: A Story"))
    return house


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[str, list[dict[str, Any]]]]]:
    """A made-up Tautulli, and what it was asked."""
    running: list[ThreadingHTTPServer] = []

    def start(rows: list[dict[str, Any]], status: int = 200, location: str | None = None) -> tuple[str, list[dict[str, Any]]]:
        asked: list[dict[str, Any]] = []

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                asked.append({"path": url.path, **{name: values[0] for name, values in parse_qs(url.query).items()}})
                first, most = int(asked[-1]["start"]), int(asked[-1]["length"])
                answer = tautulli(*rows[first : first + most])
                answer["response"]["data"]["recordsFiltered"] = len(rows)
                body = json.dumps(answer).encode()
                self.send_response(status)
                if location is not None:
                    self.send_header("Location", location)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        running.append(ThreadingHTTPServer(("127.0.0.1", 0), Answers))
        threading.Thread(target=running[-1].serve_forever, kwargs={"poll_interval": 0.01}).start()
        return f"http://127.0.0.1:{running[-1].server_port}", asked

    yield start
    for one in running:
        one.shutdown()
        one.server_close()


def test_netflix_is_looked_at_imported_listed_and_taken_back(
    engine: Engine, server: Server, house: House, palate: Palate, tmp_path: Path
) -> None:
    history, found = tmp_path / "NetflixViewingHistory.csv", tmp_path / "out" / "found.json"
    history.write_text(NETFLIX)
    house.plays(play("ada", "o1", started_at=day(1)))
    before = house.state()
    words = ["import", "netflix", history, "--server", server.external_id, "--user", "ada", "--json", found]
    looked = palate(engine, *words, "--dry-run")
    assert looked.exit_code == 0, looked.output
    assert house.state() == before
    said = json.loads(found.read_text())
    assert (said["n_read"], said["n_plays"], said["n_not_matched"], said["import_id"]) == (6, 4, 2, None)
    assert {miss["title"]: miss["why"] for miss in said["misses"]} == {
        "Two Moons": "ambiguous title", "Nobody Has This": "unknown title",
    }  # fmt: skip
    assert sorted(match["item_id"] for match in said["matches"]) == ["h", "o1", "o1", "o2"]
    assert "ambiguous title: Two Moons" in looked.output

    done = palate(engine, *words)
    assert "4 plays: 4 new" in done.output
    number = json.loads(found.read_text())["import_id"]
    row = house.engagement("ada", "h")
    assert row is not None
    assert (row["completion"], row["n_plays"]) == (None, 1)
    assert "Nothing changed: the same was imported before" in palate(engine, *words).output
    listed = palate(engine, "import", "list", "--server", server.external_id).output
    assert "netflix" in listed
    assert str(tmp_path) not in listed
    assert "4 plays and signals are gone" in palate(engine, "import", "undo", number, "--server", server.external_id).output
    assert house.state() == before
    assert isinstance(palate(engine, "import", "undo", number, "--server", server.external_id).exception, ImportUndone)


def test_a_tautulli_is_read_page_by_page_with_a_key_that_nobody_sees(
    engine: Engine, server: Server, house: House, palate: Palate, serve: Any, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text(KEY + "\n")
    url, asked = serve([tautulli_film(row_id=number, started=STARTED + 10**4 * number) for number in range(5)])
    words = ["import", "tautulli", url, "--server", server.external_id, "--key-file", key, "--all-users-as", "Bo"]
    done = palate(engine, *words)
    assert done.exit_code == 0, done.output
    assert "5 plays: 5 new" in done.output
    assert KEY not in done.output
    assert {one["apikey"] for one in asked} == {KEY}
    assert len(list(read_tautulli_api(url, KEY, 2))) == 5
    assert [(one["path"], one["start"]) for one in asked[-3:]] == [("/api/v2", "0"), ("/api/v2", "2"), ("/api/v2", "4")]
    assert "Nothing changed" in palate(engine, *words).output


@pytest.mark.parametrize(("status", "location"), [(302, "http://127.0.0.1:1/"), (401, None), (400, None)])
def test_a_tautulli_that_sends_elsewhere_or_refuses_is_not_followed(serve: Any, status: int, location: str | None) -> None:
    url, asked = serve([tautulli_film()], status, location)
    with pytest.raises(MediaServerRefused) as error:
        list(read_tautulli_api(url, KEY))
    assert KEY not in str(error.value)
    assert len(asked) == 1


def test_a_tautulli_that_grows_meanwhile_is_read_to_its_end(serve: Any) -> None:
    rows = [tautulli_film(row_id=number) for number in range(3)]
    url, _ = serve(rows)
    read = read_tautulli_api(url, KEY, 2)
    next(read)
    rows.append(tautulli_film(row_id=3))
    assert sum(isinstance(row, Told) for row in read) == 3


def test_lines_of_every_kind_are_imported_and_bad_ones_told(engine: Engine, server: Server, palate: Palate, tmp_path: Path) -> None:
    lines = [
        json.dumps({"server_id": "another", "items": [film("f"), {"item_id": "g"}]}),
        json.dumps(user("ada")),
        json.dumps(play("ada", "f", played_seconds=60)),
        json.dumps({"user_id": "ada", "item_id": "f", "kind": "rating", "value": 8}),
        "[1]", '{"a": 1}', '{"play_id": "half',
    ]  # fmt: skip
    file = tmp_path / "all.jsonl"
    file.write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    words = ["import", "jsonl", file, "--server", server.external_id]
    looked = palate(engine, *words, "--dry-run")
    assert "1 items, 1 users, 1 plays, 1 signals would be imported" in looked.output
    done = palate(engine, *words)
    assert done.exit_code == 0, done.output
    for refused in ("line 1, items 2: type", "line 5: is no object", "line 6: is neither", "line 7: is no JSON"):
        assert refused in done.output
    house = House(engine, server.id)
    assert house.engagement("ada", "f")["rating"] == 8  # type: ignore[index]
    number = done.output.split("This is import ")[1].split(".")[0]
    palate(engine, "import", "undo", number, "--server", server.external_id)
    assert house.engagement("ada", "f") is None
    assert len(house.state()["items"]) == 1


def test_mistakes_are_told_in_a_line(engine: Engine, server: Server, house: House, palate: Palate, tmp_path: Path) -> None:
    strange = tmp_path / "strange.csv"
    strange.write_text("a,b\nc,d\n")
    words: list[list[object]] = [
        ["netflix", tmp_path / "missing.csv", "--user", "ada"], ["netflix", strange, "--user", "ada"],
        ["netflix", strange, "--user", "nobody"],
        ["jsonl", strange], ["tautulli", strange], ["tautulli", "http://u:p@host", "--all-users-as", "ada"],
        ["playback-reporting", strange, "--time-zone", "Mars/Base"],
    ]  # fmt: skip
    for one in words:
        assert isinstance(palate(engine, "import", *one, "--server", server.external_id).exception, BadInput), one
    assert isinstance(palate(engine, "import", "jsonl", strange, "--server", "nowhere").exception, UnknownServer)
    assert palate(engine, "import", "netflix", strange, "--server", server.external_id, "--user", "ada", "--dates", "no").exit_code == 2
