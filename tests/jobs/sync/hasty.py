"""Media servers that are asked for small pages, so that a list has several; nobody waits long."""

from functools import partial

from app.connect.media_servers import open_media_server

hasty = partial(open_media_server, pauses=(0.01, 0.01), page=7, timeout=10.0)
