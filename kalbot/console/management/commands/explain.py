"""``manage.py explain EVENT_TICKER --profile NAME``: why one open event is bought or not, in words with the arithmetic, after what
stops the profile whatever the event."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from kalbot.common import commands
from kalbot.common.errors import KalbotError
from kalbot.console.pages.home import obstacles
from kalbot.console.pages.positions import explained
from strategies.profiles import seeds


class Command(commands.Command):
    example = "manage.py explain KXHIGHNY-26JUL19 --profile careful"
    help = (
        "Explain one open event for one profile: filters, certificate, prices, arithmetic, and what would be done now."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("event_ticker", metavar="EVENT_TICKER", help="an open event, such as KXHIGHNY-26JUL19")
        parser.add_argument("--profile", required=True, help="name of a profile")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            profile = seeds.find(options["profile"])
            lines = explained.lines(options["event_ticker"], profile)
        except KalbotError as error:
            raise CommandError(str(error)) from None
        for one in obstacles.found(profile):
            self.stdout.write(f"Stopped before any filter: {one.title} ({one.why}); {one.who}.")
        self.stdout.write("\n".join(lines))
