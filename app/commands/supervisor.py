"""One process tree for a home: starts the database, migrates, starts the service and the worker, and stops them in reverse."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime

import structlog

from app.commands.imports import import_into
from app.connect.demo.household import SERVER_ID, read_demo
from app.db import Engine
from app.db.embedded import Embedded, die_with_parent, start_or_attach, stop
from app.db.engine import check_database, working_engine
from app.db.servers import list_servers
from app.errors import NotReady, PalateError
from app.secrets import admin_key
from app.settings import Settings
from migrations.migrate import migrate

log = structlog.get_logger()

READY_SECONDS = 60.0
# What a request may take: its statement, or its wait for a connection. After SIGTERM, the service answers what is under way for so long.
GRACE_SECONDS = 15
STOP_SECONDS = {"serve": GRACE_SECONDS + 3.0, "worker": 6.0}
# A part that keeps failing is started again ever more slowly.
MAX_PAUSE_SECONDS = 30.0


class Supervisor:
    def __init__(self, settings: Settings, *, demo: bool) -> None:
        self.settings, self.demo = settings, demo
        self.database: Embedded | None = None
        self.parts: dict[str, subprocess.Popen[bytes]] = {}
        self.pauses: dict[str, float] = {}
        self.stopping = threading.Event()

    def run(self) -> None:
        """Until SIGINT or SIGTERM; from the main thread."""
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, lambda _signum, _frame: self.stopping.set())
        claim_port(self.settings)
        _, is_key_new = admin_key(self.settings)
        try:
            url = self._start_database()
            self._prepare(url)
            for name in ("serve", "worker"):
                self._start(name, url)
            self._wait_until_ready()
            self._greet(is_key_new)
            while not self.stopping.wait(1.0):
                self._keep_alive(url)
        finally:
            self._stop()

    def _start_database(self) -> str:
        if self.settings.database_url is not None:
            return self.settings.database_url.get_secret_value()
        self.database = start_or_attach(self.settings.data_dir)
        return self.database.url

    def _prepare(self, url: str) -> None:
        engine = working_engine(url)
        try:
            log.info("database", version=check_database(engine))
            migrate(engine)
            if self.demo and not self.stopping.is_set():
                self._load_demo(engine, url)
        finally:
            engine.dispose()

    def _load_demo(self, engine: Engine, url: str) -> None:
        with engine.begin() as connection:
            is_first_start = not list_servers(connection)
        if is_first_start:
            server, _ = import_into(engine, SERVER_ID, "Demo household", read_demo(datetime.now(UTC)))
            # A process of its own, so that this one never holds torch.
            subprocess.run(
                [sys.executable, "-m", "app.cli", "embed", "--server", server.external_id], env=self._environment(url), check=False
            )

    def _start(self, name: str, url: str) -> None:
        self.parts[name] = subprocess.Popen(
            [sys.executable, "-m", "app.cli", name],
            env=self._environment(url),
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches this process, which stops the others in order
            preexec_fn=lambda: die_with_parent(signal.SIGTERM),
        )

    def _environment(self, url: str) -> dict[str, str]:
        # Threads of a model that spin while they wait take the other core from PostgreSQL.
        return os.environ | {"PALATE_DATABASE_URL": url, "OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self.stopping.wait(0.1):
            if self.parts["serve"].poll() is not None:
                raise NotReady(f"The service did not start; is port {self.settings.port} taken? Its log above says more.")
            try:
                with urllib.request.urlopen(f"{self._address()}/health/ready", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                if time.monotonic() > deadline:
                    raise NotReady(f"The service was not ready after {READY_SECONDS:.0f} s. Its log above says more.") from None

    def _address(self) -> str:
        host = "127.0.0.1" if self.settings.host in ("0.0.0.0", "::") else self.settings.host
        return f"http://{host}:{self.settings.port}{self.settings.base_path}"

    def _greet(self, is_key_new: bool) -> None:
        lines = ["", f"Palate is running at {self._address()}/"]
        shown = "$PALATE_ADMIN_KEY"
        if self.settings.admin_key is None:
            file = self.settings.data_dir / "admin-key"
            shown = f"$(cat {file})"
            if is_key_new:
                lines.append(f"Admin key, shown this once and kept in {file}: {admin_key(self.settings)[0]}")
        lines.append("Try it:")
        path = f"/recommendations?server_id={SERVER_ID}&user_id=mara&limit=5" if self.demo else "/servers"
        lines.append(f"""  curl -H "Authorization: Bearer {shown}" "{self._address()}{path}\"""")
        print("\n".join(lines), flush=True)

    def _keep_alive(self, url: str) -> None:
        if self.database is not None and not self.database.is_running():
            log.warning("the database stopped; starting it again")
            if not self._restart_database():
                return
        for name, part in list(self.parts.items()):
            if part.poll() is None:
                continue
            pause = self._next_pause(name)
            log.error("a part stopped; starting it again", part=name, status=part.returncode, in_seconds=pause)
            if not self.stopping.wait(pause):
                self._start(name, url)

    def _restart_database(self) -> bool:
        """Where it does not come up, as on a full disk, it is tried again: the service says meanwhile that it is not ready."""
        try:
            self.database = start_or_attach(self.settings.data_dir)
        except PalateError as error:
            pause = self._next_pause("database")
            log.error("the database does not start; trying again", detail=str(error), in_seconds=pause)
            self.stopping.wait(pause)
            return False
        self.pauses.pop("database", None)
        return True

    def _next_pause(self, name: str) -> float:
        pause = self.pauses.get(name, 1.0)
        self.pauses[name] = min(2 * pause, MAX_PAUSE_SECONDS)
        return pause

    def _stop(self) -> None:
        for part in self.parts.values():
            part.terminate()
        started = time.monotonic()
        for name, part in self.parts.items():
            try:
                part.wait(max(0.1, started + STOP_SECONDS[name] - time.monotonic()))
            except subprocess.TimeoutExpired:
                part.kill()
                part.wait()
        if self.database is not None:
            stop(self.database)


def claim_port(settings: Settings) -> None:
    """Before anything is started or emptied: whoever answers there would be taken for this service. Raises NotReady."""
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            where = f"{settings.host}:{settings.port}"
            raise NotReady(f"{where} cannot be listened on ({error.strerror}). Set PALATE_PORT to a free port.") from None
