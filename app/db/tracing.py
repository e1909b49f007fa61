"""A span for each statement. Its text is told, which holds no value: parameters are always bound."""

import re
from typing import Any

from opentelemetry.trace import SpanKind, StatusCode, Tracer
from sqlalchemy import Engine, event

MAX_TEXT = 2_000


def trace_engine(engine: Engine, tracer: Tracer) -> None:
    def begin(_connection: object, _cursor: object, sql: str, _values: object, context: Any, _is_many: bool) -> None:
        if context is not None:
            attributes = {"db.system.name": "postgresql", "db.query.text": sql[:MAX_TEXT]}
            context.palate_span = tracer.start_span(_verb(sql), kind=SpanKind.CLIENT, attributes=attributes)

    def end(_connection: object, _cursor: object, _sql: str, _values: object, context: Any, _is_many: bool) -> None:
        span = getattr(context, "palate_span", None)
        if span is not None:
            span.end()

    def fail(failed: Any) -> None:
        span = getattr(failed.execution_context, "palate_span", None)
        if span is not None:
            # Its kind alone: the text of an error repeats values.
            span.set_attribute("error.type", type(failed.original_exception).__name__)
            span.set_status(StatusCode.ERROR)
            span.end()

    event.listen(engine, "before_cursor_execute", begin)
    event.listen(engine, "after_cursor_execute", end)
    event.listen(engine, "handle_error", fail)


def _verb(sql: str) -> str:
    """Its first word, after what is said of it."""
    found = re.search(r"^\s*(?!--)(\w+)", sql, re.MULTILINE)
    return found[1].upper() if found else "statement"
