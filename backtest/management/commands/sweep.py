"""``manage.py sweep``: many settings of a profile over one tape, walk-forward."""

from __future__ import annotations

import json
import time
import tomllib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from backtest.management.commands.backtest import seconds
from backtest.options import BadOption, Options, profile_columns
from backtest.studies import by_workers, sweep, tried
from backtest.studies.sweep import Fold, Found, Outcome, Try
from kalbot.common import commands
from kalbot.common.units import dollars

POLL_SECONDS: Final = 2


class Command(commands.Command):
    example = "manage.py sweep --tape tapes/2026-07-19 --try 'min_margin_ppm=[5000, 10000]' --jobs 2"
    help = "Replay a grid of profile settings: chosen on the first part of a tape, judged on the rest."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tape", type=Path, required=True, help="folder of a recording")
        parser.add_argument(
            "--profile", default="careful", help="stored or seeded name, or a TOML file (default careful)"
        )
        parser.add_argument("--try", dest="grid", action="append", required=True, help="column=[value, value]; repeat")
        parser.add_argument("--most", type=int, help="draw so many combinations instead of all")
        parser.add_argument(
            "--seed", type=int, default=1, help="another one draws other luck of fills and delays (default 1)"
        )
        parser.add_argument("--jobs", type=int, default=1, help="processes on this machine")
        parser.add_argument(
            "--workers",
            action="store_true",
            help="queue the runs for the workers, who need the tape's folder, and wait",
        )
        parser.add_argument(
            "--folds", type=int, default=1, help="how often is chosen and judged; 1: on 60 %% and the rest"
        )
        parser.add_argument(
            "--cycle-seconds", type=seconds, default=3, help="beat's interval (default 3); longer is faster and coarser"
        )
        parser.add_argument("--json", action="store_true", help="print JSON for a program")

    def handle(self, *args: Any, **options: Any) -> None:
        for name in ("jobs", "folds", "most"):
            if options[name] is not None and options[name] < 1:
                raise CommandError(f"--{name} must be at least 1")
        try:
            values = _grid(options["grid"])
            base = Options(
                options["tape"],
                profile_columns(options["profile"], []),
                seed=options["seed"],
                cycle_seconds=options["cycle_seconds"],
            )
            settings = list(sweep.grid(values, options["most"], options["seed"]))
            sweep.parts(base, settings, options["folds"])  # raises what is wrong with them before any counts as tried
            earlier = tried.note(base, settings)
            found = (
                self._by_workers(base, settings, options["folds"])
                if options["workers"]
                else sweep.run(base, settings, options["jobs"], options["folds"])
            )
        except (BadOption, OSError, TypeError) as error:
            raise CommandError(commands.words(error)) from None
        found = replace(found, earlier=earlier)
        if options["json"]:
            rows = [
                {
                    "changes": one.changes,
                    "chosen": _document(one.chosen),
                    "judged": _document(one.judged),
                }
                for one in found.tries
            ]
            folds = [
                {"changes": one.changes, "chosen": _document(one.chosen), "judged": _document(one.judged)}
                for one in found.folds
            ]
            document = {
                "tries": rows,
                "earlier": earlier,
                "folds": folds,
                "deflated": found.deflated,
                "sentence": found.sentence,
            }
            self.stdout.write(json.dumps(document, indent=2))
            return
        Console().print(_table("settings", found.tries[:30]))
        if len(found.folds) > 1:
            Console().print(_table("chosen before each part", found.folds))
        self.stdout.write(found.sentence)

    def _by_workers(self, base: Options, settings: list[dict[str, Any]], folds: int) -> Found:
        """Queue the sweep and wait for it. What is queued goes on when this command is ended."""
        study = by_workers.over_workers(base, settings, actor="sweep", folds=folds)
        self.progress(f"study {study.pk}: {(folds + 1) * len(settings)} runs are queued")
        while (state := by_workers.progress(study)).left:
            time.sleep(POLL_SECONDS)
        result = by_workers.swept(study)
        if result is None:
            raise CommandError(f"study {study.pk} has no result: {'; '.join(state.failed)}")
        return result


def _grid(lines: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in lines:
        try:
            one = tomllib.loads(line)
        except tomllib.TOMLDecodeError as error:
            why = "it names no values" if "=" not in line else str(error)
            raise CommandError(f"--try {line} is not of the form column=[value, value]: {why}") from None
        if twice := found.keys() & one.keys():
            raise CommandError(f"--try names {min(twice)} twice: give all its values in one list")
        found |= one
    for name, values in found.items():
        if not isinstance(values, list) or not values:
            raise CommandError(f"--try is column=[value, value]: {name} has no list of values")
    return found


def _document(outcome: Outcome) -> dict[str, int]:
    return {"profit": outcome[0], "baskets": outcome[1]}


def _table(head: str, rows: Iterable[Try | Fold]) -> Table:
    table = Table(head, "chosen on", "baskets", "judged on", "baskets", box=None)
    for one in rows:
        text = ", ".join(f"{name}={value}" for name, value in one.changes.items())
        (chosen, before), (judged, after) = one.chosen, one.judged
        table.add_row(text, dollars(chosen), str(before), dollars(judged), str(after))
    return table
