"""manage.py shadow PROFILE [--name NAME] [--stop]: give a live profile a paper twin on the same decisions."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from strategies.cycle import shadows
from strategies.models import Profile


class Command(BaseCommand):
    help = "Give a live profile a paper twin that takes the same decisions, or bring its settings up to date."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("profile", help="Name of the live profile.")
        parser.add_argument("--name", default="", help="Of the twin; default: <profile>-paper.")
        parser.add_argument("--stop", action="store_true", help="Switch the twin off; its positions are still managed.")

    def handle(self, *args: Any, **options: Any) -> None:
        live = profile_named(options["profile"])
        assert live is not None
        if options["stop"]:
            self.stdout.write(f"{shadows.stop(live)} twin(s) of {live.name} switched off")
            return
        try:
            twin = shadows.make(live, options["name"])
        except shadows.CannotShadow as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{twin.name} takes the decisions of {live.name} on paper from now on")


def profile_named(name: str | None) -> Profile | None:
    """The profile of that name; a sentence instead of a traceback when there is none."""
    if name is None:
        return None
    try:
        return Profile.objects.get(name=name)
    except Profile.DoesNotExist:
        raise CommandError(f"There is no profile named {name!r}.") from None
