"""Processor time of other processes with all that they have started, as Linux counts it."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import Final

TICKS: Final = os.sysconf("SC_CLK_TCK")


def seconds(roots: list[int]) -> float:
    """User and system time of these processes, their descendants, and the children that they have waited for."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    own: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        children[int(fields[1])].append(int(entry.name))
        own[int(entry.name)] = sum(int(ticks) for ticks in fields[11:15])
    total, todo = 0, list(roots)
    while todo:
        pid = todo.pop()
        total += own.get(pid, 0)
        todo += children[pid]
    return total / TICKS
