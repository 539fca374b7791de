"""manage.py shadow PROFILE --reason "..." [--name NAME] [--stop]: give a live profile a paper twin on the same decisions."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from kalbot.common import commands
from kalbot.console.auth import audit
from strategies.cycle import shadows
from trading.management.commands.shadow_report import profile_named


class Command(commands.Command):
    example = 'manage.py shadow careful-live --reason "measure what live costs"'
    help = "Give a live profile a paper twin that takes the same decisions, or bring its settings up to date."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("profile", help="Name of the live profile.")
        parser.add_argument("--reason", required=True, type=audit.reason_written, help="Why; it is kept.")
        parser.add_argument("--name", default="", help="Of the twin; default: <profile>-paper.")
        parser.add_argument("--stop", action="store_true", help="Switch the twin off; its positions are still managed.")
        parser.add_argument("--actor", default=audit.terminal_user(), help="Who; default: the user of this terminal.")

    def handle(self, *args: Any, **options: Any) -> None:
        live, reason = profile_named(options["profile"]), options["reason"]
        assert live is not None
        if options["stop"]:
            result = f"{shadows.stop(live, reason)} twin(s) of {live.name} switched off"
        else:
            try:
                result = shadows.in_words(shadows.make(live, options["name"], reason))
            except shadows.CannotShadow as error:
                raise CommandError(str(error)) from None
        audit.record(
            "stop_twin" if options["stop"] else "make_twin",
            actor=options["actor"],
            reason=reason,
            target=live.name,
            result=f"{result}, by the command line",
        )
        self.stdout.write(result)
