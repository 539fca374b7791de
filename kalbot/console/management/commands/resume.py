"""manage.py resume --reason "..." [--profile NAME] [--reducing]"""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from kalbot.common import commands
from kalbot.console.auth import audit
from kalbot.console.pages.home import obstacles
from trading.management.commands.shadow_report import profile_named
from trading.safety import halt


class Command(commands.Command):
    example = 'manage.py resume --reason "prices are right again"'
    help = "Allow trading again (--reducing: exits and unwinds only)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", required=True, type=audit.reason_written, help="Why; it is kept.")
        parser.add_argument("--profile", help="Only this profile; without it, the global state.")
        parser.add_argument(
            "--reducing", action="store_true", help="From halted to reducing: exits, completing and unwinding only."
        )
        parser.add_argument("--actor", default=audit.terminal_user(), help="Who; default: the user of this terminal.")

    def handle(self, *args: Any, **options: Any) -> None:
        profile = profile_named(options["profile"])
        row = halt.set_state(
            state=halt.State.REDUCING if options["reducing"] else halt.State.ACTIVE,
            actor=options["actor"],
            reason=options["reason"],
            profile=profile,
        )
        audit.record(
            "resume",
            actor=options["actor"],
            reason=options["reason"],
            target=str(profile or "all profiles"),
            result=f"{row.state}, by the command line",
        )
        self.stdout.write(f"{profile or 'all profiles'}: {row.state}; in force: {halt.current(profile)}")
        if stops := "" if options["reducing"] else obstacles.still_stopped(profile):
            self.stdout.write(stops)
