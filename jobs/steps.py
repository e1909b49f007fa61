"""What each job does for one server, and the counters that say what it did.

What a step needs is imported where it is used: a worker that waits holds neither scipy nor torch.
"""

import contextlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from app.db import Engine, tastes
from app.db.events import LearningState, learning_state
from app.db.jobs import prune_jobs
from app.db.locks import only_one
from app.errors import AlreadyRunning
from app.job_types import JobName
from app.learn.events import MIN_ITEMS, MIN_USERS
from app.secrets import secret_key
from app.settings import Settings
from app.taste.recipes import is_text_alone
from app.types import Progress, Server

log = structlog.get_logger()

Counters = dict[str, float]

# What is compared: one recommender each of those that need no training of their own, and what people are really answered with.
EVALUATED = ("popularity", "text (centred)", "fused (served)")
HELD_OUT = 0.1
JOBS_KEPT = timedelta(days=60)


@dataclass(frozen=True)
class Task:
    """`is_by_clock`: nobody asked for it, so what has not changed is left as it is. `user_id`: only this one's taste."""

    engine: Engine
    settings: Settings
    server: Server
    user_id: int | None
    is_by_clock: bool
    now: datetime
    progress: Progress


def embed_items(task: Task) -> Counters:
    from jobs.embed_items import embed_items
    from jobs.refresh_tastes import refresh_tastes

    done = embed_items(task.engine, task.server, task.settings.embedding_model, task.now, task.progress)
    # What a title adds to a taste is known once it has its vector.
    n_tastes = refresh_tastes(task.engine, task.server.id, task.now, task.progress) if done.n_encoded else 0
    return {"n_encoded": done.n_encoded, "n_tastes": n_tastes, "n_live": int(done.went_live)}


def refresh(task: Task) -> Counters:
    from jobs.refresh_tastes import refresh_stale, refresh_tastes, refresh_user

    # The queue lets a job for all servers run beside one of this server's own.
    with only_one(task.engine, f"refresh-tastes {task.server.id}"):
        if task.user_id is not None:
            return {"n_tastes": refresh_user(task.engine, task.server.id, task.user_id, task.now)}
        of_all = refresh_stale if task.is_by_clock else refresh_tastes
        return {"n_tastes": of_all(task.engine, task.server.id, task.now, task.progress)}


def learn_collab(task: Task) -> Counters:
    from jobs.learn_collab import learn_collab

    done = learn_collab(task.engine, task.server, task.now, task.progress)
    return {"n_events": done.n_events, "n_items": done.n_items, "n_live": int(done.went_live)}


def learn_two_tower(task: Task) -> Counters:
    from jobs.learn_two_tower import ENOUGH, learn_two_tower

    done = learn_two_tower(task.engine, task.server, task.now, task.progress, least=ENOUGH)
    return {"n_events": done.n_events, "n_items": done.n_items, "n_live": int(done.went_live)}


def train_ranker(task: Task) -> Counters:
    from jobs.train_ranker import train_ranker

    done = train_ranker(task.engine, task.server, task.now, task.progress)
    return {"model_id": done.model_id, "ndcg@10": done.metrics["ndcg@10"], "n_live": int(done.went_live)}


def evaluate(task: Task) -> Counters:
    from app.commands.bench import scratch_engines
    from app.learn.splits import by_time
    from jobs.evaluate import RECOMMENDERS, evaluate_tasks
    from jobs.evaluate_served import served_recommenders
    from jobs.evaluation_data import read_server_events

    watched, cut, library = read_server_events(task.engine, task.server, task.settings.embedding_model, HELD_OUT)
    held_out = by_time(watched.events, watched.begun_at, watched.is_wanted, cut)
    with scratch_engines() as (_, _, work, serve):
        known = RECOMMENDERS | served_recommenders(work, serve)
        chosen = {name: known[name] for name in EVALUATED}
        name = f"server {task.server.external_id}"
        report = evaluate_tasks(name, "server", watched.events, held_out, library, chosen, 0, task.progress)
    return {"n_cases": report["n_cases"]} | {f"{row['recommender']} ndcg@10": row["ndcg@10"] for row in report["results"]}


def sync_library(task: Task) -> Counters:
    from jobs.sync_library import sync_library

    done = sync_library(task.engine, task.server, secret_key(task.settings), task.now, task.progress)
    return {
        "n_items": done.items.n_changed, "n_plays": done.plays.n_changed, "n_signals": done.signals.n_changed, "n_users": done.n_users,
        "n_deleted": done.n_deleted, "n_held": len(done.held), "n_unsure": len(done.unsure), "n_requests": done.n_requests,
    }  # fmt: skip


def publish(task: Task) -> Counters:
    from jobs.playlist_plan import Wish
    from jobs.publish import counters, publish

    return counters(publish(task.engine, task.server, secret_key(task.settings), Wish(), task.now, task.progress))


def statistics(task: Task) -> Counters:
    with task.engine.begin() as connection:
        return {"n_items": tastes.write_statistics(connection, task.server.id)}


def watch_through(task: Task) -> Counters:
    from jobs.watch_through import count_watch_through

    kept_days = task.settings.slate_retention_days
    return {"n_days": count_watch_through(task.engine, task.server, kept_days, task.now, task.progress)}


def skew(task: Task) -> Counters:
    from jobs.skew import check_skew

    found = check_skew(task.engine, task.server, task.now)
    return {"n_features": len(found), "n_flagged": sum(one.is_flagged for one in found)}


def prune(task: Task) -> Counters:
    from jobs.prune import let_kept_spaces_go, prune

    n_rows, n_spaces = prune(task.engine, task.server, task.settings.slate_retention_days, task.now), 0
    with contextlib.suppress(AlreadyRunning):
        n_spaces = let_kept_spaces_go(task.engine, task.server, task.settings.kept_space_days, task.now)
    with task.engine.begin() as connection:
        return {"n_rows": n_rows, "n_spaces": n_spaces, "n_jobs": prune_jobs(connection, task.server.id, task.now - JOBS_KEPT)}


STEPS: dict[JobName, Callable[[Task], Counters]] = {
    "embed-items": embed_items,
    "refresh-tastes": refresh,
    "learn-collab": learn_collab,
    "learn-two-tower": learn_two_tower,
    "train-ranker": train_ranker,
    "evaluate": evaluate,
    "sync-library": sync_library,
    "publish": publish,
    "statistics": statistics,
    "watch-through": watch_through,
    "skew": skew,
    "prune": prune,
}


def is_worth_starting(engine: Engine, name: JobName, server: Server) -> bool:
    """Of what the clock starts: learning from what was learned from already is not."""
    if name != "learn-collab":
        return True
    if is_text_alone(server):
        return False
    with engine.begin() as connection:
        return is_learning_due(learning_state(connection, server.id, MIN_ITEMS), MIN_ITEMS)


def is_learning_due(state: LearningState, enough: int) -> bool:
    """Of item vectors from behaviour: `enough` titles were watched and nothing was learned, or something is new."""
    if state.learned_at is None:
        return state.n_users >= MIN_USERS and state.n_seen >= enough
    return state.people != state.learned_people


def unforeseen(error: Exception) -> str:
    """What is said of an error that nobody foresaw. Its text may repeat values of a statement: only its kind and places are told."""
    log.error("unexpected error", error=type(error).__name__, exception="".join(traceback.format_tb(error.__traceback__)))
    return f"It failed unexpectedly ({type(error).__name__}). The worker's log says more."
