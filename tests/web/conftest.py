"""A made-up Jellyfin to connect on the page."""

from tests.connect.conftest import major, make_jellyfin

__all__ = ["major", "make_jellyfin"]
