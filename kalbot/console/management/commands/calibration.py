"""``manage.py calibration``: what recorded prices said against what came, and whether correcting them has earned its use."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from backtest.calibration.in_force import use, use_families
from backtest.calibration.observe import Observed, observe
from backtest.calibration.report import report
from backtest.models import CalibrationReport
from backtest.tapes_named import add_tapes, tapes_of
from kalbot.common import commands
from kalbot.console.auth import audit
from markets.tape.reader import Tape


class Command(commands.Command):
    example = "manage.py calibration --tape tapes/2026-07-19 --save"
    help = "Calibration of recorded prices by price, category and time to close, and the favourite-longshot correction, walk-forward."

    def add_arguments(self, parser: CommandParser) -> None:
        add_tapes(parser, several=True)
        parser.add_argument("--save", action="store_true", help="keep the report for the console")
        parser.add_argument(
            "--use",
            action="store_true",
            help="use the corrections and the families' probabilities that have earned it (e-value) for coverage, and no other",
        )
        parser.add_argument("--reason", type=audit.reason_written, help="Needed with --use; it is kept.")
        parser.add_argument("--json", action="store_true", help="print JSON for a program")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["use"] and not options["reason"]:
            raise CommandError("--use needs --reason: it changes what coverage buys.")
        observed: list[Observed] = []
        folders = tapes_of(options)
        for folder in folders:
            self.progress(f"reading {folder.name}")
            try:
                observed += observe(Tape.open(folder).records())
            except FileNotFoundError as error:
                raise CommandError(str(error)) from None
        found = report(observed)
        if options["save"]:
            CalibrationReport.objects.create(tapes=[folder.name for folder in folders], document=found)
        if options["use"]:
            self._use(found, options["reason"])
        if options["json"]:
            self.stdout.write(json.dumps(found, indent=2))
            return
        console = Console(width=None if sys.stdout.isatty() else 140)
        console.print(f"{found['events']:,} settled events, {found['observations']:,} observations")
        for part in found["prices"]:
            console.print(_bins(part))
        console.print(_groups(found))
        if found["across"]:
            console.print(_across(found))
        for what, value, source in found["public"]:
            console.print(f"published: {what}: {value} ({source})")

    def _use(self, found: dict[str, Any], reason: str) -> None:
        corrections, gates = use(found), use_families(found)
        audit.record(
            "use_calibration",
            actor=audit.terminal_user(),
            reason=reason,
            target="probabilities of coverage",
            result=f"{corrections} corrections in force, {gates} gates open for families, by the command line",
        )
        self.progress(f"{corrections} corrections are used from now on")
        self.progress(f"{gates} gates are open for probabilities of families from now on")


def _bins(part: dict[str, Any]) -> Table:
    table = Table(title=f"{part['lead']} h before the close")
    for head in ("price", "markets", "said", "came", "95 %"):
        table.add_column(head, justify="right")
    for one in part["bins"]:
        table.add_row(
            f"{one['low']:.0%} to {one['high']:.0%}",
            f"{one['markets']:,}",
            f"{one['said']:.2%}",
            f"{one['came']:.2%}",
            f"{one['from']:.2%} to {one['to']:.2%}",
        )
    return table


def _groups(found: dict[str, Any]) -> Table:
    table = Table(title="the correction against the plain probabilities (log score; negative is better)")
    for head in ("category", "lead, h", "events", "days", "power", "difference", "e-value", "used"):
        table.add_column(head, justify="right")
    for one in found["groups"]:
        interval = "" if one["log_interval"] is None else f" \N{PLUS-MINUS SIGN} {one['log_interval']:.4f}"
        table.add_row(
            one["category"],
            str(one["lead"]),
            f"{one['events']:,}",
            f"{one['days']:,}",
            f"{one['power']:.3f}",
            f"{one['log']:+.4f}{interval}",
            f"{one['e_value']:.2f}",
            "yes" if one["is_used"] else "too few" if one["too_few"] else "no",
        )
    return table


def _across(found: dict[str, Any]) -> Table:
    table = Table(title="quotes of whole families against each event's own (log score; negative is better)")
    for head in ("category", "lead, h", "events", "days", "difference", "e-value", "earned"):
        table.add_column(head, justify="right")
    for one in found["across"]:
        interval = "" if one["log_interval"] is None else f" \N{PLUS-MINUS SIGN} {one['log_interval']:.4f}"
        earned = "yes" if one["has_earned"] else "no"
        numbers = (f"{one['events']:,}", f"{one['days']:,}", f"{one['log']:+.4f}{interval}", f"{one['e_value']:.2f}")
        table.add_row(one["category"], str(one["lead"]), *numbers, earned)
    return table
