"""A Palate that is connected to two made-up Jellyfins. What a test changes of one it changes back."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.api.metrics import FALLBACKS
from app.db import Engine
from app.settings import Settings
from tests.api.served import served
from tests.api.streamystats.attic import Attic, Clock, furnished, small_library
from tests.api.streamystats.test_clients import Setting
from tests.connect.fake_jellyfin.library import generated, guid
from tests.connect.fake_jellyfin.server import FakeJellyfin, serving
from tests.planted import planted


@pytest.fixture(scope="package")
def attic(engine: Engine) -> Iterator[Attic]:
    with serving(FakeJellyfin(small_library())) as fake:
        yield furnished(engine, fake)
        assert fake.complaints == []


@pytest.fixture(scope="package")
def other_attic(engine: Engine) -> Iterator[Attic]:
    """Another family's."""
    with serving(FakeJellyfin(small_library())) as fake:
        yield furnished(engine, fake)
        assert fake.complaints == []


@pytest.fixture(scope="package")
def open_door(settings: Settings, attic: Attic) -> Iterator[dict[str, Setting]]:
    """Palate behind a web server, at the root and under a path, as a person of the attic enters it."""
    with served(settings) as root, served(settings.model_copy(update={"base_path": "/recs"})) as other:
        mine = attic.fake.url, attic.jellyfin_id, attic.tokens["ann"], attic.user_id("ann")
        yield {"": Setting(root, *mine), "/recs": Setting(f"{other}/recs", *mine)}


@pytest.fixture
def jellyfin() -> Iterator[FakeJellyfin]:
    """Not connected, with a user whose token is the planted `ann's`."""
    with serving(FakeJellyfin(generated(1, 0, 0, 1, 0))) as fake:
        fake.user_tokens[planted("ann's")] = guid("user 0")
        yield fake
        assert fake.complaints == []


@pytest.fixture
def tv(client: TestClient) -> TestClient:
    """The service, asked without a key of its own, following no redirect."""
    return TestClient(client.app, raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture(autouse=True)
def nothing_fails(request: pytest.FixtureRequest) -> Iterator[None]:
    """An empty list may be a failure, which is counted. Marked `fails`: the test wants one."""
    before = FALLBACKS.labels("failed")._value.get()
    yield
    assert (FALLBACKS.labels("failed")._value.get() > before) == (request.node.get_closest_marker("fails") is not None)


@pytest.fixture
def clock() -> Clock:
    return Clock()
