"""``manage.py seed``: what a new installation starts with. Safe to run at every release: what is there stays as people left it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kalbot.common.errors import SettingError
from kalbot.console.auth import roles
from kalbot.console.ops import schedules
from markets.terms.registry import changes
from strategies.profiles import seeds
from trading.models import TradingState


class Command(BaseCommand):
    help = "Create profiles, schedules, roles and the trading state where they are missing."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            created = {
                "profiles": len(seeds.seed()),
                "schedules": len(schedules.seed()),
                "terms": changes.ensure_proposals(),
            }
        except SettingError as error:
            raise CommandError(str(error)) from None
        _, fresh = TradingState.objects.get_or_create(
            scope="global", defaults={"state": TradingState.State.ACTIVE, "reason": "new installation", "actor": "seed"}
        )
        roles.seed()
        if options["verbosity"]:
            words = ", ".join(f"{number} {name}" for name, number in created.items())
            self.stdout.write(f"created {words}{', trading state active' if fresh else ''}; roles are up to date")
