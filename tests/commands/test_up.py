"""`palate up`: whatever of it ends is started again."""

import os
import signal
import time
from pathlib import Path

from tests.jobs.working import until
from tests.soak.service import running


def test_a_database_that_cannot_start_for_a_while_takes_nothing_else_with_it(tmp_path: Path) -> None:
    with running(None, tmp_path, "up") as palate, palate.client() as client:
        assert client.get("/servers").status_code == 200
        settings, postmaster = tmp_path / "postgres" / "postgresql.conf", tmp_path / "postgres" / "postmaster.pid"
        good = settings.read_text()
        settings.write_text("shared_buffers = rubbish\n")
        os.kill(int(postmaster.read_text().split()[0]), signal.SIGQUIT)
        until(lambda: client.get("/health/ready").status_code == 503)
        # Long enough for it to be tried more than once.
        time.sleep(4)
        assert palate.process.poll() is None
        assert palate.get("/health/live").status_code == 200
        assert client.get("/servers").status_code == 503
        settings.write_text(good)
        until(lambda: client.get("/servers").status_code == 200)
        palate.process.send_signal(signal.SIGTERM)
        assert palate.process.wait(30) == 0
