"""From where a comparison lists orders and executions: nothing that is not booked may fall out of it.

It begins before the last good comparison, every order still open, and every trade of somebody else that waits until what ours did is known.
Where no comparison counts, because there was none or a clock was set back, it begins when the account was first read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.conf import settings
from django.db.models import QuerySet

from kalbot.common import clock
from markets.kalshi.errors import NotFound
from strategies.models import Mode
from trading.models import OPEN_ORDERS, Discrepancy, ExchangeAccount, Order, Reconciliation
from trading.venues import connection

OVERLAP: Final = timedelta(minutes=5)
"""How far before the last good comparison the next one begins: reads lag, clocks differ."""


ALWAYS_LISTED: Final = timedelta(hours=1)
"""What is younger is in the live listings: of orders they have about two weeks, of executions three months (docs/kalshi-protocol.md 5)."""


def begin(row: Reconciliation) -> datetime:
    """The time from which ``row`` lists orders and executions."""
    good = Reconciliation.objects.filter(mode=Mode.LIVE, error="", finished_at__isnull=False).exclude(pk=row.pk).first()
    oldest = Order.objects.filter(mode=Mode.LIVE, status__in=OPEN_ORDERS).order_by("created_at").first()
    points = [row.started_at]
    if good is None:
        points += ExchangeAccount.objects.values_list("created_at", flat=True)
    else:
        points += [good.started_at] if good.waits_from is None else [good.started_at, good.waits_from]
    if oldest is not None:
        points.append(oldest.created_at)
    points += unlisted().values_list("created_at", flat=True)
    return min(points) - OVERLAP


class Old(NamedTuple):
    """What of a window the historical listings have: orders, executions."""

    orders: bool = False
    fills: bool = False


def left_listing(since: datetime) -> Old:
    """What from ``since`` has left the live listings, or will in the next minutes. A window of the last hour needs no request."""
    if clock.now() - since <= ALWAYS_LISTED:
        return Old()
    try:
        cutoff = connection.client().exchange.historical_cutoff()
    except NotFound:
        return Old()
    begins = (cutoff.orders_updated, cutoff.trades_created)
    return Old(*(at is not None and at > since - ALWAYS_LISTED for at in begins))


def keep_open(row: Reconciliation, waiting: Mapping[tuple[int, str], datetime]) -> Collection[tuple[int, str]]:
    """Have the next comparison list from the oldest of the trades that wait: (subaccount, ticker) -> when. Returns those that explain a
    difference; one that has waited for too long explains none, and what differs is named."""
    row.waits_from = min(waiting.values(), default=None)
    limit = clock.now() - timedelta(seconds=settings.KALBOT_WAITING_LIMIT_SECONDS)
    return {key for key, at in waiting.items() if at > limit}


def unlisted() -> QuerySet[Order]:
    """Orders whose fills were booked from their totals because they were not listed."""
    named = Discrepancy.objects.filter(code=Discrepancy.Code.FILLS_UNLISTED, resolved_at=None)
    return Order.objects.filter(mode=Mode.LIVE, pk__in=list(named.values_list("key", flat=True)))
