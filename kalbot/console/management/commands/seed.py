"""``manage.py seed``: what a new installation starts with. Safe to run at every release: what is there stays as people left it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from kalbot.common import commands
from kalbot.common.errors import SettingError
from kalbot.console.auth import roles
from kalbot.console.ops import schedules
from markets.terms.registry import changes
from strategies.profiles import seeds
from trading.models import Position, TradingState
from trading.safety import halt


class Command(commands.Command):
    example = "manage.py seed"
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
        fresh = ensure_state()
        roles.seed()
        if options["verbosity"]:
            words = ", ".join(f"{number} {name}" for name, number in created.items())
            self.stdout.write(f"created {words}{f', trading state {fresh}' if fresh else ''}; roles are up to date")


def ensure_state() -> str:
    """Store the global state where there is none; returns what was stored. Only where nothing was ever bought it is active: elsewhere a
    row that is missing was lost, everything is halted without it, and a risk manager resumes, not a release."""
    if TradingState.objects.filter(scope=halt.GLOBAL).exists():
        return ""
    is_new = not Position.objects.exists()
    state = TradingState.State.ACTIVE if is_new else TradingState.State.HALTED
    reason = "new installation" if is_new else "the trading state was missing; nothing was sent without it"
    TradingState.objects.get_or_create(scope=halt.GLOBAL, defaults={"state": state, "reason": reason, "actor": "seed"})
    return str(state)
