"""Made-up media servers to connect on the page."""

from tests.connect.conftest import major, make_jellyfin, make_plex

__all__ = ["major", "make_jellyfin", "make_plex"]
