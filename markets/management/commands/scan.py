"""``manage.py scan``: one scan of the catalogue, in the foreground."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from kalbot.common import commands
from kalbot.common.errors import SettingError
from kalbot.common.wording import many
from markets import connect
from markets.catalogue.scan import scan, turn
from markets.models import Scan


class Command(commands.Command):
    example = "manage.py scan"
    help = "Read all open events of the exchange into the database once."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            client = connect.client()
        except SettingError as error:
            raise CommandError(str(error)) from None
        with client, turn() as keep:
            if keep is None:
                raise CommandError("Another scan is running, or Redis, which would say so, does not answer.")
            row = scan(client, progress=keep)
        if row.status != Scan.Status.DONE:
            raise CommandError(f"The scan failed after {row.pages} pages: {row.error}")
        self.stdout.write(
            f"{many(row.events, 'event')} and {many(row.markets, 'market')} in {row.duration_ms / 1000:.1f} s: "
            f"{many(row.events_written, 'event')} and {many(row.markets_written, 'market')} written, {row.events_gone} gone, "
            f"{row.combos_left_out} combos left out, {row.rejected} rejected."
        )
