"""``manage.py triage_evidence``: sources, learned errors, combination and market walked forward over recorded days."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from triage.evidence.orphans import kinds, orphans
from triage.evidence.recorded import read
from triage.evidence.report import markdown
from triage.evidence.walk_forward import run

BEGIN: Final = "<!-- walk-forward: begin -->"
ABOUT: Final = (
    "Holding less selling at the last bid, dollars a contract, legs of daily highs at 00:00 and 12:00 UTC of the event's day, with a 95 % "
    "interval over events; low to high is the bid in dollars. Written by manage.py triage_evidence --legs."
)
END: Final = "<!-- walk-forward: end -->"


class Command(BaseCommand):
    help = (
        "Score plain, learned and combined forecasts and the market on recorded days, each day from earlier days only."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, nargs="+", help="a folder of recorded sets")
        parser.add_argument("--write", type=Path, help="a page whose marked part is replaced by the tables")

        parser.add_argument(
            "--legs", type=Path, help="write what legs brought held against sold to this file, and nothing else"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["legs"] is not None:
            return self._legs(options["folder"], options["legs"])
        recorded = read(options["folder"])
        if not recorded.cases:
            raise CommandError("These folders hold no settled day of a daily high with a forecast or a price.")
        tables = markdown(run(recorded.cases), recorded)
        if options["write"] is None:
            self.stdout.write(tables)
            return None
        page = options["write"].read_text("utf-8")
        before, begin, rest = page.partition(BEGIN)
        _, end, after = rest.partition(END)
        if not begin or not end:
            raise CommandError(f"{options['write']} has no part between {BEGIN} and {END}.")
        options["write"].write_text(f"{before}{BEGIN}\n{tables}{END}{after}", "utf-8")
        self.stdout.write(f"{len(recorded.cases)} forecast moments written to {options['write']}.")
        return None

    def _legs(self, folders: list[Path], file: Path) -> None:
        found = kinds(orphans(folders))
        if not found:
            raise CommandError("These folders hold no prints of settled events.")
        rows = [asdict(one) for one in found]
        file.write_text(json.dumps({"about": ABOUT, "legs": rows}, indent=1) + "\n", "utf-8")
        self.stdout.write(f"{len(rows)} kinds of legs written to {file}.")
