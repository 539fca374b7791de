"""``manage.py calibration``: what recorded prices said against what came, and whether correcting them has earned its use."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from rich.console import Console
from rich.table import Table

from backtest.calibration.observe import Observed, observe
from backtest.calibration.report import report
from backtest.models import CalibrationReport
from backtest.tapes_named import add_tapes, tapes_of
from kalbot.common import commands
from markets.tape.reader import Tape
from strategies.models import FamilyGate, ProbabilityCorrection


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
        parser.add_argument("--json", action="store_true", help="print JSON for a program")

    def handle(self, *args: Any, **options: Any) -> None:
        observed: list[Observed] = []
        folders = tapes_of(options)
        for folder in folders:
            self.stderr.write(f"reading {folder.name}")
            try:
                observed += observe(Tape.open(folder).records())
            except FileNotFoundError as error:
                raise CommandError(str(error)) from None
        found = report(observed)
        if options["save"]:
            CalibrationReport.objects.create(tapes=[folder.name for folder in folders], document=found)
        if options["use"]:
            self.stderr.write(f"{use(found)} corrections are used from now on")
            self.stderr.write(f"{use_families(found)} gates are open for probabilities of families from now on")
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


def use(found: dict[str, Any]) -> int:
    """Put the corrections of a report that have earned their use in the place of those in force; returns how many."""
    rows = [
        ProbabilityCorrection(
            category=one["category"],
            lead_hours=one["lead"],
            power=one["power"],
            e_value=one["e_value"],
            events=one["events"],
        )
        for one in found["groups"]
        if one["is_used"]
    ]
    with transaction.atomic():
        ProbabilityCorrection.objects.all().delete()
        ProbabilityCorrection.objects.bulk_create(rows)
    return len(rows)


def use_families(found: dict[str, Any]) -> int:
    """The same of the probabilities of families: what is earned takes the place of the gates in force, with nothing scored since; returns
    how many are open."""
    rows = [
        FamilyGate(category=one["category"], lead_hours=one["lead"], e_value=one["e_value"], events=one["events"])
        for one in found["across"]
        if one["has_earned"]
    ]
    with transaction.atomic():
        FamilyGate.objects.all().delete()
        FamilyGate.objects.bulk_create(rows)
    return len(rows)


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
