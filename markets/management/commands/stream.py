"""``manage.py stream``: keeps the WebSocket open and Redis filled with live prices. One process leads, others are standbys."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from kalbot.common import commands
from kalbot.common.errors import SettingError
from markets import identity
from markets.kalshi.errors import KalshiError
from markets.streaming.assembly import Assembly, Refused


class Command(commands.Command):
    example = "manage.py stream --tape tapes/today"
    help = "Keep the WebSocket to the exchange open and write live prices to Redis."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--partition", type=int, default=0, help="which part of the events (see STREAM_PARTITIONS)")
        parser.add_argument(
            "--patience", type=float, default=10.0, help="seconds to wait at the start for an exchange that answers"
        )

        parser.add_argument(
            "--tape", type=Path, help="folder for a recording of everything that comes (KALBOT_TAPE_DIR)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            identity.require()
            assembly = Assembly(options["partition"], options["tape"])
            for name in (signal.SIGTERM, signal.SIGINT):
                signal.signal(name, lambda *_: assembly.stop())
            assembly.wait_for_exchange(options["patience"])
            assembly.run()
        except SettingError as error:
            raise CommandError(str(error)) from None
        except Refused as error:
            raise CommandError(f"The exchange refused the API key: {error}") from None
        except KalshiError:
            raise CommandError(
                f"The exchange at {settings.KALSHI_REST_URL} does not answer; check KALSHI_REST_URL and the network."
            ) from None
