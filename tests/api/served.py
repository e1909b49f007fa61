"""The service behind a real web server: TestClient would ask one after the other."""

import contextlib
import threading
import time
from collections.abc import Iterator

import uvicorn

from app.main import create_app
from app.settings import Settings


@contextlib.contextmanager
def served(settings: Settings) -> Iterator[str]:
    """Its address."""
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=0, access_log=False, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=15)
    assert not thread.is_alive()
