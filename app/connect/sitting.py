"""From reports of somebody who is watching to one play that grows: floods of progress collapse to a report every two minutes."""

from dataclasses import replace
from datetime import datetime, timedelta

from app.connect.news import Report
from app.ingest_types import Sitting

# A tenth of an episode of 20 minutes. A stop is always taken, so this bounds what is lost where none comes.
MOVED_SECONDS = 120
# Another track, or a quality that changes: players stop and start. Also how late the last reports of a sitting may come.
RESUMES_WITHIN = timedelta(minutes=1)
# A start that is told again while it lasts: of what went on meanwhile, up to this much was not written down.
RESTARTS_WITHIN = RESUMES_WITHIN + timedelta(seconds=MOVED_SECONDS)
# Whoever paused for longer is not watching any more.
ABANDONED_AFTER = timedelta(hours=12)


def advance(before: Sitting | None, report: Report) -> Sitting | None:
    """The sitting after this report; `before` itself where it adds nothing; None where its beginning was never reported."""
    if report.what == "start":
        return _begin(before, report)
    if before is None or report.at - before.told_at > ABANDONED_AFTER:
        return None
    if before.ended_at is not None and report.at - before.ended_at > RESUMES_WITHIN:
        return None
    if report.what == "progress" and report.is_completed:
        # That it was watched to its end may be said by nothing else, and by a report that was overtaken by the end itself.
        return _grown(before, report, before.ended_at)
    if report.what == "progress" and (before.ended_at is not None or not _has_moved(before, report)):
        return before
    return _grown(before, report, report.at if report.what == "stop" else None)


def _grown(before: Sitting, report: Report, ended_at: datetime | None) -> Sitting:
    position = report.position_seconds if report.position_seconds is not None else before.position_seconds
    return Sitting(
        before.started_at,
        position,
        before.watched_seconds + _watched_since(before, report),
        max(before.told_at, report.at),
        ended_at,
    )


def begun_by(report: Report) -> Sitting:
    """A sitting of which nothing before this report is known."""
    return Sitting(report.at, report.position_seconds, 0, report.at, report.at if report.what == "stop" else None)


def _begin(before: Sitting | None, report: Report) -> Sitting:
    if before is None or report.at - before.told_at > (RESTARTS_WITHIN if before.ended_at is None else RESUMES_WITHIN):
        return begun_by(report)
    if report.at <= before.told_at:
        # Told again, or overtaken by what came after it.
        return before
    if before.ended_at is None:
        return _grown(before, report, None)
    position = report.position_seconds if report.position_seconds is not None else before.position_seconds
    return replace(before, position_seconds=position, told_at=report.at, ended_at=None)


def _has_moved(before: Sitting, report: Report) -> bool:
    if report.position_seconds is None or report.at <= before.told_at:
        return False
    return before.position_seconds is None or abs(report.position_seconds - before.position_seconds) >= MOVED_SECONDS


def _watched_since(before: Sitting, report: Report) -> int:
    """No more than the time that went by, as skipping ahead is not watching; no more than the title moved, as a pause is not either."""
    if report.position_seconds is None or before.position_seconds is None:
        return 0
    moved = report.position_seconds - before.position_seconds
    return max(min(moved, int((report.at - before.told_at).total_seconds())), 0)
