"""What Prometheus reads at /metrics."""

from prometheus_client import Counter, Gauge, Histogram

SECONDS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 2.0, 5.0, 15.0)

REQUEST_SECONDS = Histogram("palate_request_seconds", "Time to answer a request.", ["method", "route", "status"], buckets=SECONDS)
SEARCH_SECONDS = Histogram("palate_search_seconds", "Time from the user's context to a slate.", buckets=SECONDS)
FALLBACKS = Counter("palate_fallbacks_total", "Answers that were not personal, by source, or degraded, by cause.", ["cause"])
RANKER_FAILURES = Counter("palate_ranker_failures_total", "Rankers that could not be loaded, each time that it was tried.")
REPEATS = Counter("palate_answers_total", "Lists asked for: made, held in memory, or not modified since the caller had it.", ["how"])
SHORT_LISTS = Counter("palate_short_lists_total", "Answers with fewer items than asked for: the library had no more to give.")
INGESTED_ROWS = Counter("palate_ingested_rows_total", "Rows received, by kind and what became of them.", ["kind", "outcome"])
WATCH_THROUGH = Gauge(
    "palate_watch_through_ratio", "Of the titles shown in the last 7 days, the share watched since, by source; any: each once.", ["source"]
)
SKEWED_FEATURES = Gauge("palate_skewed_features", "Features that live rankers are served unlike they were trained on, over all servers.")
MISSING_VECTORS = Gauge(
    "palate_missing_vectors", "Available titles without a vector in a live space, by its kind, over all servers.", ["kind"]
)
STALE_TASTES = Gauge(
    "palate_stale_tastes", "Tastes that are missing or older than what was watched, by kind of space, over all servers.", ["kind"]
)
LAST_LEARNED = Gauge(
    "palate_last_learned_timestamp_seconds", "When item vectors were last learned from behaviour, on any server; 0: never."
)
DATABASE_UP = Gauge("palate_database_up", "1: the database answers and has this version's schema.")
DATABASE_BYTES = Gauge("palate_database_bytes", "Size of the database.")
DATABASE_ERRORS = Counter(
    "palate_database_errors_total",
    "Requests that failed for the database's sake: away, busy (no connection was free in time), or other.",
    ["cause"],
)
CONNECTIONS = Gauge(
    "palate_database_connections", "Connections of this process's pools that are in use, and how many there may be.", ["pool", "state"]
)
READS = Counter(
    "palate_reads_total",
    "Where reads went that a standby may answer: standby; primary, as none was fit; own_write, the primary too; failed.",
    ["where"],
)
STANDBYS = Gauge("palate_standbys", "Hot standbys that are read from (fit), and all that are configured.", ["state"])
STANDBY_LAG = Gauge("palate_standby_lag_seconds", "How far the furthest standby that answers is behind the primary.")
FREE_BYTES = Gauge("palate_data_folder_free_bytes", "Free space where the data folder is, and with it the embedded database.")
SLATES_DROPPED = Counter(
    "palate_slates_dropped_total", "Answers that should have been logged and were not: the database was away, or too slow."
)
LARGEST_PSI = Gauge("palate_feature_psi_max", "The largest population stability index of a feature as served against as trained.")
JOBS = Gauge("palate_jobs_last_day", "Jobs that ended in the last 24 hours, by name and how.", ["name", "outcome"])
JOB_SECONDS = Gauge("palate_job_seconds", "How long the jobs took that succeeded in the last 24 hours, their mean.", ["name"])
JOBS_QUEUED = Gauge("palate_jobs_queued", "Jobs that wait.")
OLDEST_QUEUED = Gauge("palate_jobs_oldest_queued_seconds", "How long the oldest of those that wait has; 0: none waits.")
