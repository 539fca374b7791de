"""``manage.py stored_backtest PK``: the process of one requested run. Workers start it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from backtest import stored
from backtest.models import BacktestRun
from kalbot.common import commands
from kalbot.common.errors import KalbotError
from kalbot.common.life import die_with_parent


class Command(commands.Command):
    example = "manage.py stored_backtest 12"
    help = "Replay one run that was requested on a page, and keep what came of it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("run", type=int, help="its number on the page of backtests")

    def handle(self, *args: Any, **options: Any) -> None:
        die_with_parent()
        try:
            stored.perform(options["run"])
        except BacktestRun.DoesNotExist:
            raise CommandError(f"There is no requested run {options['run']}.") from None
        except (FileNotFoundError, KalbotError) as error:
            raise CommandError(str(error)) from None
