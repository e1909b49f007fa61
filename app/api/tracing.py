"""A span for each request, and in it one for each statement (OpenTelemetry). Imported only where traces have somewhere to go."""

import os

from fastapi import FastAPI
from opentelemetry import propagate
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from app.api.middleware import METHODS, QUIET_ROUTES, App, Receive, Scope, Send
from app.db.tracing import trace_engine

NAME = "palate"


def exporting_provider() -> TracerProvider:
    """Sends spans as OTEL_EXPORTER_OTLP_ENDPOINT and its kin say, in batches, from a thread of its own."""
    os.environ.setdefault("OTEL_SERVICE_NAME", NAME)
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def trace(app: FastAPI, provider: TracerProvider) -> None:
    tracer = provider.get_tracer(NAME)
    for engine in (app.state.serve, app.state.work, *(one.engine for one in app.state.reads.standbys)):
        trace_engine(engine, tracer)
    app.add_middleware(RequestSpans, tracer=tracer)


class RequestSpans:
    """ASGI middleware. OpenTelemetry's own would keep the address, which may hold an id that is a secret."""

    def __init__(self, app: App, tracer: Tracer) -> None:
        self.app, self.tracer = app, tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].endswith(QUIET_ROUTES):
            await self.app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else "other"
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with self.tracer.start_as_current_span(
            method, propagate.extract(headers), SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as span:

            async def send_and_note(message: Scope) -> None:
                if message["type"] == "http.response.start":
                    route = getattr(scope.get("route"), "path", "unmatched")
                    span.update_name(f"{method} {route}")
                    span.set_attributes(
                        {"http.request.method": method, "http.route": route, "http.response.status_code": message["status"]}
                    )
                    if message["status"] >= 500:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            await self.app(scope, receive, send_and_note)
