"""``manage.py seed_schedules``: create the periodic tasks that are missing."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from kalbot.common import commands
from kalbot.common.errors import SettingError
from kalbot.console.ops import schedules


class Command(commands.Command):
    example = "manage.py seed_schedules"
    help = "Create the periodic tasks that are missing; intervals that somebody edited stay."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            created = schedules.seed()
        except SettingError as error:
            raise CommandError(str(error)) from None
        if options["verbosity"]:
            self.stdout.write(f"schedules: {len(created)} created, {len(schedules.PLAN) - len(created)} were there")
