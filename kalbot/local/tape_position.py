"""Where the tape stood when a dump was made, so that a restored database knows what was recorded since and can be replayed from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markets.tape.imports.source import iso
from markets.tape.reader import Tape


def position(folder: str) -> dict[str, Any] | None:
    """The end of every segment of the tape in ``folder``: bytes that were whole by now, and the last receive time (ns). None without a
    tape that can be read."""
    try:
        tape = Tape.open(Path(folder)) if folder else None
        last_ns = 0 if tape is None else tape.last_ns
    except OSError:
        return None
    if tape is None:
        return None
    ends = {segment.path.name: segment.blocks[-1].end if segment.blocks else 0 for segment in tape.segments}
    return {"folder": folder, "last_ns": last_ns, "segments": ends}


def since(kept: dict[str, Any] | None, folder: str) -> str:
    """What the tape in ``folder`` has beyond a kept position, in one sentence for a person. Segments that the retention has deleted since
    are counted; one that is shorter than it was is another file, and said to be."""
    if not kept:
        return "The dump names no tape."
    now = position(folder)
    if now is None:
        return f"The tape of the dump ({kept['folder']}) is not here: what came after the dump cannot be replayed."
    ends: dict[str, int] = now["segments"]
    cut = sorted(name for name, end in kept["segments"].items() if ends.get(name, end) < end)
    if cut:
        return f"The tape is not the one of the dump: {cut[0]} and {len(cut) - 1} more segments are shorter than they were."
    gone = sum(name not in ends for name in kept["segments"])
    lost = f" {gone} segments of before it are gone." if gone else ""
    if now["last_ns"] <= kept["last_ns"]:
        return f"The tape has nothing since the dump.{lost}"
    hours = (now["last_ns"] - kept["last_ns"]) / 3.6e12
    return (
        f"The tape has {hours:.1f} h since the dump; manage.py backtest --tape {folder} --from {iso(kept['last_ns'])[:19]} "
        f"replays them.{lost}"
    )
