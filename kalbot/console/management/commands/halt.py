"""manage.py halt --reason "..." [--profile NAME] [--cancels-only] [--cancel-resting]"""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from kalbot.common import commands
from kalbot.console.auth import audit
from trading import selectors
from trading.management.commands.shadow_report import profile_named
from trading.models import ACTIVE, Position
from trading.safety import halt


class Command(commands.Command):
    example = 'manage.py halt --reason "prices are wrong"'
    help = "Stop new baskets; exits, completing and unwinding go on (--cancels-only: nothing but cancels is sent)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", required=True, type=audit.reason_written, help="Why; it is kept.")
        parser.add_argument("--profile", help="Only this profile; without it, everything.")
        parser.add_argument(
            "--cancels-only",
            action="store_true",
            help="Halted: no order at all is sent, so that what is half-bought or half-sold stays naked.",
        )
        parser.add_argument("--cancel-resting", action="store_true", help="Cancel resting orders at once.")
        parser.add_argument("--actor", default=audit.terminal_user(), help="Who; default: the user of this terminal.")

    def handle(self, *args: Any, **options: Any) -> None:
        profile = profile_named(options["profile"])
        try:
            row = halt.set_state(
                state=halt.State.HALTED if options["cancels_only"] else halt.State.REDUCING,
                actor=options["actor"],
                reason=options["reason"],
                profile=profile,
                cancel_resting=options["cancel_resting"],
                may_loosen=False,
            )
        except halt.WouldLoosen as error:
            raise CommandError(f"{error} (manage.py resume --reducing)") from None
        audit.record(
            "halt",
            actor=options["actor"],
            reason=options["reason"],
            target=str(profile or "all profiles"),
            result=f"{row.state}, by the command line",
        )
        self.stdout.write(f"{profile or 'all profiles'}: {row.state}")
        if row.state == halt.State.HALTED:
            mine = {} if profile is None else {"profile": profile}
            naked = selectors.naked_legs(Position.objects.filter(status__in=ACTIVE, **mine))
            for pk in sorted(naked):
                self.stdout.write(f"stays naked: position #{pk}, {', '.join(str(one.leg) for one in naked[pk])}")
