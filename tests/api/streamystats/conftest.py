"""A Palate that is connected to a made-up Jellyfin; tests that change either make their own."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.db import Engine
from tests.api.streamystats.attic import Attic, furnished, small_library
from tests.connect.fake_jellyfin.server import FakeJellyfin, serving


@pytest.fixture(scope="package")
def attic(engine: Engine) -> Iterator[Attic]:
    """Not to be changed."""
    with serving(FakeJellyfin(small_library())) as fake:
        yield furnished(engine, fake)
        assert fake.complaints == []


@pytest.fixture
def own_attic(engine: Engine) -> Iterator[Attic]:
    """To be changed."""
    with serving(FakeJellyfin(small_library())) as fake:
        yield furnished(engine, fake)
        assert fake.complaints == []


@pytest.fixture
def tv(client: TestClient) -> TestClient:
    """The service, asked without a key of its own, following no redirect."""
    return TestClient(client.app, raise_server_exceptions=False, follow_redirects=False)
