"""How much of what was watched can be learned from in the memory that there is."""

from pathlib import Path

import numpy as np

from app.errors import NotEnoughMemory
from app.learn.events import Events
from app.learn.next_item import bytes_needed, largest_solve

# Where fewer of the watched items fit, what is learned is not worth its name.
MIN_SHARE = 0.1
# What a container may take, by the kernel's own account (control groups, version 2).
GROUP = Path("/sys/fs/cgroup")


def fitting(seen: Events, memory_bytes: int) -> Events:
    """Only events of the most watched items count, as many items as there is room for; equally often watched ones by position.

    Raises NotEnoughMemory where too few have room.
    """
    counts = np.bincount(seen.items[seen.weights > 0], minlength=seen.n_items)
    n_watched, n_room = int(np.count_nonzero(counts)), largest_solve(memory_bytes)
    if n_watched <= n_room:
        return seen
    if n_room < MIN_SHARE * n_watched:
        raise NotEnoughMemory(
            f"Learning from {n_watched:,} watched titles takes {_gigabytes(bytes_needed(n_watched))} of memory, from a tenth of them "
            f"{_gigabytes(bytes_needed(int(MIN_SHARE * n_watched)))}. It may take {_gigabytes(memory_bytes)}: free some, or allow more "
            "(`palate learn --memory`)."
        )
    chosen = np.zeros(seen.n_items, dtype=np.bool_)
    chosen[np.argsort(-counts, kind="stable")[:n_room]] = True
    return seen.counting(chosen[seen.items])


def usual_bytes() -> int:
    """What learning may take where nobody says otherwise: half of what is free."""
    return free_bytes() // 2


def free_bytes(group: Path = GROUP) -> int:
    """Of memory, without what only caches files; no more than the container has left, where it is limited."""
    with open("/proc/meminfo", encoding="ascii") as lines:
        fields = dict(line.split(":", 1) for line in lines)
    free = int(fields["MemAvailable"].split()[0]) * 1024
    try:
        limit, taken = (group / "memory.max").read_text(), int((group / "memory.current").read_text())
        cached = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())["inactive_file"]
    except OSError:
        return free
    return free if limit.strip() == "max" else max(0, min(free, int(limit) - taken + int(cached)))


def _gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:,.1f} MB"
