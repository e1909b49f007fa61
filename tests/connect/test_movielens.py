"""MovieLens as published, and as it comes off a broken disk."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from app.connect.importing import Import, run_import
from app.connect.movielens import read_movielens
from app.db import Engine
from app.errors import BadInput
from app.ingest_types import EntryRow
from app.types import Server, unseen

MOVIES = ["1::Toy Story (1995)::Animation|Children's|Comedy", "2::Matrix, The (1999)::Action", "3::Amélie (2001)::Romance"]
RATINGS = ["1::1::5::978300760", "1::2::3::978302109", "2::3::1::978301968"]


def body(row: EntryRow) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(row.body)
    return found


def names(data: Import) -> list[str]:
    return [body(row)["name"] for row in data.items]


def ratings(data: Import) -> list[tuple[str, str, float | None]]:
    return [(row.user_external_id, row.entry_external_id, row.value) for row in data.signals]


@pytest.fixture
def dat(tmp_path: Path) -> Callable[..., Path]:
    def write(movies: list[str] = MOVIES, ratings: list[str] = RATINGS, end: str = "\n", encoding: str = "latin-1") -> Path:
        for name, lines in (("movies", movies), ("ratings", ratings)):
            (tmp_path / f"{name}.dat").write_bytes(("\n".join(lines) + end).encode(encoding))
        return tmp_path

    return write


@pytest.fixture
def comma(tmp_path: Path) -> Callable[..., Path]:
    def write(movies: str, ratings: str = "", links: str | None = None) -> Path:
        (tmp_path / "movies.csv").write_text("movieId,title,genres\n" + movies, encoding="utf-8")
        (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n" + ratings, encoding="utf-8")
        if links is not None:
            (tmp_path / "links.csv").write_text(links, encoding="utf-8")
        return tmp_path

    return write


@pytest.fixture
def parquet(dat: Callable[..., Path]) -> Callable[..., Path]:
    """A folder whose ratings are in order, without times."""

    def write(rows: list[tuple[Any, ...]], columns: tuple[str, ...] = ("userId", "movieId", "rating", "seq_in_user")) -> Path:
        folder = dat()
        pl.DataFrame(rows, schema=list(columns), orient="row").write_parquet(folder / "ratings.parquet")
        return folder

    return write


def test_dat_files_are_read_as_latin_1(dat: Callable[..., Path]) -> None:
    data = read_movielens(dat())
    assert names(data) == ["Toy Story", "The Matrix", "Amélie"]
    assert ratings(data) == [("1", "1", 10), ("1", "2", 6), ("2", "3", 2)]
    assert data.signals[0].at == datetime.fromtimestamp(978300760, UTC)
    assert [(user.external_id, user.name) for user in data.users] == [("1", "User 1"), ("2", "User 2")]
    assert body(data.items[0]) | {"year": 1995, "genres": ["Animation", "Children's", "Comedy"], "type": "movie"} == body(data.items[0])
    assert data.rejected == []


def test_dat_files_of_the_larger_sets_are_read_as_utf_8(dat: Callable[..., Path]) -> None:
    assert names(read_movielens(dat(encoding="utf-8")))[2] == "Amélie"


def test_csv_files_are_read_with_their_quotes_as_utf_8(comma: Callable[..., Path]) -> None:
    folder = comma(
        '2,"Matrix, The (1999)",Action|Sci-Fi\n3,"Amélie ""Poulain"" (2001)",(no genres listed)\n4,千と千尋の神隠し,Animation\n',
        "7,2,0.5,1000000000\n7,3,4.5,1000000001\n",
        "movieId,imdbId,tmdbId\n2,0133093,603\n3,0211915,\n",
    )
    data = read_movielens(folder)
    assert names(data) == ["The Matrix", 'Amélie "Poulain"', "千と千尋の神隠し"]
    assert [(row.imdb, row.tmdb) for row in data.items] == [("tt0133093", "603"), ("tt0211915", None), (None, None)]
    assert (body(data.items[1])["genres"], body(data.items[2])["year"]) == ([], None)
    assert ratings(data) == [("7", "2", 1), ("7", "3", 9)]


def test_ratings_in_parquet_have_an_order_and_no_time(parquet: Callable[..., Path]) -> None:
    data = read_movielens(parquet([(2, 3, 4.0, 1), (1, 2, 5.0, 2), (1, 1, 3.5, 1)]))
    assert ratings(data) == [("1", "1", 7), ("1", "2", 10), ("2", "3", 8)]
    assert [(row.signal_order, row.at) for row in data.signals] == [(1, None), (2, None), (1, None)]


def test_rows_of_parquet_that_say_nothing_are_left_out(parquet: Callable[..., Path]) -> None:
    data = read_movielens(parquet([(1, 1, 3.5, 1), (1, 2, None, 2), (1, 3, 9.0, 3), (1, 3, float("nan"), 4)]))
    assert ratings(data) == [("1", "1", 7)]


def test_rows_of_parquet_without_a_user_or_a_film_are_left_out(parquet: Callable[..., Path]) -> None:
    data = read_movielens(parquet([(1, 1, 3.5, 1), (None, 2, 4.0, 2), (1, None, 4.0, 3)]))
    assert ratings(data) == [("1", "1", 7)]
    assert [user.external_id for user in data.users] == ["1"]


@pytest.mark.parametrize(
    ("title", "name", "year"),
    [
        ("Matrix, The (1999)", "The Matrix", 1999), ("Misérables, Les (1995)", "Les Misérables", 1995),
        ("American in Paris, An (1951)", "An American in Paris", 1951), ("I, Robot (2004)", "I, Robot", 2004),
        ("1984 (1956)", "1984", 1956), ("Babylon 5", "Babylon 5", None), ("  Heat (1995) ", "Heat", 1995),
        ("Nothing (0000)", "Nothing", None), ("(2009)", "(2009)", 2009), ("Ran (1985) (1985)", "Ran (1985)", 1985),
    ],
)  # fmt: skip
def test_a_title_gives_its_article_and_year_their_places(dat: Callable[..., Path], title: str, name: str, year: int | None) -> None:
    row = body(read_movielens(dat([f"1::{title}::Drama"])).items[0])
    assert (row["name"], row["year"]) == (name, year)


def test_half_a_file_is_read_up_to_where_it_ends(dat: Callable[..., Path]) -> None:
    data = read_movielens(dat([*MOVIES, "4::Hea"], [*RATINGS, "2::1::"], end=""))
    assert (len(data.items), len(data.signals)) == (3, 3)
    assert [line.split(":")[0] for line in data.rejected] == ["movies, line 4", "ratings, line 4"]


RUBBISH = ["planted", "::", "1::1", "x::1::5::978300760", "1::1::six::978300760", "1::1::5.5::978300760", "1::1::nan::978300760",
           "1::1::5::", "1::1::5::-1", "1::1::5::99999999999999", "\x00\x00::\x00", '"1,1,5']  # fmt: skip


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_a_rubbish_rating_is_rejected_with_its_line_and_the_rest_imported(dat: Callable[..., Path], rubbish: str) -> None:
    data = read_movielens(dat(ratings=[RATINGS[0], "", rubbish, *RATINGS[1:]]))
    assert len(data.signals) == 3
    assert [line.split(":")[0] for line in data.rejected] == ["ratings, line 3"]


@pytest.mark.parametrize("number", ["99999999999999999999", "-99999999999999999999"])
@pytest.mark.parametrize("line", ["{}::1::5::978300760", "1::{}::5::978300760"])
def test_a_rating_with_a_number_too_large_is_rejected_with_its_line(dat: Callable[..., Path], line: str, number: str) -> None:
    data = read_movielens(dat(ratings=[line.format(number), *RATINGS]))
    assert len(data.signals) == 3
    assert [line.split(":")[0] for line in data.rejected] == ["ratings, line 1"]


@pytest.mark.parametrize(
    "rubbish", ["planted", "4::Heat", "x::Heat (1995)::Drama", "::Heat::Drama", "4,Heat (1995),Drama", "²::Heat (1995)::Drama"]
)
def test_a_rubbish_film_is_rejected_with_its_line_and_the_rest_imported(dat: Callable[..., Path], rubbish: str) -> None:
    data = read_movielens(dat([MOVIES[0], rubbish, *MOVIES[1:]]))
    assert len(data.items) == 3
    assert [line.split(":")[0] for line in data.rejected] == ["movies, line 2"]


def test_a_film_whose_title_cannot_be_stored_is_rejected_and_the_rest_imported(dat: Callable[..., Path]) -> None:
    data = read_movielens(dat([MOVIES[0], "4::He\x00at::Drama"]))
    assert names(data) == ["Toy Story"]
    assert len(data.rejected) == 1


def test_a_control_character_in_a_title_does_not_end_its_line(dat: Callable[..., Path]) -> None:
    data = read_movielens(dat([MOVIES[0], "2::Wait\x85 What (1999)::Drama", "planted"]))
    assert len(data.items) == 2
    assert [line.split(":")[0] for line in data.rejected] == ["movies, line 3"]


def test_rubbish_in_a_csv_is_rejected_with_its_line(comma: Callable[..., Path]) -> None:
    data = read_movielens(comma("1,Heat (1995),Crime\nx,Ronin,Crime\n2,Al", "1,1,5,1000\nplanted\n1,1,5\n2,1,4,2000\n"))
    assert (names(data), len(data.signals)) == (["Heat"], 2)
    assert [line.split(":")[0] for line in data.rejected] == ["movies, line 3", "movies, line 4", "ratings, line 3", "ratings, line 4"]


def test_a_quote_that_is_never_closed_is_told_of(comma: Callable[..., Path]) -> None:
    data = read_movielens(comma('1,Heat (1995),Crime\n2,"Ronin (1998),Crime\n' + "3,Alien,Horror\n" * 10_000, "1,1,5,1000\n"))
    assert names(data) == ["Heat"]
    assert len(data.rejected) == 1


@pytest.mark.parametrize("links", ["", "planted\n", "movieId,tmdbId\n1,949\n"])
def test_links_without_their_columns_are_bad_input(comma: Callable[..., Path], links: str) -> None:
    folder = comma("1,Heat (1995),Crime\n", "1,1,5,1000\n", links)
    with pytest.raises(BadInput, match=r"links\.csv"):
        read_movielens(folder)


def test_rubbish_lines_of_links_are_left_out(comma: Callable[..., Path]) -> None:
    links = "movieId,imdbId,tmdbId\nx,y,z\n2\n3,0113277,949,5\n1,0113277,949\n"
    data = read_movielens(comma("1,Heat (1995),Crime\n2,Ronin,Crime\n", "1,1,5,1000\n", links))
    assert [row.tmdb for row in data.items] == ["949", None]


def test_a_missing_folder_or_file_is_bad_input(dat: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no folder"):
        read_movielens(tmp_path / "nowhere")
    with pytest.raises(BadInput, match=r"movies\.dat"):
        read_movielens(tmp_path)
    folder = dat()
    with pytest.raises(BadInput, match="does not exist"):
        read_movielens(folder, folder / "nowhere.jsonl")
    (folder / "ratings.dat").unlink()
    with pytest.raises(BadInput, match=r"ratings\.dat"):
        read_movielens(folder)


@pytest.fixture
def described(comma: Callable[..., Path]) -> Callable[..., Import]:
    """Reads one film of TMDB id 949 with these metadata."""

    def read(content: bytes, name: str = "metadata.jsonl.gz") -> Import:
        folder = comma("1,Heat (1995),Crime\n", "1,1,5,1000\n", "movieId,imdbId,tmdbId\n1,0113277,949\n")
        (folder / name).write_bytes(content)
        return read_movielens(folder, folder / name)

    return read


METADATA = {"tmdb_id": 949, "overview": "A thief.", "runtime": 170, "director": "Michael Mann", "cast": ["Al Pacino"], "vote_count": 9,
            "vote_average": 7.9, "keywords": ["heist"], "original_title": "Heat"}  # fmt: skip


def test_metadata_describe_films_by_tmdb_id(described: Callable[..., Import]) -> None:
    lines = b"planted\n[1]\n{}\n" + json.dumps(METADATA).encode() + b"\n"
    for data in (described(gzip.compress(lines)), described(lines, "metadata.jsonl")):
        film = body(data.items[0])
        assert (film["overview"], film["runtime_seconds"], film["vote_count"], film["tags"]) == ("A thief.", 10200, 9, ["heist"])
        assert [(one["name"], one["kind"]) for one in film["people"]] == [("Michael Mann", "director"), ("Al Pacino", "actor")]
        assert [line.partition(", ")[2].split(":")[0] for line in data.rejected] == ["line 1", "line 2", "line 3"]


def test_truncated_or_broken_metadata_are_bad_input(described: Callable[..., Import]) -> None:
    whole = gzip.compress(json.dumps(METADATA).encode() * 100)
    for content in (whole[: len(whole) // 2], whole[:-4], b"planted", whole[:40] + b"\xff" * 40, whole[:-8] + b"\x00" * 8):
        with pytest.raises(BadInput, match=r"metadata\.jsonl\.gz"):
            described(content)


WRONG = [
    {"runtime": "long"}, {"runtime": float("inf")}, {"vote_count": "many"}, {"vote_count": float("nan")}, {"vote_average": "good"},
    {"cast": 5}, {"director": {}}, {"keywords": 5}, {"overview": 5},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_metadata_of_the_wrong_type_cost_no_more_than_their_film(described: Callable[..., Import], wrong: dict[str, Any]) -> None:
    data = described(json.dumps(METADATA | wrong).encode(), "metadata.jsonl")
    assert len(data.items) + len(data.rejected) == 1


@pytest.mark.parametrize("keep", [0, 3, 100, -1, -20])
def test_broken_parquet_is_bad_input(parquet: Callable[..., Path], keep: int) -> None:
    folder = parquet([(1, 1, 3.5, one) for one in range(1000)])
    file = folder / "ratings.parquet"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(BadInput, match=r"ratings\.parquet"):
        read_movielens(folder)


def test_parquet_without_a_column_or_with_text_for_numbers_is_bad_input(parquet: Callable[..., Path]) -> None:
    for folder in (
        lambda: parquet([(1, 1, 3.5)], ("userId", "movieId", "rating")),
        lambda: parquet([("planted", 1, 3.5, 1)]),
    ):
        with pytest.raises(BadInput, match=r"ratings\.parquet"):
            read_movielens(folder())


def test_importing_twice_changes_nothing(engine: Engine, server: Server, dat: Callable[..., Path]) -> None:
    folder = dat()
    first = run_import(engine, server.id, read_movielens(folder), unseen)
    again = run_import(engine, server.id, read_movielens(folder), unseen)
    assert [(name, one.received, one.created) for name, one in first.items() if one.received] == [
        ("items", 3, 3),
        ("users", 2, 2),
        ("signals", 3, 3),
    ]
    assert [(one.created, one.updated, one.unchanged, one.rejected) for one in again.values()] == [
        (0, 0, 3, ()), (0, 0, 2, ()), (0, 0, 0, ()), (0, 0, 3, ()),
    ]  # fmt: skip


def test_half_an_import_is_completed_by_a_whole_one(engine: Engine, server: Server, dat: Callable[..., Path]) -> None:
    run_import(engine, server.id, read_movielens(dat(MOVIES[:1], [*RATINGS[:1], "1::2::3::9783"], end="")), unseen)
    whole = run_import(engine, server.id, read_movielens(dat()), unseen)
    assert (whole["items"].created, whole["signals"].created, whole["signals"].updated) == (2, 1, 1)
