"""``manage.py learn_from_tape``: what sources said on a tape, settled where the tape or the database knows the value, teaches triage."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from backtest.studies import lessons
from backtest.tapes_named import add_tapes, tape_of
from kalbot.common import commands
from kalbot.common.wording import many
from triage.learning import learn


class Command(commands.Command):
    example = "manage.py learn_from_tape --tape tapes/2026-07-19 --dry-run"
    help = "Store what triage sources forecast on a tape and learn from what has settled."

    def add_arguments(self, parser: CommandParser) -> None:
        add_tapes(parser, several=False)
        parser.add_argument("--dry-run", action="store_true", help="count only")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = lessons.read(tape_of(options))
        except FileNotFoundError as error:
            raise CommandError(str(error)) from None
        settled = sum(row.settled_on is not None for row in found)
        self.stdout.write(f"{many(len(found), 'forecast')}, {settled} settled on the tape")
        if not found:
            raise CommandError("the tape holds no answer of a source that forecasts a number")
        if options["dry_run"]:
            return
        kept = lessons.keep(found)
        run = learn.run()
        version = run.version or (learn.write_version().pk if kept and settled else 0)
        self.stdout.write(
            f"{kept} are new here; " + (f"version {version} is in force" if version else "nothing new has settled")
        )
