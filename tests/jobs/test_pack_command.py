"""`palate pack` on the command line, and MovieLens fetched from an address."""

import dataclasses
import functools
import http.server
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.connect.movielens_archive import fetch_movielens
from app.connect.pack import Pack, read_pack, write_pack
from app.errors import BadInput
from app.types import unseen
from tests.jobs.conftest import Palate
from tests.jobs.films import N_FILMS, Home


def test_a_pack_is_built_looked_at_and_installed(palate: Palate, movielens: Path, tmp_path: Path, home: Home) -> None:
    file = tmp_path / "films.pack"
    built = palate("pack", "build", "--from", "movielens", movielens, "--out", file, "--json", tmp_path / "card.json")
    assert built.exit_code == 0, built.output
    assert "Before you pass this pack on" in built.output
    shown = palate("pack", "info", file)
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["digest"] in shown.output
    done = palate("pack", "install", file, "--server", home.server.external_id, "--json", tmp_path / "done.json")
    assert done.exit_code == 0, done.output
    assert "movie, 1970s" in done.output
    report = json.loads((tmp_path / "done.json").read_text())
    assert report["coverage"][0]["n_items_known"] == N_FILMS
    assert report["pack"] == card
    assert {"f13", "f14"} <= set(home.names())


def test_a_tampered_file_changes_nothing(palate: Palate, pack: Pack, tmp_path: Path, home: Home) -> None:
    home.install(pack)
    before = home.state()
    file = tmp_path / "films.pack"
    write_pack(dataclasses.replace(pack, history=-pack.history), file)
    content = bytearray(file.read_bytes())
    content[-700] ^= 1
    file.write_bytes(content)
    done = palate("pack", "install", file, "--server", home.server.external_id)
    assert isinstance(done.exception, BadInput)
    assert "digest" in str(done.exception)
    assert home.state() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["--from", "movielens"],
        ["--from", "server"],
        ["--from", "movielens", "somewhere", "--download", "ml-latest-small"],
        ["--from", "server", "--download", "ml-latest-small"],
        ["--from", "movielens", "--download", "ml-of-tomorrow"],
        ["--from", "movielens", "--download", "ml-1m"],
        ["--from", "books", "somewhere"],
    ],
)
def test_what_to_build_from_is_said_once_and_in_full(palate: Palate, tmp_path: Path, arguments: list[str]) -> None:
    done = palate("pack", "build", *arguments, "--out", tmp_path / "films.pack")
    assert done.exit_code == 2, done.output


def test_a_folder_without_links_is_refused(palate: Palate, movielens: Path, tmp_path: Path) -> None:
    for name in ("movies.csv", "ratings.csv"):
        (tmp_path / name).write_bytes((movielens / name).read_bytes())
    done = palate("pack", "build", "--from", "movielens", tmp_path, "--out", tmp_path / "films.pack")
    assert isinstance(done.exception, BadInput)
    assert "links.csv" in str(done.exception)
    assert not (tmp_path / "films.pack").exists()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address that it is served at."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

    shown = tmp_path / "served"
    shown.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=shown)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield shown, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def archive(folder: Path, file: Path, prefix: str = "ml-made-up/", **more: str) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for one in folder.iterdir():
            packed.write(one, prefix + one.name)
        for name, content in more.items():
            packed.writestr(name, content)


def test_a_published_archive_is_fetched_and_learned_from(
    palate: Palate, movielens: Path, served: tuple[Path, str], tmp_path: Path, pack: Pack
) -> None:
    archive(movielens, served[0] / "ml-made-up.zip")
    done = palate("pack", "build", "--from", "movielens", "--url", f"{served[1]}/ml-made-up.zip", "--out", tmp_path / "films.pack")
    assert done.exit_code == 0, done.output
    found = read_pack(tmp_path / "films.pack")
    assert found.card.source == "MovieLens (ml-made-up)"
    assert found.keys == pack.keys
    assert np.array_equal(found.n_events, pack.n_events)


def test_an_archive_puts_nothing_where_it_was_not_asked_to(movielens: Path, served: tuple[Path, str], tmp_path: Path) -> None:
    archive(movielens, served[0] / "sly.zip", "../../", **{"../escaped.txt": "out", "tags.csv": "not wanted"})
    (tmp_path / "in").mkdir()
    fetch_movielens(f"{served[1]}/sly.zip", tmp_path / "in", unseen)
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["links.csv", "movies.csv", "ratings.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "served"]


def test_an_archive_that_grows_as_it_is_unpacked_is_stopped(
    served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(tmp_path / "served", served[0].parent / "bomb", **{"ratings.csv": "0" * 3_000_000})
    (served[0].parent / "bomb").rename(served[0] / "bomb.zip")
    (tmp_path / "in").mkdir()
    monkeypatch.setattr("app.connect.movielens_archive.MAX_UNPACKED_BYTES", 2_000_000)
    with pytest.raises(BadInput, match="larger"):
        fetch_movielens(f"{served[1]}/bomb.zip", tmp_path / "in", unseen)
    monkeypatch.setattr("app.connect.movielens_archive.MAX_ARCHIVE_BYTES", 1_000)
    with pytest.raises(BadInput, match="larger"):
        fetch_movielens(f"{served[1]}/bomb.zip", tmp_path / "in", unseen)


def test_what_is_no_archive_or_not_there_is_said(served: tuple[Path, str], tmp_path: Path) -> None:
    (served[0] / "page.zip").write_text("<html>Sign in</html>")
    with zipfile.ZipFile(served[0] / "other.zip", "w") as packed:
        packed.writestr("readme.txt", "nothing here")
    for name, said in (("page.zip", "no archive"), ("other.zip", "none of the files"), ("missing.zip", "could not be fetched")):
        with pytest.raises(BadInput, match=said):
            fetch_movielens(f"{served[1]}/{name}", tmp_path, unseen)
    for url in ("file:///etc/passwd", "http://127.0.0.1:1/x.zip", "http:///", "https://"):
        with pytest.raises(BadInput):
            fetch_movielens(url, tmp_path, unseen)
