"""Packs: item vectors learned in one place and used in another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.connect.bodies import ITEMS
from app.connect.movielens import read_movielens
from app.connect.movielens_archive import LICENCE
from app.connect.pack import KEY, Card, Pack
from app.db import Engine, events, packs
from app.db.locks import only_one
from app.db.packs import Title
from app.errors import BadInput, NothingToLearn
from app.learn.collaborative import NextItem, weighed
from app.learn.events import MIN_ITEMS, Events
from app.learn.metrics import accuracy
from app.learn.next_item import ItemVectors, Parameters, learn
from app.learn.splits import unseen_users
from app.types import Progress, Server
from jobs.evaluation_data import events_in
from jobs.learn_collab import Learned, learn_revision
from jobs.memory import fitting, usual_bytes
from jobs.revision import is_enough
from jobs.watched import watched_in

# What one person alone watched is in no pack: its vector would say what else they did.
MIN_PEOPLE = 2
# Fewer known titles than this do not fill a first page.
MIN_KNOWN = 10
# Fewer people tell nothing of how good a model is.
MIN_MEASURED = 12
MAX_KEYS_OF_ITEM = 16

Keys = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Share:
    """How much of a server a pack knows."""

    part: str
    n_items: int
    n_items_known: int
    n_watched: int
    n_watched_known: int
    n_plays: int
    n_plays_known: int


@dataclass(frozen=True)
class Installed:
    """What an installation did; the first of `coverage` is of all items."""

    coverage: Sequence[Share]
    learned: Learned


def build_from_movielens(folder: Path, progress: Progress, *, name: str | None = None, parameters: Parameters | None = None) -> Pack:
    """Films that `folder` says the TMDB or IMDb id of, and that somebody rated. Raises BadInput."""
    chosen = parameters or Parameters()
    data = read_movielens(folder)
    found = events_in(data, "")
    if found is None:
        raise BadInput(f"{folder} holds no rating of a known film with a time, so there is nothing to learn from.")
    rated, library = found
    seen = fitting(weighed(rated), usual_bytes())
    moments = [signal.at for signal in data.signals if signal.at is not None]
    source = f"MovieLens ({name or folder.resolve().name})"
    pack = pack_of_films(seen, library.bodies, learn(seen, chosen, progress), chosen, source, _window(moments))
    return replace(pack, card=pack.card.model_copy(update={"metrics": measured(rated, chosen)}))


def pack_of_films(
    seen: Events, bodies: Sequence[Mapping[str, Any]], found: ItemVectors, parameters: Parameters, source: str, window: str | None
) -> Pack:
    """What was learned from MovieLens of the films with these bodies. Raises BadInput where none has an id that others know."""
    rows, _, _ = ITEMS.read(list(bodies))
    keys = [_written([f"movie:tmdb:{row.tmdb}"] * bool(row.tmdb) + [f"movie:imdb:{row.imdb}"] * bool(row.imdb)) for row in rows]
    if not any(keys):
        raise BadInput(
            f"{source} does not say which films of TMDB or IMDb these are. Put a links.csv (movieId,imdbId,tmdbId) beside the ratings."
        )
    return _packed(seen, keys, found, parameters, source=source, licence=LICENCE, window=window)


def build_from_server(engine: Engine, server: Server, progress: Progress, *, parameters: Parameters | None = None) -> Pack:
    """What this server's people watched, without what an installed pack knows: that is not this server's to give.

    Only items with a provider id that at least MIN_PEOPLE watched. Raises NothingToLearn.
    """
    chosen = parameters or Parameters()
    with engine.begin() as connection:
        rows = events.read_engagement(connection, server.id)
        titles = {title.item_id: title for title in packs.read_titles(connection, server.id)}
    watched = watched_in(rows)
    item_ids, seen = watched.item_ids, watched.events
    keys = [_written(titles[item_id].keys) if item_id in titles else [] for item_id in item_ids.tolist()]
    n_people = np.bincount(seen.items[seen.weights > 0], minlength=seen.n_items)
    kept = (n_people >= MIN_PEOPLE) & np.array([bool(of_item) for of_item in keys], dtype=np.bool_)
    seen = fitting(seen.counting(kept[seen.items]), usual_bytes())
    if not is_enough(seen):
        raise NothingToLearn(
            f"Too little was watched on {server.external_id} by more than one person to make a pack of: it takes {MIN_ITEMS} titles "
            "with a TMDB, IMDb or TVDB id."
        )
    begun_at = watched.begun_at[(seen.weights > 0) & ~np.isnan(watched.begun_at)]
    moments = [datetime.fromtimestamp(at, UTC) for at in begun_at.tolist()]
    return _packed(
        seen, keys, learn(seen, chosen, progress), chosen, source="a media server", window=_window(moments),
        licence="Whoever runs the server that this was learned on says what may be done with it.",
    )  # fmt: skip


def install(
    engine: Engine, server: Server, pack: Pack, now: datetime, progress: Progress,
    report: Callable[[Sequence[Share]], None] = lambda _: None, *, parameters: Parameters | None = None,
) -> Installed:  # fmt: skip
    """A collab space of the pack and what was watched here, live; `report` is told the coverage before anything is written.

    Raises BadInput where the pack knows next to nothing of this server, and AlreadyRunning while another process learns for it.
    """
    with only_one(engine, f"learn-collab {server.id}"):
        with engine.begin() as connection:
            titles = packs.read_titles(connection, server.id)
        rows = matched(titles, pack)
        shares = coverage_of(titles, rows)
        report(shares)
        known = rows >= 0
        if known.sum() < MIN_KNOWN:
            raise BadInput(
                f"The pack knows {known.sum():,} of the {len(titles):,} titles of {server.external_id}, too few to recommend from. "
                "It finds them by their TMDB, IMDb and TVDB ids (provider_ids)."
            )
        item_ids = np.array([title.item_id for title in titles], dtype=np.int64)[known]
        place = rows[known]
        with engine.begin() as connection:
            base = packs.put_aside(
                connection, server.id, pack.card.digest, pack.card.model_dump(), item_ids, pack.history[place], pack.target[place],
                pack.n_events[place].astype(np.int64),
            )  # fmt: skip
        return Installed(shares, learn_revision(engine, server, base, now, progress, parameters=parameters, is_judged=False))


def matched(titles: Sequence[Title], pack: Pack) -> npt.NDArray[np.int64]:
    """The row of the pack that each title is, by the first of its keys that the pack has; -1 for none."""
    row_of = {key: row for row, of_item in enumerate(pack.keys) for key in of_item}
    return np.array([next((row_of[key] for key in title.keys if key in row_of), -1) for title in titles], dtype=np.int64)


def coverage_of(titles: Sequence[Title], rows: npt.NDArray[np.int64]) -> list[Share]:
    """Of all, of each kind, and of each kind's decades."""
    parts: dict[str, list[tuple[Title, bool]]] = {"all": []}
    for title, is_known in sorted(zip(titles, (rows >= 0).tolist(), strict=True), key=lambda one: (one[0].kind, one[0].year or 0)):
        decade = f"{title.year // 10 * 10}s" if title.year else "no year"
        for part in ("all", title.kind, f"{title.kind}, {decade}"):
            parts.setdefault(part, []).append((title, is_known))
    return [_share(part, members) for part, members in parts.items()]


def measured(rated: Events, parameters: Parameters) -> dict[str, float]:
    """How good the same model is for a sixth of the people when it has learned from the others; nothing where they are few."""
    if rated.n_users < MIN_MEASURED:
        return {}
    task = unseen_users(rated, 0)[0]
    if not task.cases:
        return {}
    model = NextItem(parameters.rank, parameters)
    model.fit(fitting(task.train, usual_bytes()))
    found = accuracy(model.recommend(task.cases, 20), task.cases, rated.n_items)
    return {
        "ndcg@10": round(float(found.ndcg_10.mean()), 4), "recall@20": round(float(found.recall_20.mean()), 4),
        "n_people": len(task.cases),
    }  # fmt: skip


def _share(part: str, members: Sequence[tuple[Title, bool]]) -> Share:
    known = [title for title, is_known in members if is_known]
    every = [title for title, _ in members]
    return Share(
        part, len(every), len(known), sum(title.n_plays > 0 for title in every), sum(title.n_plays > 0 for title in known),
        sum(title.n_plays for title in every), sum(title.n_plays for title in known),
    )  # fmt: skip


def _packed(
    seen: Events, keys: Keys, found: ItemVectors, parameters: Parameters, *, source: str, window: str | None, licence: str,
) -> Pack:  # fmt: skip
    named = _claimed(keys, found.n_events)
    rows = np.flatnonzero(np.array([bool(of_item) for of_item in named], dtype=np.bool_) & (found.n_events > 0))
    if not len(rows):
        raise BadInput("Nothing that was watched has a TMDB, IMDb or TVDB id, by which a pack could name it.")
    card = Card(
        source=source, window=window, rank=found.target.shape[1], metrics={}, licence=licence,
        parameters={name: float(value) for name, value in asdict(parameters).items()}, n_items=len(rows),
        n_users=len(np.unique(seen.users[seen.weights > 0])), n_events=int(found.n_events[rows].sum()),
        made_with=f"palate {version('palate')}",
    )  # fmt: skip
    return Pack(
        card, [named[row] for row in rows.tolist()], found.history[rows].astype(np.float16), found.target[rows].astype(np.float16),
        found.n_events[rows].astype(np.int32),
    )  # fmt: skip


def _claimed(keys: Keys, n_events: npt.NDArray[np.int64]) -> list[list[str]]:
    """Where two items claim one key, the more watched has it."""
    taken: set[str] = set()
    named: list[list[str]] = [[] for _ in keys]
    for row in np.argsort(-n_events, kind="stable").tolist():
        named[row] = [key for key in dict.fromkeys(keys[row]) if key not in taken][:MAX_KEYS_OF_ITEM]
        taken.update(named[row])
    return named


def _written(keys: Sequence[str]) -> list[str]:
    """Without those that no pack may have, such as an id with a space in it."""
    return [key for key in keys if KEY.fullmatch(key)]


def _window(moments: Sequence[datetime]) -> str | None:
    """Whole years: when in them somebody watched is nobody's business."""
    return f"{min(moments).year} to {max(moments).year}" if moments else None
