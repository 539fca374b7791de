"""``manage.py triage_evidence``: sources, learned errors, combination and market walked forward over recorded days."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandError, CommandParser

from kalbot.common import commands
from triage.evidence import advice_replay, advice_report, subjects
from triage.evidence.orphans import kinds, orphans, touches
from triage.evidence.recorded import read
from triage.evidence.report import markdown
from triage.evidence.walk_forward import run

BEGIN: Final = "<!-- walk-forward: begin -->"
ABOUT: Final = (
    "Holding less selling at the last bid, dollars a contract, legs of daily highs at 00:00 and 12:00 UTC of the event's day, with a 95 % "
    "interval over events; low to high is the bid in dollars. Written by manage.py triage_evidence --legs."
)
END: Final = "<!-- walk-forward: end -->"


class Command(commands.Command):
    example = "manage.py triage_evidence recorded/weather"
    help = (
        "Score plain, learned and combined forecasts and the market on recorded days, each day from earlier days only."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=commands.folder, nargs="+", help="a folder of recorded sets")
        parser.add_argument("--write", type=Path, help="a page whose marked part is replaced by the tables")

        parser.add_argument(
            "--legs", type=Path, help="write what legs brought held against sold to this file, and nothing else"
        )

        parser.add_argument(
            "--advice", action="store_true", help="advice replayed on prints: leaving against holding, by reason"
        )
        parser.add_argument("--subjects", action="store_true", help="coins and games instead of temperatures")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["subjects"]:
            return self._part("subjects", subjects.markdown(options["folder"]), options["write"])
        if options["advice"]:
            return self._part("advice", advised(options["folder"]), options["write"])
        if options["legs"] is not None:
            return self._legs(options["folder"], options["legs"])
        recorded = read(options["folder"])
        if not recorded.cases:
            raise CommandError("These folders hold no settled day of a daily high with a forecast or a price.")
        tables = markdown(run(recorded.cases), recorded)
        if options["write"] is None:
            self.stdout.write(tables)
            return None
        replace_part(options["write"], tables, BEGIN, END)
        self.stdout.write(f"{len(recorded.cases)} forecast moments written to {options['write']}.")
        return None

    def _legs(self, folders: list[Path], file: Path) -> None:
        found = kinds(orphans(folders))
        if not found:
            raise CommandError("These folders hold no prints of settled events.")
        rows = [asdict(one) for one in found]
        file.write_text(json.dumps({"about": ABOUT, "legs": rows}, indent=1) + "\n", "utf-8")
        self.stdout.write(f"{len(rows)} kinds of legs written to {file}.")

    def _part(self, name: str, tables: str, page: Path | None) -> None:
        """Tables to a marked part of a page, or to the terminal."""
        if not tables:
            raise CommandError(f"These folders hold nothing for {name}.")
        if page is None:
            self.stdout.write(tables)
            return
        replace_part(page, tables, BEGIN.replace("walk-forward", name), END.replace("walk-forward", name))
        self.stdout.write(f"written to {page}.")


def advised(folders: list[Path]) -> str:
    """The tables of advice replayed on these folders' prints; empty without settled events."""
    touch, results = touches(folders)
    events = list(advice_replay.settled_events(touch, results))
    if not events:
        return ""
    views = advice_replay.views_of(run(read(folders).cases))
    return advice_report.markdown(advice_replay.replay(events, views))


def replace_part(page: Path, tables: str, begin: str, end: str) -> None:
    """Put the tables between the two marks of a page. CommandError where it has none."""
    before, found, rest = page.read_text("utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise CommandError(f"{page} has no part between {begin} and {end}.")
    page.write_text(f"{before}{begin}\n{tables}{end}{after}", "utf-8")
