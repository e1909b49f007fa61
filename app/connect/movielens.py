"""MovieLens as published (`.dat` or `.csv`), or with `ratings.parquet`; optionally with a metadata file by TMDB id.

A rating becomes a signal, which also means "seen". Ratings of 0.5 to 5 stars become 1 to 10.
"""

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from app.connect.bodies import ITEMS, source_key
from app.connect.importing import Import
from app.errors import BadInput
from app.ingest_types import EntryRow, SignalRow, UserRow

SOURCE = "movielens"
TITLE = re.compile(r"^(?P<name>.*?)\s*\((?P<year>\d{4})\)\s*$")
OTHER_TITLES = re.compile(r"^(?P<name>.+?)(?P<others>(?:\s+\([^()]*[^\W\d][^()]*\))*)$")
ARTICLE = re.compile(r"^(?P<rest>.+), (?P<article>The|A|An|Le|La|Les|L'|Il|Das|Der|Die|El|Los)$")


def read_movielens(folder: Path, metadata: Path | None = None) -> Import:
    """Raises BadInput where a file is missing or cannot be read at all; single bad lines are rejected with their number."""
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder. Name the folder that holds the MovieLens files.")
    rejected: list[str] = []
    described = {} if metadata is None else _read_metadata(metadata, rejected)
    items = _read_items(folder, described, rejected)
    ratings = _read_ratings(folder, rejected)
    users = [_user(str(user)) for user in ratings["user"].unique().sort().to_list()]
    return Import(SOURCE, items, users, signals=_signals(ratings), rejected=rejected)


def _read_items(folder: Path, described: dict[int, dict[str, Any]], rejected: list[str]) -> list[EntryRow]:
    links = _read_links(folder)
    bodies = []
    for number, fields in _lines(folder, "movies", rejected):
        if len(fields) < 3 or not fields[0].strip().isdecimal():
            rejected.append(f"movies, line {number}: a film needs an id, a title and genres")
            continue
        movie = int(fields[0])
        imdb, tmdb = links.get(movie, (None, None))
        try:
            bodies.append(_item_body(movie, fields[1], fields[2], imdb, tmdb, described.get(tmdb or -1, {})))
        except (ValueError, TypeError, OverflowError):
            rejected.append(f"movies, line {number}: its metadata (TMDB {tmdb}) cannot be used")
    rows, _, refused = ITEMS.read(bodies)
    rejected += [f"movies, film {bodies[rejection.index]['item_id']}: {rejection.error}" for rejection in refused]
    return rows


def _item_body(movie: int, title: str, genres: str, imdb: int | None, tmdb: int | None, more: dict[str, Any]) -> dict[str, Any]:
    match = TITLE.match(title.strip())
    whole = match["name"] if match else title.strip()
    # "Postino, Il (The Postman) (1994)": what stands in brackets is another title of the same film.
    parts = OTHER_TITLES.match(whole)
    name = _plain(parts["name"] if parts else whole)
    others = [_plain(other) for other in re.findall(r"\((?:a\.k\.a\. )?([^()]+)\)", parts["others"] if parts else "")]
    people = [{"name": more["director"], "kind": "director"}] if more.get("director") else []
    people += [{"name": actor, "kind": "actor"} for actor in more.get("cast") or []]
    runtime = more.get("runtime")
    return {
        "item_id": str(movie),
        "type": "movie",
        "name": name or title.strip() or f"Film {movie}",
        "original_name": more.get("original_title") or (others[-1] if others else None),
        "year": int(match["year"]) if match and int(match["year"]) > 0 else None,
        "overview": more.get("overview") or None,
        "genres": [genre for genre in genres.strip().split("|") if genre and genre != "(no genres listed)"],
        "tags": [word for word in more.get("keywords") or [] if word],
        "people": people,
        "runtime_seconds": int(runtime * 60) if runtime else None,
        "community_rating": more.get("vote_average") or None,
        "vote_count": int(more["vote_count"]) if more.get("vote_count") is not None else None,
        "provider_ids": {"imdb": None if imdb is None else f"tt{imdb:07d}", "tmdb": None if tmdb is None else str(tmdb)},
        "library_id": "films",
    }


def _plain(title: str) -> str:
    """ "Matrix, The" is filed under M."""
    article = ARTICLE.match(title.strip())
    return f"{article['article']} {article['rest']}" if article else title.strip()


def _read_links(folder: Path) -> dict[int, tuple[int | None, int | None]]:
    for name in ("links.csv", "tmdb_links.csv"):
        if (folder / name).exists():
            try:
                frame = pl.read_csv(folder / name, infer_schema=False, ignore_errors=True, truncate_ragged_lines=True)
                numbers = frame.select(pl.col("movieId", "imdbId", "tmdbId").cast(pl.Float64, strict=False).cast(pl.Int64, strict=False))
            except (pl.exceptions.PolarsError, OSError) as error:
                raise BadInput(f"{name} could not be read: {str(error).splitlines()[0]}") from None
            return {movie: (imdb, tmdb) for movie, imdb, tmdb in numbers.iter_rows() if movie is not None}
    return {}


def _read_metadata(file: Path, rejected: list[str]) -> dict[int, dict[str, Any]]:
    described: dict[int, dict[str, Any]] = {}
    try:
        with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                try:
                    row = json.loads(line)
                    described[int(row["tmdb_id"])] = row
                except (ValueError, KeyError, TypeError) as error:
                    rejected.append(f"{file.name}, line {number}: {type(error).__name__}")
    except FileNotFoundError:
        raise BadInput(f"{file} does not exist.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{file} could not be read to its end ({error}). Is it a whole .jsonl or .jsonl.gz file?") from None
    return described


def _read_ratings(folder: Path, rejected: list[str]) -> pl.DataFrame:
    """Columns user, movie, rating (0.5..5), at (seconds or null), position (or null)."""
    parquet = folder / "ratings.parquet"
    if parquet.exists():
        return _read_parquet(parquet)
    rows = []
    for number, fields in _lines(folder, "ratings", rejected):
        try:
            user, movie, rating, at = int(fields[0]), int(fields[1]), float(fields[2]), int(fields[3])
            if not 0.5 <= rating <= 5 or not 0 <= at < 2**33 or max(abs(user), abs(movie)) >= 2**63:
                raise ValueError
        except (ValueError, IndexError):
            rejected.append(f"ratings, line {number}: needs a user, a film, a rating from 0.5 to 5 and a time")
            continue
        rows.append((user, movie, rating, at, None))
    schema = {"user": pl.Int64, "movie": pl.Int64, "rating": pl.Float64, "at": pl.Int64, "position": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _read_parquet(file: Path) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(file)
        frame = frame.select(
            user=pl.col("userId").cast(pl.Int64),
            movie=pl.col("movieId").cast(pl.Int64),
            rating=pl.col("rating").cast(pl.Float64),
            # Only some rows have a time: the order within the user is known for all but a few, and is what counts.
            at=pl.lit(None, dtype=pl.Int64),
            position=pl.col("seq_in_user").cast(pl.Int64),
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(f"{file.name} could not be read: {str(error).splitlines()[0]}") from None
    frame = frame.drop_nulls(["user", "movie"])
    return frame.filter(pl.col("rating").is_between(0.5, 5)).sort("user", "position", "movie")


def _lines(folder: Path, name: str, rejected: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Numbered fields of `name.dat` (`::`, Latin-1) or `name.csv` (commas, quotes, UTF-8, a header)."""
    dat, comma = folder / f"{name}.dat", folder / f"{name}.csv"
    if dat.exists():
        # Not splitlines(), which ends a line at control characters that Latin-1 titles may hold.
        for number, line in enumerate(_decoded(dat.read_bytes()).split("\n"), start=1):
            if line.strip():
                yield number, line.rstrip("\r").split("::")
    elif comma.exists():
        import csv

        text = comma.read_bytes().decode("utf-8", errors="replace")
        reader = csv.reader(io.StringIO(text))
        next(reader, None)
        try:
            for fields in reader:
                yield reader.line_num, fields
        except csv.Error as error:
            rejected.append(f"{comma.name}, line {reader.line_num}: {error}; the rest was not read")
    else:
        raise BadInput(f"{folder} holds neither {dat.name} nor {comma.name}.")


def _decoded(content: bytes) -> str:
    """The 1M set and older are Latin-1, the 10M set is UTF-8."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _signals(ratings: pl.DataFrame) -> list[SignalRow]:
    return [
        SignalRow(
            source_key=source_key(f"{user}:{movie}"),
            user_external_id=str(user),
            entry_external_id=str(movie),
            kind="rating",
            value=rating * 2,
            at=None if at is None else datetime.fromtimestamp(at, UTC),
            signal_order=position,
            recommendation_id=None,
        )
        for user, movie, rating, at, position in ratings.iter_rows()
    ]


def _user(user: str) -> UserRow:
    return UserRow(
        external_id=user, name=f"User {user}", is_disabled=False, library_external_ids=None, max_parental_age=None,
        blocked_tags=[], allowed_tags=[], is_opted_out=False,
    )  # fmt: skip
