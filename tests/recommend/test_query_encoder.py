"""Query texts become vectors in a process of their own, which comes when it is asked for and never outlives its use."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from app.learn import encode_lines
from app.learn.text_encoder import ModelFiles, TextEncoder, locate_model
from app.recommend import encoder_process, query_encoder
from app.recommend.encoder_process import Vector
from app.recommend.query_encoder import MAX_CHARACTERS, QueryEncoder
from tests.conftest import MODEL

ROOT = Path(__file__).parents[2]
PATIENT_SECONDS = 10.0

# What a service does: asks until there is a vector, then goes on living.
PARENT = """
import sys, time
from app.recommend.query_encoder import QueryEncoder
encoder = QueryEncoder()
while encoder.encode("a film", sys.argv[1], sys.argv[2]) is None and sys.argv[3] == "loaded":
    time.sleep(0.05)
print("now", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def files() -> ModelFiles:
    return locate_model(MODEL)


@pytest.fixture(scope="module")
def started() -> Iterator[QueryEncoder]:
    encoder = QueryEncoder()
    yield encoder
    encoder.stop()


@pytest.fixture(scope="module")
def truth(started: QueryEncoder, files: ModelFiles) -> TextEncoder:
    # Both load at the same time, each on its core.
    started.encode("first", MODEL, files.digest)
    return TextEncoder(files)


@pytest.fixture(scope="module")
def parent(truth: TextEncoder, files: ModelFiles) -> Iterator[subprocess.Popen[bytes]]:
    """Another process with an encoder, which loads while the tests before it run."""
    with start_parent(files, "loaded") as parent:
        yield parent
        parent.kill()


@pytest.fixture
def encoder(started: QueryEncoder, truth: TextEncoder, parent: subprocess.Popen[bytes], files: ModelFiles) -> QueryEncoder:
    """Loaded, whatever the test before did to it."""
    until(lambda: ask(started, f"{time.monotonic()}", files) is not None)
    return started


@pytest.fixture
def fresh() -> Iterator[QueryEncoder]:
    encoder = QueryEncoder()
    yield encoder
    encoder.stop()


def ask(encoder: QueryEncoder, text: str, files: ModelFiles) -> Vector | None:
    return encoder.encode(text, files.name, files.digest, PATIENT_SECONDS)


def until(has_come: Callable[[], bool], timeout_seconds: float = 60) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not has_come():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def children(parent: int | None = None) -> list[int]:
    """The encoder processes that a process started, this one by default."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            is_ours = f"PPid:\t{parent or os.getpid()}\n" in (folder / "status").read_text()
        except OSError:  # ended meanwhile
            continue
        if is_ours and encode_lines.__name__.encode() in words:
            found.append(int(folder.name))
    return found


def is_running(pid: int) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())  # empty for one that ended and was not waited for
    except OSError:
        return False


def test_the_process_that_serves_never_imports_torch() -> None:
    program = "import sys, app.recommend.query_encoder; sys.exit('torch' in sys.modules or 'sentence_transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_nobody_waits_for_the_model_to_load(fresh: QueryEncoder, files: ModelFiles) -> None:
    before = children()
    for _ in range(3):
        asked_at = time.monotonic()
        assert ask(fresh, "a film", files) is None
        assert time.monotonic() - asked_at < PATIENT_SECONDS / 2
    assert len(children()) == len(before) + 1
    fresh.stop()
    fresh.stop()
    assert children() == before


def test_a_vector_is_the_one_that_the_text_encoder_makes(encoder: QueryEncoder, truth: TextEncoder, files: ModelFiles) -> None:
    vector = ask(encoder, "astronauts on a long voyage", files)
    assert vector is not None
    np.testing.assert_allclose(vector, truth.encode(["astronauts on a long voyage"])[0], atol=1e-3)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-3)


def test_callers_at_once_get_their_own_answers(encoder: QueryEncoder, truth: TextEncoder, files: ModelFiles) -> None:
    texts = [f"film number {number} about {theme}" for number in range(10) for theme in ("bread", "rockets", "divorce", "whales")]
    with ThreadPoolExecutor(16) as pool:
        vectors = list(pool.map(lambda text: ask(encoder, text, files), texts))
    for text, vector in zip(texts, vectors, strict=True):
        assert vector is not None
        np.testing.assert_allclose(vector, truth.encode([text])[0], atol=1e-3)


def test_who_gives_up_does_not_mix_up_the_answers_of_others(encoder: QueryEncoder, truth: TextEncoder, files: ModelFiles) -> None:
    (child,) = children()
    os.kill(child, signal.SIGSTOP)
    for number in range(3):
        assert encoder.encode(f"impatient {number}", MODEL, files.digest, wait_seconds=0.05) is None
    os.kill(child, signal.SIGCONT)
    for number in range(3):
        vector = ask(encoder, f"patient {number}", files)
        assert vector is not None
        np.testing.assert_allclose(vector, truth.encode([f"patient {number}"])[0], atol=1e-3)


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("two\nlines\r\nand\u2028more", "two\nlines\r\nand\u2028more"),
        ('猫の映画 🎬 \0 \x1b{}"\\', '猫の映画 🎬 \0 \x1b{}"\\'),
        ("half \ud83c a sign", "half ? a sign"),
        ("", ""),
        ("🎬" * 100_000, "🎬" * MAX_CHARACTERS),
    ],
)
def test_any_text_is_a_query(encoder: QueryEncoder, truth: TextEncoder, files: ModelFiles, text: str, read_as: str) -> None:
    vector = ask(encoder, text, files)
    assert vector is not None
    np.testing.assert_allclose(vector, truth.encode([read_as])[0], atol=1e-3)


def test_a_repeated_query_is_not_encoded_again(encoder: QueryEncoder, files: ModelFiles) -> None:
    vector = ask(encoder, "again", files)
    assert vector is not None
    assert encoder.encode("again", MODEL, files.digest, wait_seconds=0) is vector
    assert not vector.flags.writeable


def test_only_the_latest_queries_are_remembered(encoder: QueryEncoder, files: ModelFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_encoder, "MAX_REMEMBERED", 2)
    first = ask(encoder, "one", files)
    ask(encoder, "two", files)
    assert ask(encoder, "one", files) is first
    ask(encoder, "three", files)
    assert ask(encoder, "one", files) is first
    assert encoder.encode("two", MODEL, files.digest, wait_seconds=0) is None


def test_other_weights_than_asked_for_give_no_vector(encoder: QueryEncoder, files: ModelFiles) -> None:
    before = children()
    assert encoder.encode("a film", MODEL, "0" * 64) is None
    assert ask(encoder, "a film", files) is not None
    assert children() == before


def test_a_model_that_cannot_be_loaded_is_reported_and_not_tried_at_once_again(fresh: QueryEncoder, tmp_path: Path) -> None:
    before = children()
    with capture_logs() as logged:
        assert fresh.encode("a secret wish", str(tmp_path), "0" * 64) is None
        until(lambda: bool(logged))
        until(lambda: children() == before)
        time.sleep(0.1)
        assert fresh.encode("a secret wish", str(tmp_path), "0" * 64) is None
    assert children() == before
    assert len(logged) == 1
    assert "holds no weights" in logged[0]["error"]
    assert "secret" not in str(logged)


def test_a_process_that_does_not_answer_is_ended(fresh: QueryEncoder, files: ModelFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_process, "LOAD_SECONDS", 0.1)
    before = children()
    with capture_logs() as logged:
        assert ask(fresh, "a film", files) is None
        until(lambda: bool(logged) and children() == before)
    assert "no answer" in logged[0]["error"]


def test_a_killed_encoder_comes_back(encoder: QueryEncoder, files: ModelFiles) -> None:
    (before,) = children()
    with capture_logs() as logged:
        os.kill(before, signal.SIGKILL)
        until(lambda: ask(encoder, f"a secret wish at {time.monotonic()}", files) is not None)
    assert "status -9" in logged[0]["error"]
    assert "secret" not in str(logged)
    (after,) = children()
    assert after != before


def test_an_idle_encoder_gives_its_memory_back(encoder: QueryEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert children()
    monkeypatch.setattr(encoder_process, "IDLE_SECONDS", 0.1)
    with capture_logs() as logged:
        until(lambda: not children(), 5)
    assert not logged


def test_another_model_takes_its_place_in_time(encoder: QueryEncoder, files: ModelFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    (before,) = children()
    other = str(files.folder)
    assert encoder.encode("a film for the other", other, files.digest) is None
    assert children() == [before]
    monkeypatch.setattr(query_encoder, "MIN_KEPT_SECONDS", 0.0)
    assert encoder.encode("a film for the other", other, files.digest) is None
    (after,) = children()
    assert other.encode() in Path(f"/proc/{after}/cmdline").read_bytes()
    encoder.stop()
    assert not children()


def test_an_encoder_dies_with_a_parent_that_is_killed(parent: subprocess.Popen[bytes]) -> None:
    assert_dies_with(parent)


def test_an_encoder_that_still_loads_dies_with_a_parent_that_is_killed(files: ModelFiles) -> None:
    with start_parent(files, "loading") as parent:
        assert_dies_with(parent)


def start_parent(files: ModelFiles, moment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PARENT, files.name, files.digest, moment]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def assert_dies_with(parent: subprocess.Popen[bytes]) -> None:
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"now\n"
    until(lambda: bool(children(parent.pid)), 5)
    (child,) = children(parent.pid)
    parent.kill()
    parent.wait()
    until(lambda: not is_running(child), 3)
