"""Every endpoint against its own OpenAPI description."""

from typing import Any

import hypothesis
import pytest
import schemathesis

# Else the first test imports it, beside running threads: there CPython 3.11 once failed to compile it (AST recursion depth mismatch).
import schemathesis.specs.openapi.schemas
from hypothesis import HealthCheck, given
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection

from app.main import create_app
from app.settings import Settings
from app.types import Server

bounded = hypothesis.settings(max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def description(settings: Settings) -> Any:
    # An app of its own, as schemathesis starts and stops it. Not its pytest plugin: 4.32 fails on the nodes of pytest 9.2.
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(settings.model_copy(update={"operator_pages": "anyone"})))


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["as described", "not as described"])
def test_every_endpoint_does_what_its_description_says(
    description: Any, admin_key: str, mode: GenerationMode, subtests: pytest.Subtests
) -> None:
    for operation in (result.ok() for result in description.get_all_operations()):
        declared = {parameter.name for parameter in operation.query}
        # A bad row is refused in the answer, beside the good ones.
        left_out = [negative_data_rejection] if operation.path.startswith("/ingest/") else []

        @bounded
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: schemathesis.Case) -> None:
            # A parameter too many is nothing wrong: it is not read.
            hypothesis.assume(set(case.query or ()) <= declared)  # noqa: B023
            case.call_and_validate(headers={"Authorization": f"Bearer {admin_key}"}, excluded_checks=left_out)  # noqa: B023

        with subtests.test(operation.label):
            try:
                check()
            except Unsatisfiable:
                # A request without parameters or body can't be anything but as described.
                assert mode is GenerationMode.NEGATIVE
                assert not [*operation.query, *operation.path_parameters, *operation.body]


@pytest.mark.parametrize("name", ["items", "users", "plays", "signals"])
def test_rows_as_described_are_counted_one_by_one(description: Any, admin_key: str, server: Server, name: str) -> None:
    @bounded
    @given(case=description[f"/ingest/{name}"]["POST"].as_strategy(generation_mode=GenerationMode.POSITIVE))
    def check(case: schemathesis.Case) -> None:
        hypothesis.assume(case.media_type == "application/json")
        case.body["server_id"] = server.external_id
        counts = case.call_and_validate(headers={"Authorization": f"Bearer {admin_key}"}).json()
        assert counts["received"] == len(case.body[name])
        assert counts["received"] == counts["created"] + counts["updated"] + counts["unchanged"] + len(counts["rejected"])

    check()
