"""The service, wired once."""

import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI

from app.api import browse, evidence, health, ingest, models, problems, recommendations, servers, users
from app.api.gauges import StoredGauges
from app.api.metrics import RANKER_FAILURES
from app.api.middleware import BasePath, OperatorPages, RequestLog
from app.db.engine import serving_engine, working_engine
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
    state.work = working_engine(url, settings.pool_size)
    state.slate_log = SlateLog(state.work, settings.slate_log, settings.slate_features)
    state.stored_gauges = StoredGauges(state.serve)
    state.rankers = Rankers(state.serve, read_second_stage, RANKER_FAILURES.inc)
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
        models.router,
        evidence.router,
        ingest.router,
        health.router,
        health.operator_router,
    ):
        app.include_router(router)
    pages.install(app, secret)
    app.add_middleware(OperatorPages, who=settings.operator_pages)
    if settings.base_path:
        app.add_middleware(BasePath, base_path=settings.base_path)
    app.add_middleware(RequestLog)
    return app


def app_from_environment() -> FastAPI:
    """What uvicorn's processes call."""
    settings = Settings()
    configure_logs(settings)
    return create_app(settings)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.slate_log.start()
    app.state.rankers.warm(0)
    yield
    app.state.slate_log.stop()
    app.state.query_encoder.stop()
    app.state.rankers.stop()
    app.state.serve.dispose()
    app.state.work.dispose()
