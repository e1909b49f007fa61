"""Jobs: their names, and one of them as people see it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

JobName = Literal[
    "embed-items", "refresh-tastes", "learn-collab", "learn-two-tower", "train-ranker", "evaluate", "sync-library", "publish", "statistics",
    "watch-through", "skew", "prune",
]  # fmt: skip
JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]
JOB_NAMES: tuple[JobName, ...] = get_args(JobName)
# There is nothing to do for a server without a media server behind it.
OF_CONNECTED: frozenset[JobName] = frozenset({"sync-library", "publish"})


@dataclass(frozen=True, slots=True)
class Job:
    """`server` and `user` are the media server's own ids; None: all. `tick`: the moment of its schedule that it was started for, None where
    somebody or something asked for it. `attempt` rises with each start, `n_failures` with each that ended in an error.
    `counters`: what it did."""

    id: int
    name: JobName
    server_id: int | None
    server: str | None
    user_id: int | None
    user: str | None
    status: JobStatus
    tick: datetime | None
    attempt: int
    n_failures: int
    done: int
    total: int
    counters: dict[str, float]
    error: str | None
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def is_over(self) -> bool:
        return self.status not in ("queued", "running")

    def as_json(self) -> dict[str, Any]:
        """As the API answers it and commands write it."""
        times = {"tick": self.tick, "queued_at": self.queued_at, "started_at": self.started_at, "finished_at": self.finished_at}
        return {
            "job_id": self.id, "name": self.name, "server_id": self.server, "user_id": self.user, "status": self.status,
            "progress": {"done": self.done, "total": self.total}, **{name: at and at.isoformat() for name, at in times.items()},
            "counters": self.counters, "error": self.error,
        }  # fmt: skip
