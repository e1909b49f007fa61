"""The demo household: a library of real films and series as facts, and four invented people with readable habits."""

import functools
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from app.connect.bodies import ITEMS, PLAYS, SIGNALS, USERS
from app.connect.importing import Import

SOURCE = "demo"
SERVER_ID = "demo"
FOLDER = Path(__file__).parent


def read_demo(now: datetime) -> Import:
    """The same household each time, its habits counted back from `now`."""
    household = json.loads((FOLDER / "household.json").read_text(encoding="utf-8"))
    titles = {title["item_id"]: title for title in _titles()}
    users = [{name: value for name, value in user.items() if name != "habit"} for user in household["users"]]
    today = now.replace(hour=20, minute=0, second=0, microsecond=0)
    plays = [play for row in household["watched"] for play in _plays(row, titles[row["item_id"]], today)]
    signals = [_signal(row, today) for row in household["signals"]]
    return Import(
        SOURCE,
        ITEMS.read([*demo_item_bodies(), *_episodes()])[0],
        USERS.read(users)[0],
        PLAYS.read(plays)[0],
        SIGNALS.read(signals)[0],
    )


def demo_item_bodies() -> list[dict[str, Any]]:
    """Films and series as item bodies of the API."""
    return [{name: value for name, value in title.items() if name != "seasons"} for title in _titles()]


@functools.cache
def _titles() -> list[dict[str, Any]]:
    files = ("films_a.jsonl", "films_b.jsonl", "series.jsonl")
    return [json.loads(line) for file in files for line in (FOLDER / file).read_text(encoding="utf-8").splitlines()]


def _episodes() -> Iterator[dict[str, Any]]:
    for title in _titles():
        for season, n_episodes in enumerate(title.get("seasons", []), start=1):
            for episode in range(1, n_episodes + 1):
                yield {
                    "item_id": _episode_id(title["item_id"], season, episode),
                    "type": "episode",
                    "name": f"Episode {episode}",
                    "series_id": title["item_id"],
                    "season_number": season,
                    "episode_number": episode,
                    "runtime_seconds": title["runtime_seconds"],
                    "library_id": title["library_id"],
                }


def _plays(row: dict[str, Any], title: dict[str, Any], today: datetime) -> Iterator[dict[str, Any]]:
    parts = [
        _episode_id(title["item_id"], season, episode)
        for season, first, last in row.get("episodes", [])
        for episode in range(first, last + 1)
    ] or [title["item_id"]]
    for time in range(row.get("times", 1)):
        for number, part in enumerate(parts):
            # A series is watched two episodes an evening, and what is watched again, a month before each time.
            started = today - timedelta(days=row["days_ago"] + 30 * time + (len(parts) - 1 - number) // 2, minutes=-60 * (number % 2))
            yield {
                "play_id": f"{row['user_id']} {part} {time}",
                "user_id": row["user_id"],
                "item_id": part,
                "started_at": started.isoformat(),
                "played_seconds": int(title["runtime_seconds"] * row["percent"] / 100),
                "percent": row["percent"],
            }


def _signal(row: dict[str, Any], today: datetime) -> dict[str, Any]:
    return {
        "signal_id": f"{row['user_id']} {row['item_id']} {row['kind']}",
        "user_id": row["user_id"],
        "item_id": row["item_id"],
        "kind": row["kind"],
        "value": row["value"],
        "at": (today - timedelta(days=row["days_ago"])).isoformat(),
    }


def _episode_id(series_id: str, season: int, episode: int) -> str:
    return f"{series_id}-s{season:02d}e{episode:02d}"
