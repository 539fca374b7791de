"""manage.py compare_transactions FILE --year 2026 [--lines]"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from kalbot.common import commands
from kalbot.common.units import format_decimal
from kalbot.console.auth import audit
from kalbot.console.exports.check import check
from kalbot.console.exports.compare import Entry, NotTheForm
from kalbot.console.exports.history import DoesNotAddUp


class Command(commands.Command):
    example = "manage.py compare_transactions ~/Downloads/kalshi-2026.csv --year 2026"
    help = "Lay the exchange's transaction CSV of a tax year beside our live rows. Ends with 1 when they differ."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="As downloaded from the account.")
        parser.add_argument("--year", type=int, required=True, help="Calendar year in New York time.")
        parser.add_argument("--lines", action="store_true", help="Every line of the file, also those that agree.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 2021 <= options["year"] <= 2100:
            raise CommandError("--year is between 2021 and 2100.")
        try:
            found = check(options["file"].read_bytes(), options["year"], actor=audit.terminal_user())
        except OSError as error:
            raise CommandError(f"cannot read the file: {commands.words(error)}") from None
        except (NotTheForm, DoesNotAddUp) as error:
            raise CommandError(str(error)) from None
        for line in found.lines if options["lines"] else found.unmatched:
            self.stdout.write(f"line {line.number}: {_words(line)}: {line.words}{_of(line)}")
        for line in found.missing:
            self.stdout.write(f"not in the file: {_words(line)}{_of(line)}")
        for one in found.differences:
            self.stdout.write(f"{one.market} {one.side}: {one.sentence}")
        if found.skipped:
            self.stdout.write(f"{found.skipped} lines are no closed trades and were left out")
        self.stdout.write(found.sentence)
        if found.differences:
            raise CommandError("They differ.", returncode=1)


def _words(line: Entry) -> str:
    trade = line.trade
    return f"{trade.market} {trade.side} {format_decimal(trade.count, 2)}, profit {format_decimal(trade.profit, 6, 2)}"


def _of(line: Entry) -> str:
    return "".join(f", position #{position}" for position in line.positions if position)
