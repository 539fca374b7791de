"""manage.py halt --reason "..." [--profile NAME] [--reducing] [--cancel-resting]"""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from strategies.models import Profile
from trading.safety import halt


class Command(BaseCommand):
    help = "Stop trading: nothing but cancels is sent (--reducing: exits and unwinds only)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", required=True, help="Why; it is kept.")
        parser.add_argument("--profile", help="Only this profile; without it, everything.")
        parser.add_argument("--reducing", action="store_true", help="Allow exits and unwinds.")
        parser.add_argument("--cancel-resting", action="store_true", help="Cancel resting orders at once.")
        parser.add_argument("--actor", default=getpass.getuser())

    def handle(self, *args: Any, **options: Any) -> None:
        row = halt.set_state(
            state=halt.State.REDUCING if options["reducing"] else halt.State.HALTED,
            actor=options["actor"],
            reason=options["reason"],
            profile=profile_named(options["profile"]),
            cancel_resting=options["cancel_resting"],
        )
        self.stdout.write(f"{row.scope} is {row.state}")


def profile_named(name: str | None) -> Profile | None:
    """The profile of that name; a sentence instead of a traceback when there is none."""
    if name is None:
        return None
    try:
        return Profile.objects.get(name=name)
    except Profile.DoesNotExist:
        raise CommandError(f"There is no profile named {name!r}.") from None
