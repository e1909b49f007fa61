"""A client of small pages, so that a list has several; nobody waits long."""

from functools import partial

from app.connect.jellyfin_client import JellyfinClient

hasty = partial(JellyfinClient, pauses=(0.01, 0.01), page=7, timeout=10.0)
