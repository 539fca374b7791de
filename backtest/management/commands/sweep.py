"""``manage.py sweep``: many settings of a profile over one tape, walk-forward."""

from __future__ import annotations

import json
import time
import tomllib
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from backtest import studies, sweep
from backtest.options import BadOption, Options, profile_columns
from backtest.sweep import Found
from kalbot.common.units import dollars

POLL_SECONDS: Final = 2


class Command(BaseCommand):
    help = "Replay a grid of profile settings: chosen on the first part of a tape, judged on the rest."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tape", type=Path, required=True)
        parser.add_argument("--profile", default="careful")
        parser.add_argument("--try", dest="grid", action="append", required=True, help="column=[value, value]; repeat")
        parser.add_argument("--most", type=int, help="draw so many combinations instead of all")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--jobs", type=int, default=1, help="processes on this machine")
        parser.add_argument(
            "--workers",
            action="store_true",
            help="queue the runs for the workers, who need the tape's folder, and wait",
        )
        parser.add_argument("--cycle-seconds", type=int, default=3)
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            values = tomllib.loads("\n".join(options["grid"]))
            base = Options(
                options["tape"],
                profile_columns(options["profile"], []),
                seed=options["seed"],
                cycle_seconds=options["cycle_seconds"],
            )
            settings = list(sweep.grid(values, options["most"], options["seed"]))
            found = (
                self._by_workers(base, settings) if options["workers"] else sweep.run(base, settings, options["jobs"])
            )
        except (BadOption, FileNotFoundError, tomllib.TOMLDecodeError, TypeError) as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            rows = [
                {
                    "changes": one.changes,
                    "chosen": {"profit": one.chosen_profit, "baskets": one.chosen_baskets},
                    "judged": {"profit": one.judged_profit, "baskets": one.judged_baskets},
                }
                for one in found.tries
            ]
            document = {"tries": rows, "deflated": found.deflated, "sentence": found.sentence}
            self.stdout.write(json.dumps(document, indent=2))
            return
        table = Table("settings", "chosen on", "baskets", "judged on", "baskets", box=None)
        for one in found.tries[:30]:
            text = ", ".join(f"{name}={value}" for name, value in one.changes.items())
            table.add_row(
                text,
                dollars(one.chosen_profit),
                str(one.chosen_baskets),
                dollars(one.judged_profit),
                str(one.judged_baskets),
            )
        Console().print(table)
        self.stdout.write(found.sentence)

    def _by_workers(self, base: Options, settings: list[dict[str, Any]]) -> Found:
        """Queue the sweep and wait for it. What is queued goes on when this command is ended."""
        study = studies.over_workers(base, settings, actor="sweep")
        self.stderr.write(f"study {study.pk}: {2 * len(settings)} runs are queued")
        while (state := studies.progress(study)).left:
            time.sleep(POLL_SECONDS)
        result = studies.swept(study)
        if result is None:
            raise CommandError(f"study {study.pk} has no result: {'; '.join(state.failed)}")
        return result
