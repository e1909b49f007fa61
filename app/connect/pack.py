"""A pack: item vectors learned elsewhere, keyed by what TMDB, IMDb and TVDB call the items. It carries no user and no play.

The file is a safetensors file, which holds arrays and text and can run nothing. Beside the arrays it has the items' keys and a card, and a
digest over every byte of it, the digest's own place read as zeros. The digest tells a damaged file; that a file is who made it, only
a digest told by another way can say.
"""

import hashlib
import json
import os
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from app.connect.bodies import reason
from app.errors import BadInput

FORMAT_VERSION: Literal[1] = 1
# Room for half a million items at rank 256.
MAX_BYTES = 512 * 2**20
MAX_HEADER_BYTES = 2**20
# Two blocks of this rank still fit under an HNSW index of halfvec (4,000).
MAX_RANK = 2_000
KEY = re.compile(r"(movie|series):(tmdb|imdb|tvdb):[^\s\x00-\x1f\x7f]{1,64}")
CARD = "palate pack"
NO_DIGEST = "0" * 64
DTYPES = {"history": "F16", "target": "F16", "n_events": "I32", "keys": "U8"}

Halves = npt.NDArray[np.float16]
Ints = npt.NDArray[np.int32]
# What is printed on a terminal must not steer it.
Line = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
Count = Annotated[int, Field(ge=0, lt=2**53)]


class Card(BaseModel):
    """`window`: when what it was learned from was watched; `metrics`: on people held out; `digest`: of the file, set as it is written."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    format_version: Literal[1] = FORMAT_VERSION
    source: Line
    window: Line | None
    rank: Annotated[int, Field(ge=1, le=MAX_RANK)]
    parameters: dict[Line, float]
    n_users: Count
    n_items: Annotated[int, Field(ge=1, le=10_000_000)]
    n_events: Count
    metrics: dict[Line, float]
    licence: Line
    made_with: Line
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = NO_DIGEST


@dataclass(frozen=True)
class Pack:
    """Row i of `history` and `target` (n, rank) is the item that `keys[i]` names, as `movie:tmdb:862`; `n_events` (n,) watched it."""

    card: Card
    keys: Sequence[Sequence[str]]
    history: Halves
    target: Halves
    n_events: Ints


def write_pack(pack: Pack, file: Path) -> Card:
    """All of it or nothing. Returns the card with its digest. Raises BadInput."""
    _check(pack)
    keys = np.frombuffer(json.dumps([list(of_item) for of_item in pack.keys], separators=(",", ":")).encode(), dtype=np.uint8)
    card = pack.card.model_copy(update={"digest": NO_DIGEST})
    tensors = {"history": pack.history, "target": pack.target, "n_events": pack.n_events, "keys": keys}
    content = bytearray(save({name: np.ascontiguousarray(array) for name, array in tensors.items()}, {CARD: card.model_dump_json()}))
    place = _place(content, NO_DIGEST)
    digest = hashlib.sha256(content).hexdigest()
    content[place : place + len(digest)] = digest.encode()
    beside = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    try:
        with beside.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(file)
    except OSError as error:
        raise BadInput(f"{file} could not be written: {error.strerror}.") from None
    finally:
        beside.unlink(missing_ok=True)
    return card.model_copy(update={"digest": digest})


def read_pack(file: Path) -> Pack:
    """Raises BadInput, which says what is wrong, for everything that is not a whole, unchanged pack of this version."""
    content = _content(file)
    try:
        card = _card(content)
        _check_digest(content, card.digest)
        tensors = load(content)
        pack = Pack(card, _keys(tensors["keys"]), tensors["history"], tensors["target"], tensors["n_events"])
        _check(pack)
    except SafetensorError as error:
        raise BadInput(f"{file.name} is damaged or no pack ({error}). Fetch or build it again.") from None
    except BadInput as error:
        raise BadInput(f"{file.name}: {error}") from None
    return pack


def _content(file: Path) -> bytes:
    """Never more of it than a pack may have, whatever the file system says of its size."""
    try:
        if not file.is_file():
            raise BadInput(f"{file} is no file. Name a pack, as `palate pack build` writes it.")
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{file} could not be read: {error.strerror}.") from None
    if len(content) > MAX_BYTES:
        raise BadInput(f"{file.name} is larger than a pack may be ({MAX_BYTES // 2**20} MB).")
    return content


def _card(content: bytes) -> Card:
    """Checks what the header says of the arrays too, before any is made."""
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or size > min(MAX_HEADER_BYTES, len(content) - 8):
        raise BadInput("This is no pack, or only a part of one. Fetch or build it again.")
    try:
        header = json.loads(content[8 : 8 + size])
        said = header.pop("__metadata__")[CARD]
        dtypes = {name: tensor["dtype"] for name, tensor in header.items()}
        version = json.loads(said)["format_version"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadInput("This is no pack: it has no card that can be read.") from None
    if version != FORMAT_VERSION:
        raise BadInput(f"This is a pack of version {version!r:.20}, and this Palate reads version {FORMAT_VERSION}. Build it again.")
    if dtypes != DTYPES:
        raise BadInput("This pack does not hold the arrays that a pack holds. Build it again.")
    try:
        return Card.model_validate_json(said)
    except ValidationError as error:
        raise BadInput(f"This pack's card cannot be used ({reason(error)}). Build it again.") from None


def _check_digest(content: bytes, digest: str) -> None:
    place = _place(content, digest)
    found = hashlib.sha256(content[:place])
    found.update(NO_DIGEST.encode())
    found.update(memoryview(content)[place + len(digest) :])
    if found.hexdigest() != digest:
        raise BadInput("This pack was changed after it was made: its digest is another. Fetch or build it again.")


def _place(content: bytes | bytearray, digest: str) -> int:
    """Where the digest stands; in the header, which comes first."""
    place = content.find(b'\\"digest\\":\\"' + digest.encode())
    if place < 0:
        raise BadInput("This pack does not say its digest. Build it again.")
    return place + len(b'\\"digest\\":\\"')


def _keys(array: npt.NDArray[np.uint8]) -> list[list[str]]:
    try:
        found: Any = json.loads(array.tobytes())
    except (ValueError, RecursionError):
        raise BadInput("The keys of this pack cannot be read. Build it again.") from None
    if not (isinstance(found, list) and all(isinstance(one, list) and all(isinstance(key, str) for key in one) for one in found)):
        raise BadInput("The keys of this pack are no lists of text. Build it again.")
    return found


def _check(pack: Pack) -> None:
    """What reading a pack rests on, and so what is written too."""
    shape = (pack.card.n_items, pack.card.rank)
    if not (pack.history.shape == pack.target.shape == shape and pack.n_events.shape == shape[:1] and len(pack.keys) == shape[0]):
        raise BadInput("The arrays of this pack are not as long and wide as its card says. Build it again.")
    if [array.dtype.str for array in (pack.history, pack.target, pack.n_events)] != ["<f2", "<f2", "<i4"]:
        raise BadInput("The arrays of this pack are of another type than a pack's. Build it again.")
    if not (np.isfinite(pack.history).all() and np.isfinite(pack.target).all() and (pack.n_events > 0).all()):
        raise BadInput("This pack holds numbers that are none (NaN, infinite, or items that nobody watched). Build it again.")
    flat = [key for of_item in pack.keys for key in of_item]
    if not all(pack.keys) or not all(KEY.fullmatch(key) for key in flat):
        raise BadInput("An item of this pack has no key, or one that is not as movie:tmdb:862 is. Build it again.")
    if len(set(flat)) < len(flat):
        raise BadInput("Two items of this pack have the same key. Build it again.")
