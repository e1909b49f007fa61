"""Spans of requests and statements, with nothing secret in them; without an address to send them to, nothing is even imported."""

import subprocess
import sys

import pytest
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app.api.tracing import trace
from app.settings import Settings
from app.types import Server
from tests.api.conftest import MakeClient, bearer

PLANTED = "planted-user-id-93c1"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traced(make_client: MakeClient, exporter: InMemorySpanExporter) -> TestClient:
    client = make_client()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace(client.app, provider)
    return client


def one(spans: tuple[ReadableSpan, ...], name: str) -> ReadableSpan:
    [found] = [span for span in spans if span.name == name]
    return found


def test_a_request_is_a_span_and_its_statements_are_spans_in_it(
    traced: TestClient, exporter: InMemorySpanExporter, server: Server, admin_key: str
) -> None:
    caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    asked = {"server_id": server.external_id, "user_id": PLANTED}
    assert traced.get("/recommendations", params=asked, headers=bearer(admin_key) | {"traceparent": caller}).status_code == 404
    assert traced.get("/health/live").status_code == 200
    spans = exporter.get_finished_spans()
    request = one(spans, "GET /recommendations")
    assert request.attributes == {"http.request.method": "GET", "http.route": "/recommendations", "http.response.status_code": 404}
    assert f"{request.context.trace_id:x}" == "af7651916cd43dd8448eb211c80319c"
    inside = [span for span in spans if span.parent is not None and span.parent.span_id == request.context.span_id]
    assert len(inside) == len(spans) - 1 >= 2
    assert {span.name for span in inside} <= {"SELECT", "WITH"}
    assert {span.attributes["db.system.name"] for span in inside if span.attributes} == {"postgresql"}
    told = " ".join(span.to_json() for span in spans)
    assert PLANTED not in told
    assert admin_key not in told
    assert server.external_id not in told


def test_a_statement_that_fails_is_a_span_that_says_so(traced: TestClient, exporter: InMemorySpanExporter) -> None:
    with pytest.raises(ProgrammingError), traced.app.state.serve.connect() as connection:
        connection.execute(text("SELECT no_such_column FROM users WHERE name = :name"), {"name": PLANTED})
    span = one(exporter.get_finished_spans(), "SELECT")
    assert span.status.status_code is StatusCode.ERROR
    assert PLANTED not in span.to_json()


def test_nothing_of_it_is_imported_unless_there_is_somewhere_to_send_it(settings: Settings) -> None:
    program = """
import os, sys
from app.main import app_from_environment
for endpoint in ("", "http://127.0.0.1:9/"):
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
    app = app_from_environment()
    print("opentelemetry.sdk" in sys.modules, "RequestSpans" in {one.cls.__name__ for one in app.user_middleware})
"""
    assert settings.database_url is not None
    environment = {
        "PALATE_DATABASE_URL": settings.database_url.get_secret_value(), "PALATE_DATA_DIR": str(settings.data_dir), "PATH": "/usr/bin:/bin",
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    sys.stderr.write(done.stderr)
    assert done.stdout.split() == ["False", "False", "True", "True"]
