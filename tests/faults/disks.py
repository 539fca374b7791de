"""Small disks, each a file system of its own in memory: a fault can fill one, and the machine's own is never full."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

DISK_BYTES: Final = 700 << 20
"""The rows of some minutes with the write-ahead log of as long."""


def can_be() -> bool:
    """Whether there are small disks. Where they can be, the program starts again, once, with mounts of its own, which end with it; where
    they cannot, it says so."""
    if os.geteuid() == 0 and shutil.which("unshare"):
        again = ["unshare", "--mount", sys.executable, "-m", "tests.faults.killing", *sys.argv[1:], "--small-disks"]
        os.execvp(again[0], again)
    print("LEFT OUT: full disks need root and unshare (Debian: apt install util-linux)", flush=True)
    return False


@contextlib.contextmanager
def mounted(place: Path) -> Iterator[None]:
    """A small disk at ``place`` until the block ends."""
    options = f"size={DISK_BYTES},mode=0755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False)


def filled(place: Path, seconds: float, passes: Callable[[float], None]) -> None:
    """The disk at ``place`` takes nothing for so long; ``passes`` is called to wait. What is given back meanwhile is taken too."""
    filler = place / "filler"
    until = time.monotonic() + seconds
    try:
        with filler.open("wb", buffering=0) as file:
            while time.monotonic() < until:
                with contextlib.suppress(OSError):
                    while file.write(bytes(1 << 12)):
                        pass
                passes(0.2)
    finally:
        filler.unlink()
