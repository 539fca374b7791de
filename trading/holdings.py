"""What the strategy engine may know of positions (see ``strategies.cycle.holdings``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.db.models import BigIntegerField, Count, DateTimeField, F, Q, QuerySet, Sum, Value
from django.db.models.expressions import Combinable

from kalbot.common import clock
from kalbot.common.db.fetch import Fetch
from kalbot.common.db.prepared import Param
from kalbot.common.db.prepared_columns import PreparedColumns
from strategies.collateral.groups import Choices
from strategies.cycle.holdings import TAKEN_UP_WITHIN, Committed
from strategies.models import Decision, Profile
from trading.accounting import collateral
from trading.books import own_orders
from trading.execution.sizing import planner
from trading.execution.sizing.planner import WriteBudget
from trading.models import ACTIVE, WORKING, Position, ProfileBalance
from trading.quoted import idle
from trading.venues import account_limits


class PositionHoldings:
    """Answers from positions and denials."""

    def open_decisions(self, profile: Profile | Combinable, since: datetime | Combinable) -> QuerySet[Decision]:
        """Decisions whose position has not ended, and those after ``since`` that have neither a position nor a denial. Each are found by
        an index of their own: what is over is not searched."""
        alive = Position.objects.filter(profile=profile, status__in=ACTIVE).order_by().values("decision")
        waiting = Decision.objects.filter(
            profile=profile, created_at__gt=since, position__isnull=True, denial__isnull=True
        )
        return Decision.objects.filter(pk__in=alive.union(waiting.order_by().values("pk"), all=True))

    def ended_since(self, profile: Profile | Combinable, since: datetime | Combinable) -> QuerySet[Decision]:
        """Decisions whose position ended after ``since``."""
        return Decision.objects.filter(position__profile=profile, position__ended_at__gt=since)

    def most_legs(self) -> int:
        """Orders of one basket that the account's write rate can send and, if one fails, unwind."""
        write = account_limits.lately().write
        return planner.most_legs(WriteBudget(write.bucket_capacity, write.refill_rate, write.bucket_capacity))

    def committed(self, profile: Profile) -> Fetch[Committed]:
        """Number and cost of the open decisions, micro-dollars, how many of them are being quoted, and what was realised."""
        of = {"profile": profile.pk}
        return Fetch(((_TOTALS, of | {"since": clock.now() - TAKEN_UP_WITHIN}), (_REALISED, of)), _committed)

    def collateral(self, profile: Profile) -> Fetch[Choices | None]:
        """See ``collateral.counted_on``."""
        return collateral.counted_on(profile)

    def idle_quotes(self, profile: Profile, since: datetime) -> Mapping[str, int]:
        """Events of quotes that were begun before ``since`` and have bought nothing, with what is set aside for each; none while one is
        being withdrawn already."""
        if idle.is_being_withdrawn(profile):
            return {}
        return dict(idle.quotes(profile).filter(created_at__lt=since).values_list("event_id", "reserved"))

    def own_bids(self, tickers: Collection[str], mode: str) -> Fetch[Mapping[tuple[str, str], int]]:
        """(ticker, side) -> the highest bid that rests on the accounts themselves, 1/10,000 dollar."""
        bids = own_orders.fetching(tickers, mode)
        return Fetch(bids.queries, lambda rows: {(one, side.value): at for (one, side), at in bids.made(rows).items()})


def _committed(rows: Sequence[list[Any]]) -> Committed:
    ((count, quotes, waiting, committed),), realised = rows
    made = next((one for (one,) in realised), 0)
    return Committed(count, waiting + committed, quotes, -made)


_OWNER, _SINCE = Param("profile", BigIntegerField()), Param("since", DateTimeField())


def _totals() -> QuerySet[Decision, Any]:
    """Of the open decisions of a profile, in one row: those of ``Committed``, its money in two parts."""
    at_work = Q(position__isnull=True) | Q(position__status__in=WORKING, position__opened_at=None)
    return (
        PositionHoldings()
        .open_decisions(_OWNER, _SINCE)
        .order_by()
        .values(one=Value(1))
        .annotate(
            decisions=Count("pk"),
            quotes=Count("pk", filter=~Q(quote={}) & at_work),
            waiting=Sum("max_cost", filter=Q(position__isnull=True), default=0),
            committed=Sum(F("position__cost") + F("position__reserved") - F("position__returned"), default=0),
        )
        .values_list("decisions", "quotes", "waiting", "committed")
    )


_TOTALS: Final = PreparedColumns(_totals)
_REALISED: Final = PreparedColumns(lambda: ProfileBalance.objects.filter(profile=_OWNER).values_list("realised"))
