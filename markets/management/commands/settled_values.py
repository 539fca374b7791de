"""``manage.py settled_values``: fill in the values that settled markets settled on, from the exchange or from recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from kalbot.common import commands
from kalbot.common.errors import SettingError
from markets import connect
from markets.catalogue import settled_values
from markets.kalshi.errors import KalshiError
from markets.models import Market


class Command(commands.Command):
    example = "manage.py settled_values --series KXHIGHNY"
    help = "Fill in the values that settled markets settled on: from the exchange's listings, live and historical, or from tapes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--series", action="append", default=[], help="every settled market of this series")
        parser.add_argument("--tape", type=Path, action="append", default=[], help="a recording that has them")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            written = sum(settled_values.fill_from_tape(folder) for folder in options["tape"])
            if options["series"] or not options["tape"]:
                written += self._from_exchange(options["series"])
        except (SettingError, KalshiError, FileNotFoundError) as error:
            raise CommandError(str(error)) from None
        left = Market.objects.filter(expiration_value="").exclude(result="").count()
        self.stdout.write(f"{written} values written; {left} settled markets have none.")

    def _from_exchange(self, series: list[str]) -> int:
        with connect.client() as client:
            if series:
                return sum(settled_values.fill_series(client, one) for one in series)
            waiting = Market.objects.filter(expiration_value="").exclude(result="")
            return settled_values.fill(client, list(waiting.order_by("pk").values_list("pk", flat=True)))
