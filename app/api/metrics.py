"""What Prometheus reads at /metrics."""

from prometheus_client import Counter, Gauge, Histogram

SECONDS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 2.0, 5.0, 15.0)

REQUEST_SECONDS = Histogram("palate_request_seconds", "Time to answer a request.", ["method", "route", "status"], buckets=SECONDS)
SEARCH_SECONDS = Histogram("palate_search_seconds", "Time from the user's context to a slate.", buckets=SECONDS)
FALLBACKS = Counter("palate_fallbacks_total", "Answers that were not personal, by source, or degraded, by cause.", ["cause"])
RANKER_FAILURES = Counter("palate_ranker_failures_total", "Rankers that could not be loaded, each time that it was tried.")
SHORT_LISTS = Counter("palate_short_lists_total", "Answers with fewer items than asked for: the library had no more to give.")
INGESTED_ROWS = Counter("palate_ingested_rows_total", "Rows received, by kind and what became of them.", ["kind", "outcome"])
WATCH_THROUGH = Gauge(
    "palate_watch_through_ratio", "Of the titles shown in the last 7 days, the share watched since, by source; any: each once.", ["source"]
)
SKEWED_FEATURES = Gauge("palate_skewed_features", "Features that live rankers are served unlike they were trained on, over all servers.")
LARGEST_PSI = Gauge("palate_feature_psi_max", "The largest population stability index of a feature as served against as trained.")
JOBS = Gauge("palate_jobs_last_day", "Jobs that ended in the last 24 hours, by name and how.", ["name", "outcome"])
JOB_SECONDS = Gauge("palate_job_seconds", "How long the jobs took that succeeded in the last 24 hours, their mean.", ["name"])
JOBS_QUEUED = Gauge("palate_jobs_queued", "Jobs that wait.")
OLDEST_QUEUED = Gauge("palate_jobs_oldest_queued_seconds", "How long the oldest of those that wait has; 0: none waits.")
