"""A made-up Jellyfin, in both versions, and a made-up Emby, whose every request and answer has to conform to the official description."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Literal

import pytest

from tests.connect.fake_emby import FakeEmby
from tests.connect.fake_jellyfin.library import FakeLibrary, generated
from tests.connect.fake_jellyfin.server import FakeJellyfin, serving
from tests.connect.fake_plex import FakePlex


@pytest.fixture(params=[10, 12], ids=["10.11", "12"])
def major(request: pytest.FixtureRequest) -> Literal[10, 12]:
    """The tests that take it run against both."""
    found: Literal[10, 12] = request.param
    return found


@pytest.fixture
def make_jellyfin() -> Iterator[Callable[..., FakeJellyfin]]:
    with ExitStack() as stack:
        made: list[FakeJellyfin] = []

        def make(library: FakeLibrary, major: Literal[10, 12] = 12, base_path: str = "") -> FakeJellyfin:
            made.append(stack.enter_context(serving(FakeJellyfin(library, major, base_path))))
            return made[-1]

        yield make
        assert [complaint for fake in made for complaint in fake.complaints] == []


@pytest.fixture
def make_emby() -> Iterator[Callable[[FakeLibrary], FakeEmby]]:
    """Of a library whose items have numbers for ids: `numbered` makes them."""
    with ExitStack() as stack:
        made: list[FakeEmby] = []

        def make(library: FakeLibrary) -> FakeEmby:
            made.append(FakeEmby(library))
            stack.enter_context(serving(made[-1]))
            made[-1].url = made[-1].url.removesuffix(made[-1].base_path)
            return made[-1]

        yield make
        assert [complaint for fake in made for complaint in fake.complaints] == []


@pytest.fixture
def make_plex() -> Iterator[Callable[[FakeLibrary], FakePlex]]:
    """Of a library as for a Jellyfin: items and users get numbers."""
    with ExitStack() as stack:
        yield lambda library: stack.enter_context(serving(FakePlex(library)))


@pytest.fixture
def jellyfin(make_jellyfin: Callable[..., FakeJellyfin], major: Literal[10, 12]) -> FakeJellyfin:
    """12 films, 3 series of 12 episodes, 3 users of whom one is a child."""
    return make_jellyfin(generated(12, 3, 12, 3, 15), major)
