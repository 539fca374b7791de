"""``manage.py collateral FILE``: which reading of the exchange's collateral return agrees with the balances that it showed."""

from __future__ import annotations

import csv
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from kalbot.common import commands
from kalbot.common.units import Money, UnitError, dollars, parse_count, parse_money
from kalbot.common.wording import many
from markets.book import Side
from strategies.collateral.groups import Choices, Exclusive, Group, GroupError, Ladder
from strategies.collateral.learning import Difference, Observed, agreeing

COLUMNS = ("ticker", "side", "count", "cost", "available")


class Command(commands.Command):
    example = "manage.py collateral fills.csv --start 250.00"
    help = (
        "Compare the model of collateral return with an account: a CSV of the fills of one event, one a line, with the cost "
        "(price and fees) of each and the available balance that the exchange showed after it."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("steps", type=Path, metavar="FILE", help=f"columns {', '.join(COLUMNS)}")
        parser.add_argument(
            "--start",
            type=commands.dollars,
            required=True,
            help="available dollars before the first fill, nothing held",
        )
        parser.add_argument(
            "--ladder",
            metavar="TICKERS",
            help="thresholds of a DIRECNET event in the order of their strikes, separated by commas; without it MECNET",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            start, steps = options["start"], _read(options["steps"])
            found = agreeing(_group(options["ladder"], steps), start, steps)
        except UnicodeDecodeError:
            raise CommandError(f"{options['steps']} is not text in UTF-8") from None
        except (OSError, csv.Error, UnitError, GroupError, ValueError) as error:
            raise CommandError(commands.words(error)) from None
        if isinstance(found, Difference):
            raise CommandError(
                f"No reading agrees: after fill {found.step + 1} the nearest says {dollars(found.predicted)}, the exchange showed "
                f"{dollars(found.shown)}. Leave collateral return off."
            )
        self.stdout.write(f"To the micro-dollar, {many(len(steps), 'fill')} can be read as:")
        for choices in found:
            self.stdout.write(f"  {_words(choices)}")


def _read(path: Path) -> list[Observed]:
    with path.open(newline="") as file:
        rows = csv.DictReader(file)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{path} must have the columns {', '.join(COLUMNS)}")
        steps = [
            Observed(
                row["ticker"],
                Side(row["side"]),
                parse_count(row["count"]),
                Money(parse_money(row["cost"])),
                Money(parse_money(row["available"])),
            )
            for row in rows
        ]
    if not steps:
        raise ValueError(f"{path} holds no fill")
    return steps


def _group(ladder: str | None, steps: list[Observed]) -> Group:
    if ladder is not None:
        return Ladder(tuple(ladder.split(",")))
    return Exclusive(tuple(dict.fromkeys(step.ticker for step in steps)))


def _words(choices: Choices) -> str:
    counted = "YES and NO count" if choices.yes_counts else "only NO counts"
    return f"{counted} towards what is returned, {'in whole cents' if choices.whole_cents else 'exactly'}"
