"""manage.py adopt [--confirm | --leave BASKET] [--reason "..."] [--event EVENT --profile NAME]"""

from __future__ import annotations

import logging
from typing import Any

from django.core.management.base import CommandError, CommandParser

from kalbot.common import commands
from kalbot.common.errors import KalbotError
from kalbot.common.wording import many
from kalbot.console.auth import audit
from kalbot.console.ui import formats
from markets.kalshi.errors import KalshiError
from strategies.models import Mode, Profile
from trading.models import Discrepancy
from trading.reconciliation import adoption, lost_baskets, reconcile
from trading.reconciliation.adopted_rows import CannotAdopt
from trading.reconciliation.lost_baskets import LostBasket
from trading.safety import discrepancies


class Command(commands.Command):
    example = 'manage.py adopt --confirm --reason "restored from the dump of Monday"'
    help = "Baskets that were bought since the dump of a restored database: shows what would be made of them, and makes it with --confirm."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--confirm", action="store_true", help="Make the rows that are shown.")
        parser.add_argument("--leave", default="", metavar="BASKET", help="Leave this one as somebody else's for good.")
        parser.add_argument(
            "--reason", type=audit.reason_written, help="Needed with --confirm and --leave; it is kept."
        )
        parser.add_argument("--event", default="", help="Orders there whose ids say nothing are ours, too.")
        parser.add_argument("--profile", default="", help="The profile that they belong to.")

    def handle(self, *args: Any, **options: Any) -> None:
        if (options["confirm"] or options["leave"]) and not options["reason"]:
            raise CommandError("--confirm and --leave need --reason.")
        if bool(options["event"]) != bool(options["profile"]):
            raise CommandError("--event and --profile belong together.")
        row = reconcile.run(Mode.LIVE, "adopt", logging.DEBUG)
        if row.error:
            raise CommandError(f"could not compare: {row.error}")
        if options["leave"]:
            self._leave(options["leave"], options["reason"])
            return
        try:
            found = self._found(options["event"], options["profile"])
            adopted = [self._show(one, options) for one in found]
        except (KalbotError, KalshiError) as error:
            raise CommandError(str(error)) from None
        if not found:
            self.stdout.write("Nothing is lost.")
        elif not options["confirm"]:
            self.stdout.write('Nothing was made. With --confirm --reason "..." it is.')
        elif any(adopted):
            self._compare(sum(adopted))

    def _found(self, event: str, profile: str) -> list[LostBasket]:
        if not event:
            return lost_baskets.find()
        row = Profile.objects.filter(name=profile, mode=Mode.LIVE).first()
        if row is None:
            raise CommandError(f"There is no live profile {profile!r}.")
        return lost_baskets.find_of(event, row)

    def _show(self, basket: LostBasket, options: dict[str, Any]) -> bool:
        self.stdout.write(f"basket {basket.key}")
        for label, text in adoption.plan(basket):
            self.stdout.write(f"  {label}: {text}")
        if not options["confirm"] or basket.refusal:
            return False
        actor = audit.terminal_user()
        try:
            position = adoption.adopt(basket, actor=actor, reason=options["reason"])
        except CannotAdopt as error:
            self.stdout.write(f"  not adopted: {error}")
            return False
        done = f"adopted as position #{position.pk}, {position.get_status_display()}"
        audit.record("adopt", actor=actor, reason=options["reason"], target=basket.key, result=done)
        self.stdout.write(f"  {done}")
        return True

    def _leave(self, key: str, reason: str) -> None:
        """Its trades stay booked as somebody else's, and it is not named again until more orders of it appear."""
        of = {"code": Discrepancy.Code.LOST_BASKET, "key": key, "resolved_at": None}
        row = Discrepancy.objects.filter(**of).first()
        if row is None:
            raise CommandError(f"No basket {key} is lost.")
        actor = audit.terminal_user()
        Discrepancy.objects.filter(pk=row.pk).update(accepted=True)
        discrepancies.close(row, actor=actor, resolution=f"{reason}: left as somebody else's")
        audit.record("adopt", actor=actor, reason=reason, target=key, result="left as somebody else's")
        self.stdout.write(f"{key} is left as somebody else's.")

    def _compare(self, adopted: int) -> None:
        row = reconcile.run(Mode.LIVE, "adopt", logging.DEBUG)
        cash = "not compared" if row.balance_difference is None else f"{formats.gain(row.balance_difference)} apart"
        self.stdout.write(f"{many(adopted, 'basket')} adopted; differences now: {row.differences}, cash {cash}")
