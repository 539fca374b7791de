"""Which segments of a live tape are deleted: the oldest first, by age and by size."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from markets.tape.segments import hour_of


def prune(folder: Path, now: datetime, *, keep_days: int, most_bytes: int) -> list[Path]:
    """Delete segments older than ``keep_days`` and, beyond ``most_bytes`` in all, the oldest (0 = no limit). Returns them.

    The present hour's segments stay whatever they weigh.
    """
    found = sorted((hour, path) for path in folder.glob("*.tape") if (hour := hour_of(path)) is not None)
    sizes = {path: path.stat().st_size for _, path in found}
    total, gone = sum(sizes.values()), []
    for hour, path in found:
        if hour + timedelta(hours=1) > now:
            continue
        too_old = keep_days and hour < now - timedelta(days=keep_days)
        if too_old or (most_bytes and total > most_bytes):
            path.unlink(missing_ok=True)
            total -= sizes[path]
            gone.append(path)
    return gone
