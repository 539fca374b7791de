"""Which tapes a command is about: by ``--tape`` as everywhere, or as arguments without a name, as some commands took them first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser


def add_tapes(parser: CommandParser, *, several: bool) -> None:
    """The two ways. ``several``: more than one may be named."""
    parser.add_argument("tapes", nargs="*", type=Path, metavar="TAPE", help="the same as --tape")
    what = "folder of a recording" + ("; repeat for several" if several else "")
    parser.add_argument("--tape", action="append", type=Path, default=[], metavar="FOLDER", dest="named", help=what)


def tapes_of(options: Mapping[str, Any]) -> list[Path]:
    """Every folder once, in the order in which they were named. Raises CommandError where none is."""
    found = list(dict.fromkeys([*options["named"], *options["tapes"]]))
    if not found:
        raise CommandError("which tape? --tape FOLDER")
    return found


def tape_of(options: Mapping[str, Any]) -> Path:
    """The only one. Raises CommandError where none is named, or several are."""
    found = tapes_of(options)
    if len(found) > 1:
        raise CommandError(f"one tape at a time: {', '.join(map(str, found))}")
    return found[0]
