"""manage.py reconcile [--mode live|sim] [--accept-cash --reason "..."]"""

from __future__ import annotations

import logging
from typing import Any

from django.core.management.base import CommandError, CommandParser

from kalbot.common import commands
from kalbot.common.wording import many
from kalbot.console.auth import audit
from kalbot.console.ui import formats
from strategies.models import Mode
from trading.accounting import account_ledger
from trading.reconciliation import reconcile
from trading.safety import discrepancies


class Command(commands.Command):
    example = "manage.py reconcile --mode live"
    help = "Compare our books with the exchange's and repair what it explains."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--mode", choices=Mode.values, action="append", help="Default: both.")
        parser.add_argument(
            "--accept-cash", action="store_true", help="A person moved money: take the exchange's cash as right."
        )
        parser.add_argument("--reason", type=audit.reason_written, help="Needed with --accept-cash; it is kept.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["accept_cash"] and not options["reason"]:
            raise CommandError("--accept-cash needs --reason.")
        for mode in options["mode"] or Mode.values:
            row = reconcile.run(mode, "command", logging.DEBUG)
            if row.error:
                raise CommandError(f"{mode}: could not compare: {row.error}")
            self.stdout.write(
                f"{mode}: {many(row.orders, 'order')}, {many(row.fills, 'fill')}, {many(row.positions, 'position')}; "
                f"{row.repaired} repaired, {row.differences} differences"
            )
        if options["accept_cash"]:
            moved = account_ledger.accept_cash(options["reason"])
            audit.record(
                "accept_cash",
                actor=audit.terminal_user(),
                reason=options["reason"],
                target="the account's cash",
                result=f"{formats.gain(moved)} taken as moved by a person, by the command line",
            )
            self.stdout.write(f"Accepted {formats.gain(moved)} as moved by a person.")
        for one in discrepancies.open_ones():
            self.stdout.write(f"open: {one.mode} {one.code} {one.key}: ours {one.ours}, theirs {one.theirs}")
