"""Several web processes count together: whichever is asked at /metrics says what all of them did."""

import os
import signal
from pathlib import Path

import pytest

from app.commands.service import counting_folder
from app.settings import Settings
from tests.jobs.working import children, until
from tests.soak.service import Service, running

N_ASKED = 60


def counted(service: Service, series: str) -> float:
    """Each time on a connection of its own, which either process may take."""
    lines = service.get("/metrics").text.splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(series)), 0.0)


def asked(service: Service) -> float:
    return counted(service, 'palate_request_seconds_count{method="GET",route="/api/version",status="200"}')


def ask(service: Service) -> None:
    for _ in range(N_ASKED):
        assert service.get("/api/version").status_code == 200


def takers(service: Service) -> list[int]:
    """The processes that take requests: each holds the socket that they share, as their parent does."""
    return [pid for pid in children(service.process.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_what_the_processes_of_an_earlier_start_counted_is_gone(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path)
    (counting_folder(settings) / "counter_1.db").write_bytes(b"damaged")
    assert list(counting_folder(settings).iterdir()) == []


def test_counters_are_of_all_processes_whichever_is_asked(database_url: str, tmp_path: Path) -> None:
    with running(database_url, tmp_path, PALATE_WEB_PROCESSES="2", PALATE_RATE_LIMIT="") as service:
        ask(service)
        until(lambda: asked(service) == N_ASKED)
        assert {asked(service) for _ in range(20)} == {N_ASKED}
        assert {counted(service, "palate_database_up") for _ in range(20)} == {1}
        # A second service that finds the port taken leaves alone what the first counts.
        with (
            pytest.raises(AssertionError),
            running(database_url, tmp_path, PALATE_WEB_PROCESSES="2", PALATE_PORT=service.address.rpartition(":")[2]),
        ):
            pass
        assert {asked(service) for _ in range(5)} == {N_ASKED}
        # What a process counted that is gone stays counted.
        os.kill(takers(service)[0], signal.SIGKILL)
        ask(service)
        until(lambda: asked(service) == 2 * N_ASKED)
        assert {asked(service) for _ in range(20)} == {2 * N_ASKED}
