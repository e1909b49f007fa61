"""What Prometheus reads at /metrics. Web processes that share a port count into files, which whoever is asked adds up."""

import os
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

# prometheus_client looks for it when it is imported: it stands in the environment before a web process starts.
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
READINGS = CollectorRegistry()


class Reading(Collector):
    """A gauge of what is so at the moment of a scrape: whoever is asked reads it then. One of prometheus_client's own would leave in the
    files what each process read last, and can take no label back there."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str] = ()) -> None:
        self.name, self.documentation, self.labels = name, documentation, tuple(labels)
        self._values: Mapping[tuple[str, ...], float] = {} if labels else {(): 0.0}
        READINGS.register(self)

    def set(self, value: float) -> None:
        self._values = {(): value}

    def set_all(self, values: Mapping[tuple[str, ...], float]) -> None:
        """By their labels' values; those that are not among them go."""
        self._values = values

    def collect(self) -> Iterator[GaugeMetricFamily]:
        found = GaugeMetricFamily(self.name, self.documentation, labels=self.labels)
        for labels, value in self._values.items():
            found.add_metric(labels, value)
        yield found


def exposition() -> bytes:
    """What all web processes counted, and what this one has read."""
    counted = REGISTRY
    if FOLDER_VARIABLE in os.environ:
        counted = CollectorRegistry()
        MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    return generate_latest(counted) + generate_latest(READINGS)


SECONDS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 2.0, 5.0, 15.0)

REQUEST_SECONDS = Histogram("palate_request_seconds", "Time to answer a request.", ["method", "route", "status"], buckets=SECONDS)
SEARCH_SECONDS = Histogram(
    "palate_search_seconds", "Time from the user's context to a list, by what was asked for.", ["answer"], buckets=SECONDS
)
FALLBACKS = Counter("palate_fallbacks_total", "Answers that were not personal, by source, or degraded, by cause.", ["cause"])
RANKER_FAILURES = Counter("palate_ranker_failures_total", "Rankers that could not be loaded, each time that it was tried.")
REPEATS = Counter("palate_answers_total", "Lists asked for: made, held in memory, or not modified since the caller had it.", ["how"])
SHORT_LISTS = Counter("palate_short_lists_total", "Answers with fewer items than asked for: the library had no more to give.")
INGESTED_ROWS = Counter("palate_ingested_rows_total", "Rows received, by kind and what became of them.", ["kind", "outcome"])
WATCH_THROUGH = Reading(
    "palate_watch_through_ratio", "Of the titles shown in the last 7 days, the share watched since, by source; any: each once.", ["source"]
)
SKEWED_FEATURES = Reading("palate_skewed_features", "Features that live rankers are served unlike they were trained on, over all servers.")
MISSING_VECTORS = Reading(
    "palate_missing_vectors",
    "Available titles without a vector in a live space, by its kind, over all servers; in learned ones of those that were there.",
    ["kind"],
)
STALE_TASTES = Reading(
    "palate_stale_tastes", "Tastes that are missing or older than what was watched, by kind of space, over all servers.", ["kind"]
)
UNLEARNED = Reading(
    "palate_unlearned_seconds", "For how long plays have waited that nothing was learned from, where they have longest; 0: none waits."
)
DATABASE_UP = Reading("palate_database_up", "1: the database answers and has this version's schema.")
DATABASE_BYTES = Reading("palate_database_bytes", "Size of the database.")
DATABASE_ERRORS = Counter(
    "palate_database_errors_total",
    "Requests that failed for the database's sake: away, busy (no connection was free in time), or other.",
    ["cause"],
)
CONNECTIONS = Reading(
    "palate_database_connections", "Connections of this process's pools that are in use, and how many there may be.", ["pool", "state"]
)
READS = Counter(
    "palate_reads_total",
    "Where reads went that a standby may answer: standby; primary, as none was fit; own_write, the primary too; failed.",
    ["where"],
)
STANDBYS = Reading("palate_standbys", "Hot standbys that are read from (fit), and all that are configured.", ["state"])
STANDBY_LAG = Reading("palate_standby_lag_seconds", "How far the furthest standby that answers is behind the primary.")
FREE_BYTES = Reading("palate_data_folder_free_bytes", "Free space where the data folder is, and with it the embedded database.")
SLATES_DROPPED = Counter(
    "palate_slates_dropped_total", "Answers that should have been logged and were not: the database was away, or too slow."
)
LARGEST_PSI = Reading("palate_feature_psi_max", "The largest population stability index of a feature as served against as trained.")
WORKERS = Reading("palate_workers", "Workers that said within 30 seconds that they live: a process is two, for heavy and for light jobs.")
LOOKED = Reading("palate_worker_looked_seconds", "How long ago a worker last looked at what is due; +Inf: none ever has.")
JOBS = Reading("palate_jobs_last_day", "Jobs that ended in the last 24 hours, by name and how.", ["name", "outcome"])
JOB_SECONDS = Reading("palate_job_seconds", "How long the jobs took that succeeded in the last 24 hours, their mean.", ["name"])
JOBS_QUEUED = Reading("palate_jobs_queued", "Jobs that wait.")
OLDEST_QUEUED = Reading("palate_jobs_oldest_queued_seconds", "How long the oldest of those that wait has; 0: none waits.")
