"""A pack read back is the pack written; anything else is refused with a reason, whatever was done to the file."""

import hashlib
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from app.connect import pack as format_of
from app.connect.pack import NO_DIGEST, Card, Pack, read_pack, write_pack
from app.errors import BadInput

N, RANK = 12, 4


def made_up(**changes: Any) -> Pack:
    random = np.random.default_rng(1)
    card = Card(
        source="MovieLens (made up)", window="1995 to 2000", rank=RANK, parameters={"ridge": 200.0}, n_users=9, n_items=N, n_events=78,
        metrics={"ndcg@10": 0.5}, licence="Yours. “Do as you like.”", made_with="palate 0",
    )  # fmt: skip
    keys = [[f"movie:tmdb:{number}", f"movie:imdb:tt{number:07}"] for number in range(1, N)] + [["series:tvdb:280619"]]
    history, target = (random.standard_normal((N, RANK)).astype(np.float16) for _ in range(2))
    return replace(Pack(card, keys, history, target, np.arange(1, N + 1, dtype=np.int32)), **changes)


def with_card(**changes: Any) -> Pack:
    return made_up(card=made_up().card.model_copy(update=changes))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "made-up.pack"


@pytest.fixture
def forged(file: Path) -> Callable[..., Path]:
    """A file that somebody wrote by hand, with a digest that fits."""

    def write(card: dict[str, Any] | str | None = None, keys: Any = None, **arrays: Any) -> Path:
        pack = made_up()
        said = pack.card.model_dump() | card if isinstance(card, dict) else pack.card.model_dump()
        text = card if isinstance(card, str) else json.dumps(said, separators=(",", ":"))
        named = json.dumps(pack.keys if keys is None else keys).encode() if not isinstance(keys, bytes) else keys
        tensors: dict[str, Any] = {
            "history": pack.history, "target": pack.target, "n_events": pack.n_events, "keys": np.frombuffer(named, dtype=np.uint8),
        }  # fmt: skip
        content = save({name: array for name, array in (tensors | arrays).items() if array is not None}, {"palate pack": text})
        file.write_bytes(content.replace(NO_DIGEST.encode(), hashlib.sha256(content).hexdigest().encode()))
        return file

    return write


def refused(file: Path, match: str | None = None) -> str:
    with pytest.raises(BadInput, match=match) as raised:
        read_pack(file)
    said = str(raised.value)
    assert said.endswith(".")
    return said


def test_what_is_read_is_what_was_written(file: Path) -> None:
    pack = made_up()
    card = write_pack(pack, file)
    found = read_pack(file)
    assert found.card == card == pack.card.model_copy(update={"digest": card.digest})
    assert found.keys == pack.keys
    for name in ("history", "target", "n_events"):
        np.testing.assert_array_equal(getattr(found, name), getattr(pack, name))
        assert getattr(found, name).dtype == getattr(pack, name).dtype


def test_the_same_pack_is_the_same_file(file: Path, tmp_path: Path) -> None:
    write_pack(made_up(), file)
    write_pack(read_pack(file), tmp_path / "again.pack")
    assert file.read_bytes() == (tmp_path / "again.pack").read_bytes()


def test_nothing_stays_of_a_pack_that_could_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="could not be written"):
        write_pack(made_up(), tmp_path / "no such folder" / "made-up.pack")
    (tmp_path / "taken").mkdir()
    with pytest.raises(BadInput, match="could not be written"):
        write_pack(made_up(), tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_forged_file_that_keeps_the_rules_is_read(forged: Callable[..., Path]) -> None:
    assert read_pack(forged()).keys == made_up().keys


def test_every_shorter_file_and_one_longer_is_refused(file: Path) -> None:
    write_pack(made_up(), file)
    content = file.read_bytes()
    for length in [*range(64), *range(64, len(content), 17), len(content) - 1]:
        file.write_bytes(content[:length])
        refused(file)
    file.write_bytes(content + b"\0")
    refused(file)


def test_a_changed_byte_anywhere_is_refused(file: Path) -> None:
    write_pack(made_up(), file)
    content = file.read_bytes()
    for place in range(len(content)):
        for change in (0x01, 0x2A):
            file.write_bytes(content[:place] + bytes([content[place] ^ change]) + content[place + 1 :])
            refused(file)


@pytest.mark.parametrize(
    "arrays",
    [
        {"history": np.ones((N, RANK + 1), dtype=np.float16)},
        {"target": np.ones((N - 1, RANK), dtype=np.float16)},
        {"history": np.ones(N * RANK, dtype=np.float16)},
        {"n_events": np.ones(N + 1, dtype=np.int32)},
        {"n_events": np.zeros(N, dtype=np.int32)},
        {"history": np.ones((N, RANK), dtype=np.float32)},
        {"n_events": np.ones(N, dtype=np.int64)},
        {"target": None},
        {"more": np.ones(1, dtype=np.float16)},
        {"history": np.full((N, RANK), np.nan, dtype=np.float16)},
        {"target": np.full((N, RANK), np.inf, dtype=np.float16)},
    ],
    ids=lambda arrays: "-".join(f"{name} {getattr(array, 'dtype', '')} {getattr(array, 'shape', '')}" for name, array in arrays.items()),
)
def test_arrays_of_another_shape_or_type_or_without_numbers_are_refused(forged: Callable[..., Path], arrays: dict[str, Any]) -> None:
    refused(forged(**arrays))


@pytest.mark.parametrize(
    "keys",
    [
        [["movie:tmdb:1"]] * N,
        [[f"movie:tmdb:{number}", "movie:imdb:tt1"] for number in range(N)],
        [[] for _ in range(N)],
        [[f"movie:tmdb:{number}"] for number in range(N - 1)],
        [[f"film:tmdb:{number}"] for number in range(N)],
        [[f"movie:tmdb:{number}\x00"] for number in range(N)],
        [[number] for number in range(N)],
        {"movie": "tmdb"},
        b"[[\xff",
        b"[" * 100_000,
    ],
    ids=range(10),
)
def test_keys_that_are_none_or_not_ones_own_are_refused(forged: Callable[..., Path], keys: Any) -> None:
    refused(forged(keys=keys))


@pytest.mark.parametrize(
    "card",
    [
        {"format_version": 2},
        {"format_version": "1"},
        {"format_version": None},
        {"rank": 0},
        {"rank": 1_000_000},
        {"n_items": N + 1},
        {"n_events": -1},
        {"licence": "\x1b[2J"},
        {"metrics": {"ndcg@10": "good"}},
        {"parameters": {"ridge": float("nan")}},
        {"made_by": "somebody"},
        {"digest": "0"},
        "{}",
        "[]",
        "no card",
        "[" * 100_000,
    ],
    ids=range(16),
)
def test_a_card_that_cannot_be_used_is_refused(forged: Callable[..., Path], card: Any) -> None:
    refused(forged(card=card))


def test_a_newer_version_is_said(forged: Callable[..., Path]) -> None:
    assert "version 2" in refused(forged(card={"format_version": 2}))


def test_a_digest_that_fits_something_else_is_refused(file: Path) -> None:
    write_pack(made_up(), file)
    content, digest = file.read_bytes(), read_pack(file).card.digest
    file.write_bytes(content.replace(digest.encode(), hashlib.sha256(b"another").hexdigest().encode()))
    refused(file, "digest")


def test_a_pickle_is_refused_and_not_run(file: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    file.write_bytes(pickle.dumps(Trap()))
    refused(file)
    file.write_bytes((200).to_bytes(8, "little") + pickle.dumps(Trap()).ljust(400))
    refused(file)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("size", [2**20 + 1, 2**32, 2**63, 2**64 - 1])
def test_a_header_that_claims_to_be_huge_is_refused(file: Path, size: int) -> None:
    file.write_bytes(size.to_bytes(8, "little") + b"{}".ljust(2**20 + 100))
    refused(file)


def test_a_shape_that_claims_to_be_huge_is_refused(file: Path) -> None:
    header = {"__metadata__": {"palate pack": made_up().card.model_dump_json()}}
    for name, dtype in format_of.DTYPES.items():
        header[name] = {"dtype": dtype, "shape": [2**40, 2**40], "data_offsets": [0, 2**60]}  # type: ignore[dict-item]
    text = json.dumps(header).encode()
    content = len(text).to_bytes(8, "little") + text
    file.write_bytes(content.replace(NO_DIGEST.encode(), hashlib.sha256(content).hexdigest().encode()))
    refused(file)


def test_a_file_larger_than_a_pack_may_be_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pack(made_up(), file)
    monkeypatch.setattr(format_of, "MAX_BYTES", file.stat().st_size - 1)
    refused(file, "larger")


def test_a_folder_and_a_missing_file_are_said(tmp_path: Path) -> None:
    refused(tmp_path, "no file")
    refused(tmp_path / "nothing", "no file")


@pytest.mark.parametrize(
    "pack",
    [
        made_up(keys=[["movie:tmdb:1"]] * N),
        made_up(history=np.full((N, RANK), np.nan, dtype=np.float16)),
        made_up(target=np.ones((N, RANK), dtype=np.float32)),
        with_card(n_items=3),
    ],
    ids=["keys", "nan", "type", "card"],
)
def test_what_could_not_be_read_is_not_written(file: Path, pack: Pack) -> None:
    with pytest.raises(BadInput):
        write_pack(pack, file)
    assert not file.exists()
