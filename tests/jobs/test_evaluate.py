"""`palate evaluate movielens` from the files to the report, and what a recommender is not let get away with."""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import structlog
from typer.testing import CliRunner, Result

from app.cli import app
from app.commands.evaluation_chart import draw_chart
from app.errors import BadInput
from app.learn.baselines import Popularity
from app.learn.events import Task
from app.types import unseen
from jobs.evaluate import RECOMMENDERS, check, evaluate
from jobs.evaluation_data import Library, read_movielens_events
from tests.learn.invented import case_of, events_of, two_tastes

FAST = "popularity,item-knn,ease,ease (recency)"
FIGURES = ("ndcg@10", "recall@20", "hr@10", "mrr@20", "coverage@10")


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """A command sends its logs to its own output, which is closed after it."""
    configuration, handlers = structlog.get_config(), logging.root.handlers[:]
    yield
    structlog.configure(**configuration)
    logging.root.handlers[:] = handlers


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty invented users of two tastes; film n + 1 stands at position n. One film is rated without a known order only."""
    made = tmp_path_factory.mktemp("ml-made-up")
    genres = ("Crime|Drama", "Comedy", "")
    films = [f"{film}::Film {film} ({1950 + film})::{genres[film % 3]}" for film in range(1, 42)]
    (made / "movies.dat").write_text("\n".join(films) + "\n", encoding="latin-1")
    world = two_tastes(n_watched=12)
    place = np.arange(len(world)) % 12
    rows = [
        (user + 1, item + 1, 5.0, step) for user, item, step in zip(world.users.tolist(), world.items.tolist(), place.tolist(), strict=True)
    ]
    rows.append((1, 41, 5.0, None))
    pl.DataFrame(rows, schema=["userId", "movieId", "rating", "seq_in_user"], orient="row").write_parquet(made / "ratings.parquet")
    return made


def run(folder: Path, *arguments: str, protocol: str = "last-tenth") -> Result:
    return CliRunner().invoke(app, ["evaluate", "movielens", str(folder), "--protocol", protocol, *arguments], terminal_width=200)


def report_of(folder: Path, file: Path, *arguments: str, protocol: str = "last-tenth") -> dict[str, Any]:
    done = run(folder, "--json", str(file), *arguments, protocol=protocol)
    assert done.exit_code == 0, done.output
    report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return report


def rows_of(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["recommender"]: row for row in report["results"]}


@pytest.mark.parametrize("protocol", ["leave-last", "last-tenth", "unseen-users", "households"])
def test_a_report_has_every_figure_of_the_contract(folder: Path, tmp_path: Path, protocol: str) -> None:
    report = report_of(folder, tmp_path / "report.json", "--only", FAST, "--seed", "3", protocol=protocol)
    asked = {"households": 8}.get(protocol, 60)
    head = {"dataset": f"movielens {folder.name}", "protocol": protocol, "n_users": 60, "n_plays": 720, "seed": 3, "n_cases": asked}
    assert report | head == report
    assert report["n_items"] == 39
    assert [row["recommender"] for row in report["results"]] == FAST.split(",")
    for row in report["results"]:
        assert all(0 <= row[figure] <= 1 for figure in FIGURES)
        assert row["ci95"][0] <= row["ndcg@10"] <= row["ci95"][1]
        assert min(row["fit_seconds"], row["score_seconds"]) >= 0
        assert row["novelty"] > 0
        assert 0 <= row["intra_list_distance"] <= 2
        assert sum(part["n_cases"] for part in row["slices"]) == asked
        assert [part["history"] for part in row["slices"]] == ["10-19"]
        assert sum(part["n_relevant"] for part in row["item_slices"]) >= asked


def test_who_knows_the_taste_beats_the_popular_and_the_difference_says_so(folder: Path, tmp_path: Path) -> None:
    rows = rows_of(report_of(folder, tmp_path / "report.json", "--only", FAST, protocol="unseen-users"))
    ahead = rows["ease"]["minus"]["popularity"]
    assert ahead["ndcg@10"] == pytest.approx(rows["ease"]["ndcg@10"] - rows["popularity"]["ndcg@10"])
    assert 0 < ahead["ci95"][0] <= ahead["ndcg@10"] <= ahead["ci95"][1]
    assert set(rows["popularity"]["minus"]) == {"ease (recency)"}


def test_a_seed_gives_one_report(folder: Path, tmp_path: Path) -> None:
    def figures(name: str, *arguments: str) -> str:
        report = report_of(folder, tmp_path / name, "--only", "ease,user-knn", *arguments, protocol="unseen-users")
        for row in report["results"]:
            del row["fit_seconds"], row["score_seconds"]
        return json.dumps(report["results"])

    assert figures("one.json") == figures("two.json")
    assert figures("one.json") != figures("three.json", "--seed", "1")


def test_a_table_and_a_chart_are_made(folder: Path, tmp_path: Path) -> None:
    done = run(folder, "--only", FAST, "--chart", str(tmp_path / "made" / "chart.svg"))
    assert done.exit_code == 0, done.output
    picture = (tmp_path / "made" / "chart.svg").read_text(encoding="utf-8")
    assert all(f">{name}</text>" in picture for name in FAST.split(","))
    assert re.search(r"ease \(recency\) +│ +\d\.\d{3} │ \d\.\d{3} \.\. \d\.\d{3}", done.stdout)


def test_the_same_report_gives_the_same_picture(tmp_path: Path) -> None:
    row = {"recommender": "popularity", "ndcg@10": 0.05, "ci95": (0.04, 0.06)}
    report = {"dataset": "made up", "protocol": "leave-last", "n_cases": 3, "n_items": 4, "results": [row]}
    for name in ("one.svg", "two.svg", "one.png"):
        draw_chart(report, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("only", ["palatable", "ease,palatable", "", " , "])
def test_an_unknown_recommender_is_a_usage_error_that_names_those_there_are(folder: Path, only: str) -> None:
    done = run(folder, "--only", only)
    assert done.exit_code == 2
    shown = " ".join(re.sub("[│╭╮╰╯─]", " ", done.output).split())
    assert all(name in shown for name in RECOMMENDERS)


def test_a_chart_of_another_kind_and_an_unknown_protocol_are_usage_errors(folder: Path) -> None:
    assert run(folder, "--chart", "chart.pdf").exit_code == 2
    assert run(folder, protocol="leave-first").exit_code == 2


def test_a_folder_without_what_is_needed_is_bad_input(folder: Path, tmp_path: Path) -> None:
    missing = run(tmp_path / "nowhere")
    assert isinstance(missing.exception, BadInput)
    assert "no folder" in str(missing.exception)
    rows = [(1, 1, 5.0, None), (1, 99, 5.0, 0)]
    (tmp_path / "movies.dat").write_bytes((folder / "movies.dat").read_bytes())
    schema = {"userId": pl.Int64, "movieId": pl.Int64, "rating": pl.Float64, "seq_in_user": pl.Int64}
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(tmp_path / "ratings.parquet")
    with pytest.raises(BadInput, match="order is known"):
        read_movielens_events(tmp_path, None, "")


def test_published_files_are_put_in_order_by_their_times(tmp_path: Path) -> None:
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n" + "".join(f"{film},Film {film},Drama\n" for film in (10, 20, 30, 40)))
    ratings = ["7,30,4.5,300", "7,10,2,100", "3,20,1,5", "7,20,3,100", "7,10,5,400"]
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n" + "\n".join(ratings) + "\n")
    events, library = read_movielens_events(tmp_path, None, "")
    # User 3 stands at 0, user 7 at 1; film 40 nobody rated; film 10 was rated again, later.
    assert list(zip(events.users.tolist(), events.items.tolist(), events.ratings.tolist(), strict=True)) == [
        (0, 1, 2), (1, 1, 6), (1, 2, 9), (1, 0, 10),
    ]  # fmt: skip
    assert [body["name"] for body in library.bodies] == ["Film 10", "Film 20", "Film 30"]
    assert (events.n_users, events.n_items) == (2, 3)


def test_items_without_genres_are_as_far_as_can_be_from_the_others() -> None:
    vectors = Library([{"genres": ["A", "B"]}, {"genres": []}, {"genres": ["B"]}, {}], "").genre_vectors
    assert (vectors @ vectors.T) == pytest.approx(np.array([[1, 0, 0.5**0.5, 0], [0, 1, 0, 1], [0.5**0.5, 0, 1, 0], [0, 1, 0, 1]]))


def test_a_recommender_that_cheats_is_not_measured() -> None:
    task = Task(events_of([[0, 1]], 4), [case_of(0, [0], [1])])
    check("honest", np.array([[1, 2, -1, -1]]), task)
    with pytest.raises(ValueError, match="twice"):
        check("cheat", np.array([[1, 2, 1, -1]]), task)
    with pytest.raises(ValueError, match="seen"):
        check("cheat", np.array([[1, 0, -1, -1]]), task)


def test_each_task_gets_a_recommender_of_its_own_and_progress_is_told() -> None:
    made: list[Popularity] = []
    told: list[tuple[int, int]] = []

    def make(*_: object) -> Popularity:
        made.append(Popularity())
        return made[-1]

    world = two_tastes()
    library = Library([{"genres": ["A"]}] * world.n_items, "")
    evaluate("made up", "unseen-users", world, library, {"popularity": make}, 0, lambda done, total: told.append((done, total)))
    assert len({id(one) for one in made}) == 6
    assert told == [(done, 6) for done in range(7)]
    evaluate("made up", "leave-last", world, library, {"popularity": make, "again": make}, 0, unseen)
    assert len(made) == 8
