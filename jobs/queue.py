"""The queue's tasks, one for each job: Procrastinate gives each job to one worker, one at a time for a job and a server."""

from procrastinate import App, BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.jobs import Job as QueuedJob

from app.db import Engine
from app.db.queue import HEAVY, HEAVY_QUEUE, LIGHT_QUEUE, queue_connector
from app.job_types import JOB_NAMES
from app.settings import Settings
from jobs.running import Again, run_job

# Where it failed before its row could say so: the database was away.
RETRY_SECONDS = 15


class AsTheRowSays(BaseRetryStrategy):
    """How often and when is decided with the row; handed back at a stop it runs again at once, wherever there is a worker."""

    def get_retry_decision(self, *, exception: BaseException, job: QueuedJob) -> RetryDecision | None:  # noqa: ARG002
        return RetryDecision(retry_in={"seconds": exception.seconds if isinstance(exception, Again) else RETRY_SECONDS})


def queue_app(engine: Engine, settings: Settings, url: str) -> App:
    app = App(connector=queue_connector(url))

    def run(context: JobContext, job_id: int) -> None:
        run_job(engine, settings, job_id, context.should_abort)

    for name in JOB_NAMES:
        app.task(name=name, queue=HEAVY_QUEUE if name in HEAVY else LIGHT_QUEUE, pass_context=True, retry=AsTheRowSays())(run)
    return app
