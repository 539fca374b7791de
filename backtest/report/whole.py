"""Files that are there whole or not at all, whatever happens to the disk or to the process while they are written."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def check(path: Path) -> None:
    """Raise OSError where no such file can be written; what is there stays."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder")
    part = _part(path)
    try:
        part.touch()
    except OSError as error:
        error.filename = str(path)  # the one that is wanted
        raise
    part.unlink()


def write(path: Path, text: str) -> None:
    """Write ``text``; what was there before stays until all of it is on the disk. Raises OSError."""
    part = _part(path)
    try:
        part.write_text(text)
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")
