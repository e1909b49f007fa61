"""Files of others: plain, gzip or zip; in UTF-8, or UTF-16 with its mark; whole or broken off."""

import gzip
import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, cast

import orjson

from app.connect.histories.told import Unread
from app.errors import BadInput

# JSON is read whole, and takes several times its size in memory.
MAX_JSON_BYTES = 256 * 2**20
MAX_LINE = 4 * 2**20
SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt")
MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb": "utf-8-sig"}
BROKEN = (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile)


class HistoryFile:
    """A file that is read, once or more; `position` says how far, of `size` bytes."""

    def __init__(self, path: Path) -> None:
        self.path, self.name, self.size = path, path.name, 0
        self._raw: IO[bytes] | None = None

    @property
    def position(self) -> int:
        return self.size if self._raw is None or self._raw.closed else self._raw.tell()

    def digest(self) -> bytes:
        """Raises BadInput where it can't be read, or there is nothing in it."""
        try:
            with self.path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256")
                self.size = stream.tell()
        except OSError as error:
            raise BadInput(f"{self.name} can't be read: {error.strerror or type(error).__name__}.") from None
        if self.size == 0:
            raise BadInput(f"{self.name} is empty.")
        return digest.digest()

    def streams(self) -> Iterator[tuple[str, IO[bytes]]]:
        """The file, or those of an archive in the order of their names, with their names. Raises BadInput."""
        with ExitStack() as stack:
            try:
                self._raw = raw = stack.enter_context(self.path.open("rb"))
                start = raw.read(4)
                raw.seek(0)
                if start[:2] == b"\x1f\x8b":
                    yield self.name, cast(IO[bytes], stack.enter_context(gzip.open(raw)))
                elif start == b"PK\x03\x04":
                    archive = stack.enter_context(zipfile.ZipFile(raw))
                    for name in sorted(archive.namelist()):
                        if name.lower().endswith(SUFFIXES) and not name.startswith("__MACOSX"):
                            yield name, stack.enter_context(archive.open(name))
                else:
                    yield self.name, raw
            except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError) as error:
                raise BadInput(f"{self.name} can't be opened: {error}.") from None


def read_json(name: str, stream: IO[bytes]) -> Any:
    """Raises BadInput."""
    try:
        content = stream.read(MAX_JSON_BYTES + 1)
    except (*BROKEN, OSError):
        raise BadInput(f"{name} breaks off in the middle. Copy it again.") from None
    if len(content) > MAX_JSON_BYTES:
        raise BadInput(f"{name} has more than {MAX_JSON_BYTES // 2**20} MB of JSON, which is read in one piece. Export it in parts.")
    try:
        text = content.decode(_encoding(content[:2])) if content[:2] in MARKS else content
        return orjson.loads(text)
    except (ValueError, RecursionError):
        raise BadInput(f"{name} is no JSON, or only a part of it.") from None


def lines(stream: IO[bytes]) -> Iterator[tuple[int, str] | Unread]:
    """Numbered from 1, without their ends. What is no text is in them as surrogates."""
    number = 0
    try:
        # A mark is two or three bytes, and every stream of ours can look ahead.
        encoding = _encoding(stream.peek(2)[:2])  # type: ignore[attr-defined]
        with io.TextIOWrapper(stream, encoding, errors="surrogateescape" if "8" in encoding else "replace", newline="\n") as text:
            while line := text.readline(MAX_LINE):
                number += 1
                if line.endswith("\n") or len(line) < MAX_LINE:
                    yield number, line.rstrip("\r\n")
                    continue
                while (rest := text.readline(MAX_LINE)) and not rest.endswith("\n"):
                    pass
                yield Unread(f"line {number}", f"longer than {MAX_LINE:,} letters")
    except (*BROKEN, OSError):
        yield Unread(f"line {number + 1}", "the file breaks off here")


def _encoding(start: bytes) -> str:
    return MARKS.get(start, "utf-8")
