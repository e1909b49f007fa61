"""MovieLens as GroupLens publishes it, fetched over the network: three or four files of an archive, under names of our own."""

import http.client
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from app.errors import BadInput
from app.types import Progress

ADDRESS = "https://files.grouplens.org/datasets/movielens/{name}.zip"
# The first say which film of TMDB and IMDb each is; for the others a file of links has to be named.
LINKED = ("ml-latest-small", "ml-latest", "ml-32m", "ml-25m", "ml-20m")
UNLINKED = ("ml-10m", "ml-1m")
WANTED = frozenset({"movies.csv", "ratings.csv", "links.csv", "movies.dat", "ratings.dat"})
# ml-latest is 335 MB, 1.1 GB unpacked.
MAX_ARCHIVE_BYTES = 2**30
MAX_UNPACKED_BYTES = 4 * 2**30
PIECE = 2**20
TIMEOUT_SECONDS = 30
LICENCE = (
    "Learned from MovieLens (GroupLens Research, University of Minnesota), whose README asks: acknowledge it in publications "
    "(Harper and Konstan 2015, doi:10.1145/2827872), do not redistribute the data other than it allows, ask before any commercial or "
    "revenue-bearing use, do not imply endorsement. See https://grouplens.org/datasets/movielens/."
)


def fetch_movielens(url: str, folder: Path, progress: Progress) -> None:
    """The files of the archive at `url`, written into `folder`. Raises BadInput. Nothing stays where it fails but what is in `folder`."""
    if not url.startswith(("https://", "http://")):
        raise BadInput(f"{url} is no http or https address.")
    with tempfile.TemporaryFile() as archive:
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
                total = int(answer.headers.get("Content-Length") or 0)
                _copy(answer, archive, MAX_ARCHIVE_BYTES, progress, total)
        except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
            # A refused connection, a 404, a name that is not found, an address that is none.
            raise BadInput(f"{url} could not be fetched: {getattr(error, 'reason', None) or error}.") from None
        if total and archive.tell() != total:
            raise BadInput(f"{url} could not be fetched to its end. Try again.")
        _unpack(url, archive, folder)


def _unpack(url: str, archive: IO[bytes], folder: Path) -> None:
    """Only files that we know, by their last name: where an archive says to put them is not asked."""
    try:
        with zipfile.ZipFile(archive) as packed:
            members = {PurePosixPath(member.filename).name: member for member in packed.infolist() if not member.is_dir()}
            for name in sorted(WANTED & members.keys()):
                with packed.open(members[name]) as source, (folder / name).open("xb") as target:
                    _copy(source, target, MAX_UNPACKED_BYTES, None, 0)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadInput(f"{url} is no archive that can be read ({error}).") from None
    if not any((folder / name).exists() for name in WANTED):
        raise BadInput(f"{url} holds none of the files that MovieLens has.")


def _copy(source: IO[bytes], target: IO[bytes], limit: int, progress: Progress | None, total: int) -> None:
    """What a header says of a size is not believed: bytes are counted as they come."""
    n_bytes = 0
    while piece := source.read(PIECE):
        n_bytes += len(piece)
        if n_bytes > limit:
            raise BadInput(f"The archive or a file in it is larger than {limit // 2**30} GB.")
        target.write(piece)
        if progress is not None:
            progress(n_bytes, max(total, n_bytes))


def add_links(links: Path, folder: Path) -> None:
    """Which film of TMDB and IMDb each is, for a set that does not say. Raises BadInput."""
    try:
        shutil.copyfile(links, folder / "links.csv")
    except OSError as error:
        raise BadInput(f"{links} could not be read: {error.strerror}.") from None
