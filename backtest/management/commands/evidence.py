"""``manage.py evidence``: every seeded profile and some variants over every tape of a folder, as the tables of docs/evidence.md."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from backtest.options import rules_files
from backtest.studies import evidence
from backtest.studies.cards import cards
from backtest.studies.evidence import Line
from kalbot.common import commands
from kalbot.common.units import dollars
from kalbot.common.wording import many
from markets.fees import RATES


def _nothing(folder: Path, only: str) -> str:
    """Why there is nothing to replay below the folder."""
    if any(folder.glob("*.tape")):
        return f"{folder} is a tape itself: name the folder above it"
    found = [tape for tape in evidence.tapes(folder) if only in tape.name]
    if not found:
        return f"{folder} holds no tape{f' whose name contains {only!r}' if only else ''}"
    return f"{many(len(found), 'tape')} in {folder}, but none with books or quotes: nothing could have been bought"


class Command(commands.Command):
    example = "manage.py evidence tapes --jobs 2 --json results.json"
    help = "Backtest the seeded profiles and their variants over all tapes below a folder."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="tapes, each in a folder of its own (manage.py tape import)")
        parser.add_argument("--only", default="", help="tapes whose name contains this")
        parser.add_argument("--rules", action="append", default=[], help="as for backtest")
        parser.add_argument("--fees", choices=list(RATES), metavar="TYPE", default="", help="as for backtest")
        parser.add_argument(
            "--kept", type=Path, help="write each run here when it ends, and do not run again what is there"
        )
        parser.add_argument(
            "--jobs", type=commands.at_least(1), default=1, help="processes on this machine (default 1)"
        )
        parser.add_argument("--json", type=Path, help="write every result here")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["folder"].is_dir():
            raise CommandError(f"{options['folder']} is not a folder")
        wanted = [
            line
            for line in evidence.lines(options["folder"], rules_files(options["rules"]), options["fees"])
            if options["only"] in line.tape.name
        ]
        if not wanted:
            raise CommandError(_nothing(options["folder"], options["only"]))
        self.progress(f"{len(wanted)} runs; each is named when it is done")
        results = evidence.run_all(wanted, options["jobs"], options["kept"], self._done)
        if options["json"]:
            options["json"].write_text(json.dumps(evidence.document(results), default=str))
        self._table(evidence.tapes_table(options["folder"], options["only"]))
        self._table(evidence.markdown(results), titles=2)
        self._table(evidence.touch_table(options["folder"], options["only"]), titles=2)

    def _table(self, table: str, titles: int = 1) -> None:
        """Markdown for a file; at a terminal a paragraph a row."""
        width = shutil.get_terminal_size().columns
        self.stdout.write(f"\n{cards(table, width, titles)}" if self.stdout.isatty() else table)

    def _done(self, line: Line, result: dict[str, Any]) -> None:
        self.progress(f"{line.tape.name}, {line.name}: {result['baskets']} baskets, {dollars(result['profit'])}")
