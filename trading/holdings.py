"""What the strategy engine may know of positions (see ``strategies.cycle.holdings``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from django.db.models import Count, F, Q, QuerySet, Sum

from strategies.collateral.groups import Choices
from strategies.cycle.holdings import Committed
from strategies.models import Decision, Profile
from trading.accounting import collateral
from trading.books import own_orders
from trading.execution.sizing import planner
from trading.execution.sizing.planner import WriteBudget
from trading.models import TERMINAL, WORKING, ProfileBalance
from trading.quoted import idle
from trading.venues import account_limits


class PositionHoldings:
    """Answers from positions and denials."""

    def open_decisions(self, profile: Profile) -> QuerySet[Decision]:
        """Decisions that were not denied and whose position, if there is one yet, has not ended."""
        waiting = Q(position__isnull=True, denial__isnull=True)
        alive = Q(position__isnull=False) & ~Q(position__status__in=TERMINAL)
        return Decision.objects.filter(waiting | alive, profile=profile)

    def ended_since(self, profile: Profile, since: datetime) -> QuerySet[Decision]:
        """Decisions whose position ended after ``since``."""
        return Decision.objects.filter(position__ended_at__gt=since, profile=profile)

    def most_legs(self) -> int:
        """Orders of one basket that the account's write rate can send and, if one fails, unwind."""
        write = account_limits.lately().write
        return planner.most_legs(WriteBudget(write.bucket_capacity, write.refill_rate, write.bucket_capacity))

    def committed(self, profile: Profile) -> Committed:
        """Number and cost of the open decisions, micro-dollars, how many of them are being quoted, and what was realised."""
        at_work = Q(position__isnull=True) | Q(position__status__in=WORKING)
        totals = self.open_decisions(profile).aggregate(
            count=Count("pk"),
            quotes=Count("pk", filter=~Q(quote={}) & at_work),
            waiting=Sum("max_cost", filter=Q(position__isnull=True), default=0),
            committed=Sum(F("position__cost") + F("position__reserved") - F("position__returned"), default=0),
        )
        made = ProfileBalance.objects.filter(profile=profile).values_list("realised", flat=True).first() or 0
        return Committed(totals["count"], totals["waiting"] + totals["committed"], totals["quotes"], -made)

    def collateral(self, profile: Profile) -> Choices | None:
        """See ``collateral.counted_on``."""
        return collateral.counted_on(profile)

    def idle_quotes(self, profile: Profile, since: datetime) -> Mapping[str, int]:
        """Events of quotes that were begun before ``since`` and have bought nothing, with what is set aside for each; none while one is
        being withdrawn already."""
        if idle.is_being_withdrawn(profile):
            return {}
        return dict(idle.quotes(profile).filter(created_at__lt=since).values_list("event_id", "reserved"))

    def own_bids(self, tickers: Collection[str], mode: str) -> Mapping[tuple[str, str], int]:
        """(ticker, side) -> the highest bid that rests on the accounts themselves, 1/10,000 dollar."""
        return {(ticker, side.value): price for (ticker, side), price in own_orders.bids(tickers, mode).items()}
