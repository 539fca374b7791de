"""``manage.py alive trading beat stream``: exit 0 when all of these showed life lately. For health checks of containers."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kalbot.common.messages import QUEUES
from kalbot.console.ops import heartbeats
from markets.prices import PriceReader


class Command(BaseCommand):
    help = "Exit 0 when each of the named queues, beat or stream showed life lately, else 1 with a sentence."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("who", nargs="+", choices=[*QUEUES, heartbeats.BEAT, "stream"])

    def handle(self, *args: Any, who: list[str], **options: Any) -> None:
        signs = heartbeats.signs()
        silent = []
        for name in who:
            if name == "stream":
                living = PriceReader().stream_status()["alive"]
            else:
                living = name in signs and signs[name]["age_ms"] < heartbeats.LATE_MS
            if not living:
                silent.append(name)
        if silent:
            raise CommandError(f"no sign of life from {', '.join(silent)}")
