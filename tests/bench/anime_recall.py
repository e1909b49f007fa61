"""Recall of the retrieval statement on real text vectors and real histories: 16,214 anime titles, facets on.

    python -m tests.bench.anime_recall FOLDER [--users 300] [--vectors FILE.npy] [--json FILE]

FOLDER holds the MyAnimeList files of the measuring data. Encoding takes minutes; `--vectors` keeps the result. The space is
indexed as one above 20,000 items would be: below, every search is exact.
"""

import argparse
import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.commands.bench import scratch_engines
from app.db.spaces import OWN_PARTITION_FROM
from app.learn.centring import centre_of, centred
from app.learn.text_encoder import TextEncoder, locate_model
from app.learn.text_template import item_text
from jobs.bench_data import plant_world
from jobs.bench_search import measure_search

LENGTHS = {"10 to 50 watched": (10, 50), "50 to 150": (50, 150), "150 to 300": (150, 300), "over 300": (300, 100_000)}


def read_titles(folder: Path) -> list[dict[str, Any]]:
    with zipfile.ZipFile(folder / "mal2020_anime_with_synopsis.csv.zip") as archive, archive.open("anime_with_synopsis.csv") as file:
        rows = list(csv.DictReader(io.TextIOWrapper(file, encoding="utf-8")))
    return [{"name": row["Name"], "type": "series", "genres": row["Genders"].split(", "), "overview": row["sypnopsis"]} for row in rows]


def read_histories(folder: Path, names: list[str]) -> list[npt.NDArray[np.int64]]:
    """Positions of titles, a user's in the order of the file (no times are known)."""
    known = titles_known(folder, names)
    histories: dict[str, list[int]] = {}
    for user, title, _ in read_table(folder, "history"):
        if title in known:
            histories.setdefault(user, []).append(known[title])
    return [np.array(list(dict.fromkeys(history)), dtype=np.int64) for history in histories.values()]


def titles_known(folder: Path, names: list[str]) -> dict[str, int]:
    """Position among `names` of each title of the histories, by its id there."""
    position = {name: number for number, name in enumerate(names)}
    return {fields[0]: position[fields[1]] for fields in read_table(folder, "info") if fields[1] in position}


def read_table(folder: Path, name: str) -> list[list[str]]:
    with zipfile.ZipFile(folder / "caserec_anime_ratings.zip") as archive:
        return [line.split("\t") for line in archive.read(f"anime/anime_{name}.dat").decode().splitlines()[1:]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    titles = read_titles(arguments.folder)
    vectors = _vectors(titles, arguments.vectors)
    random = np.random.default_rng(0)
    histories = read_histories(arguments.folder, [title["name"] for title in titles])
    chosen: list[npt.NDArray[np.int64]] = []
    groups = {}
    for name, (least, most) in LENGTHS.items():
        fitting = [history for history in histories if least <= len(history) < most]
        picked = random.permutation(len(fitting))[: arguments.users // len(LENGTHS)]
        groups[name] = range(len(chosen), len(chosen) + len(picked))
        chosen += [fitting[number] for number in picked]
    with scratch_engines() as (_, _, work, serve):
        world = plant_world(work, vectors, chosen, OWN_PARTITION_FROM + 1)
        rows = measure_search(serve, world, world.histories)
        for name, users in groups.items():
            some = {f"user {user}": world.histories[f"user {user}"] for user in users}
            rows += [row | {"name": f"{row['name']}, {name}"} for row in measure_search(serve, world, some)]
    for row in rows:
        print(row)  # noqa: T201
    if arguments.json:
        arguments.json.write_text(json.dumps({"n_items": len(titles), "n_users": len(chosen), "results": rows}, indent=1), encoding="utf-8")


def _vectors(titles: list[dict[str, Any]], kept: Path | None) -> npt.NDArray[np.float32]:
    if kept is not None and kept.exists():
        raw = np.load(kept)
    else:
        raw = TextEncoder(locate_model("sentence-transformers/all-MiniLM-L6-v2")).encode([item_text(title) for title in titles])
        if kept is not None:
            np.save(kept, raw)
    return centred(raw, centre_of(raw))[0]


if __name__ == "__main__":
    main()
