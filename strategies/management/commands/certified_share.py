"""``manage.py certified_share [SNAPSHOT_DIR]``: how many events are certified, by category and grade, and every certificate by name."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from kalbot.common import commands
from kalbot.common.errors import KalbotError
from markets.terms.grades import Grade
from markets.terms.rules_file import read_shipped
from markets.terms.special_settlements import IN_NO_GRADE
from strategies.catalogue import recorded, shares
from strategies.catalogue.shares import Certified


class Command(commands.Command):
    example = "manage.py certified_share"
    help = "The certified share of the open exclusive events, or of a recorded snapshot's, by category and grade."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("snapshot", type=Path, nargs="?", metavar="SNAPSHOT_DIR", help="a recorded snapshot")
        parser.add_argument(
            "--rules",
            action="append",
            default=[],
            metavar="FILE",
            help='rules texts by series for a snapshot without them ("public" = the texts that come with the program)',
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["snapshot"] is None:
                found = list(shares.of_rows())
            else:
                snapshot = recorded.load(options["snapshot"], None, read_shipped(options["rules"]))
                found = list(shares.of_snapshot(snapshot))
        except KalbotError as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            self.stdout.write(json.dumps(document(found), indent=1))
        else:
            self._print(found)

    def _print(self, found: list[Certified]) -> None:
        if not found:
            self.say("No exclusive event is open here, or recorded there: manage.py scan fills the catalogue.")
            return
        totals: Counter[Grade] = Counter()
        self.stdout.write(
            f"{'category':<24}{'exclusive':>10}"
            + "".join(f"{grade.label:>{_wide(grade)}}" for grade in Grade)
            + f"{'share':>8}"
        )
        for category, counted in shares.by_category(found).items():
            self.stdout.write(_line(category, counted))
            totals += counted
        self.stdout.write(_line("all", totals))
        self.stdout.write("")
        for one in found:
            if one.best is not Grade.CONDITIONAL:
                line = f"{one.event:<42} YES {one.yes.label:<26} NO {one.no.label:<26} rules {one.rules}"
                sides = [("YES", one.yes.label), ("NO", one.no.label), ("rules", one.rules)]
                self.facts(one.event, sides, line)
        refused = Counter(
            one.why or f"conditional on both sides, rules {one.rules}" for one in found if one.best is Grade.CONDITIONAL
        )
        for why, number in refused.most_common():
            self.say(f"not certified: {number} x {why}")
        self.say(IN_NO_GRADE)


def _wide(grade: Grade) -> int:
    return len(grade.label) + 2


def _line(category: str, counted: Counter[Grade]) -> str:
    number = counted.total()
    share = 0 if not number else (number - counted[Grade.CONDITIONAL]) / number
    return (
        f"{category:<24}{number:>10}"
        + "".join(f"{counted[grade]:>{_wide(grade)}}" for grade in Grade)
        + f"{share:>8.1%}"
    )


def document(found: list[Certified]) -> dict[str, Any]:
    """The report as JSON: grades by their labels."""
    return {
        "in_no_grade": IN_NO_GRADE,
        "categories": {
            category: {grade.label: counted[grade] for grade in Grade} | {"exclusive": counted.total()}
            for category, counted in shares.by_category(found).items()
        },
        "events": [
            {
                "event": one.event,
                "category": one.category,
                "yes": one.yes.label,
                "no": one.no.label,
                "rules": one.rules,
                "why": one.why,
            }
            for one in found
        ],
    }
