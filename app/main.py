"""The service, wired once."""

import contextlib
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import structlog
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from limits import parse

from app.api import (
    browse,
    evidence,
    health,
    ingest,
    jobs,
    models,
    problems,
    recommendations,
    servers,
    streamystats,
    streamystats_lists,
    streamystats_search,
    users,
    webhooks,
)
from app.api.body_limits import BodyLimits
from app.api.gauges import StoredGauges
from app.api.held_answers import HeldAnswers
from app.api.key_use import KeyUse
from app.api.metrics import RANKER_FAILURES, READS, SLATES_DROPPED
from app.api.middleware import BasePath, OperatorPages, RequestLog
from app.api.rate_limits import RateLimits
from app.api.streamystats_door import StreamystatsDoor
from app.api.write_slots import WriteSlots
from app.connect.jellyfin_user_token import UserTokens
from app.db.engine import serving_engine, writing_engine
from app.db.replicas import Reads
from app.db.servers import digest_of
from app.errors import DatabaseUnsuitable
from app.learn.second_stage import read_second_stage
from app.logs import configure_logs
from app.recommend.query_encoder import QueryEncoder
from app.recommend.rankers import Rankers
from app.recommend.slate_log import SlateLog
from app.secrets import admin_key, secret_key
from app.settings import Settings
from app.web import pages
from migrations.migrate import newest_revision

log = structlog.get_logger()


def create_app(settings: Settings) -> FastAPI:
    """`settings.database_url` must be set: `palate up` and `palate serve` set it to the embedded database's."""
    if settings.database_url is None:
        raise DatabaseUnsuitable(
            "PALATE_DATABASE_URL is not set. Start the service with palate up or palate serve, which bring a database."
        )
    app = FastAPI(title="Palate", docs_url="/docs", redoc_url=None, redirect_slashes=False, lifespan=_lifespan)
    url = settings.database_url.get_secret_value()
    state = app.state
    state.settings = settings
    state.serve = serving_engine(url, settings.pool_size)
    state.work = writing_engine(url, settings.pool_size)
    state.slate_log = SlateLog(state.work, settings.slate_log, settings.slate_features, SLATES_DROPPED.inc)
    read_url = settings.database_read_url.get_secret_value() if settings.database_read_url else None
    state.reads = Reads(state.serve, read_url, settings.pool_size, settings.read_lag_seconds, lambda where: READS.labels(where).inc())
    state.write_slots = WriteSlots(settings.pool_size)
    # Of their own: who watches waits for no connection and no thread while all of them are in use.
    state.watch = serving_engine(url, 2)
    state.watchers = ThreadPoolExecutor(2, thread_name_prefix="watch")
    state.stored_gauges = StoredGauges(state.watch, settings.schedule)
    state.rankers = Rankers(state.serve, read_second_stage, RANKER_FAILURES.inc)
    state.key_use = KeyUse(state.work)
    state.held_answers = HeldAnswers()
    state.user_tokens = UserTokens()
    state.query_encoder = QueryEncoder()
    state.newest_revision = newest_revision()
    state.admin_digest = digest_of(admin_key(settings)[0])
    secret = secret_key(settings)
    problems.install(app)
    for router in (
        recommendations.router,
        browse.router,
        servers.router,
        users.router,
        jobs.router,
        models.router,
        evidence.router,
        ingest.router,
        streamystats.router,
        streamystats_lists.router,
        streamystats_search.router,
        webhooks.router,
        health.router,
        health.operator_router,
    ):
        app.include_router(router)
    pages.install(app, secret)
    _add_middleware(app, settings)
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """The last is the outermost."""
    app.add_middleware(OperatorPages, who=settings.operator_pages)
    app.add_middleware(BodyLimits)
    if settings.rate_limit:
        app.add_middleware(RateLimits, limit=parse(settings.rate_limit), exempt=app.state.admin_digest)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=[origin.strip() for origin in settings.cors_origins.split(",")],
            allow_methods=["GET", "POST", "PUT", "DELETE"], allow_headers=["Authorization", "Content-Type", "If-None-Match"],
            expose_headers=["ETag", "Retry-After", "X-Request-Id"],
        )  # fmt: skip
    app.add_middleware(RequestLog)
    # Around the log, which answers what nobody expected.
    app.add_middleware(StreamystatsDoor)
    if settings.base_path:
        app.add_middleware(BasePath, base_path=settings.base_path)


def app_from_environment() -> FastAPI:
    """What uvicorn's processes call."""
    settings = Settings()
    configure_logs(settings)
    app = create_app(settings)
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        _trace(app)
    return app


def _trace(app: FastAPI) -> None:
    try:
        from app.api import tracing
    except ImportError:
        log.warning("no traces", detail="OTEL_EXPORTER_OTLP_ENDPOINT is set and OpenTelemetry is missing: make install brings it.")
        return
    tracing.trace(app, tracing.exporting_provider())


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.slate_log.start()
    app.state.reads.start()
    app.state.rankers.warm(0)
    yield
    app.state.slate_log.stop()
    app.state.query_encoder.stop()
    app.state.key_use.stop()
    app.state.user_tokens.stop()
    app.state.rankers.stop()
    app.state.reads.stop()
    app.state.watchers.shutdown(wait=False, cancel_futures=True)
    app.state.serve.dispose()
    app.state.work.dispose()
    app.state.watch.dispose()
