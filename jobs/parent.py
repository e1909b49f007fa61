"""Starts a heavy job in a process of its own, hears how far it is, and ends it where it is not to go on.

What its libraries take is given back when it is done, and what kills it kills no worker.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from app import errors
from app.errors import PalateError
from app.job_types import JobName
from app.types import Progress, Server
from jobs.steps import Counters

LOOK_EVERY_SECONDS = 0.25
# Nothing is lost when it is killed: it gets no long to end by itself.
END_SECONDS = 1.5


def perform_in_child(name: JobName, server: Server, is_by_clock: bool, progress: Progress, look: Callable[[], None]) -> Counters:
    """`look` is called again and again meanwhile, and raises where the child is to end. Raises what the child said was wrong."""
    command = [sys.executable, "-m", "jobs.child", name, str(server.id), "clock" if is_by_clock else "asked", str(os.getpid())]
    # A model's threads that spin while they wait take the other core from PostgreSQL. Its own session: Ctrl-C is for the worker.
    environment = os.environ | {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
    child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True)
    heard: dict[str, Any] = {}
    hearing = threading.Thread(target=_hear, args=(child, heard), daemon=True)
    hearing.start()
    try:
        while _is_running(child):
            if "total" in heard:
                progress(heard["done"], heard["total"])
            look()
        hearing.join()
    finally:
        _end(child)
    return _outcome(child, heard)


def _hear(child: subprocess.Popen[str], heard: dict[str, Any]) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict):
            heard.update(said)


def _is_running(child: subprocess.Popen[str]) -> bool:
    try:
        child.wait(LOOK_EVERY_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def _end(child: subprocess.Popen[str]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    if child.stdout is not None:
        child.stdout.close()


def _outcome(child: subprocess.Popen[str], heard: dict[str, Any]) -> Counters:
    if "counters" in heard:
        counters: Counters = heard["counters"]
        return counters
    if "error" in heard:
        kind = getattr(errors, str(heard.get("kind")), PalateError)
        raise kind(heard["error"])
    status = child.returncode
    how = f"was killed ({signal.Signals(-status).name}); was there enough memory?" if status < 0 else f"ended with exit status {status}"
    raise PalateError(f"Its process {how}. The worker's log says more.")
