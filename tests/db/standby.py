"""A hot standby of an embedded database, made with its own binaries."""

import subprocess
from pathlib import Path

from app.db import embedded
from app.db.embedded import Embedded, find_binaries, service_user, start_or_attach


def clone(primary: Embedded, folder: Path, slot: str) -> Embedded:
    binaries, owner = find_binaries(), service_user()
    cluster = folder / "postgres"
    cluster.mkdir(parents=True, mode=0o700)
    embedded._give(cluster, owner)
    command = [
        str(binaries / "pg_basebackup"), "-h", str(primary.sockets), "-U", "postgres", "-D", str(cluster), "-R", "-X", "stream",
        "-C", "-S", slot, "-c", "fast", "--no-sync",
    ]  # fmt: skip
    subprocess.run(embedded._as_owner(command, owner, [cluster, primary.sockets, binaries]), cwd="/", check=True)
    return start_or_attach(folder)
