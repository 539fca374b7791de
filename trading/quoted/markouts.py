"""Mark-outs: after each fill of a quote the middle of the books of its leg and of the others, 1, 10 and 60 s later.

The sweeper measures, every two seconds, so each is read up to so many seconds late as ``HORIZONS`` says; later it stays empty rather than
wrong. Values are micro-dollars a contract.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db.models import DateTimeField

from kalbot.common import clock
from kalbot.common.db.prepared import Param, Prepared
from markets.book import Side
from trading.books import live_books
from trading.books.live_books import LiveBooks
from trading.denials import Denied
from trading.models import Fill, Leg, MarkOut, Order

HORIZONS: Final = {1: 3.0, 10: 4.0, 60: 6.0}
"""Seconds after the fill -> by how many seconds later it may still be read."""
FORGOTTEN: Final = timedelta(seconds=75)
"""Fills booked longer ago are not measured any more."""
HALF_OF_A_PRICE: Final = 50
"""Micro-dollars in half of 1/10,000 dollar."""


def measure() -> int:
    """Read what is due. Returns how many values were stored."""
    _begin()
    now = clock.now()
    books: dict[str, LiveBooks | None] = {}
    found = 0
    for row in _WAITING.rows():
        age = (now - row.at).total_seconds()
        for seconds, late in HORIZONS.items():
            if seconds <= age < seconds + late and getattr(row, f"leg_{seconds}") is None:
                found += _read(row, seconds, books)
        if row.leg_60 is not None or not 0 <= age < 60 + HORIZONS[60]:
            MarkOut.objects.filter(pk=row.pk).update(is_done=True)
    return found


_WAITING: Final = Prepared(
    lambda: MarkOut.objects.filter(is_done=False).select_related(
        "profile", "fill__order__leg", "fill__order__position__event"
    )
)


def _begin() -> None:
    """A row for each fill of a quote that has none yet."""
    recent = _UNMEASURED.rows(since=clock.now() - FORGOTTEN)
    MarkOut.objects.bulk_create([_row(fill) for fill in recent], ignore_conflicts=True)


_UNMEASURED: Final = Prepared(
    lambda: Fill.objects.filter(
        order__purpose=Order.Purpose.QUOTE,
        is_taker=False,
        created_at__gt=Param("since", DateTimeField()),
        markout=None,
    ).select_related("order__leg__market__event")
)


def _row(fill: Fill) -> MarkOut:
    order = fill.order
    return MarkOut(
        fill=fill,
        profile_id=order.profile_id,
        mode=fill.mode,
        series=order.leg.market.event.series_id,
        side=order.side,
        price=fill.price,
        count=fill.count,
        at=_when(fill),
    )


def _when(fill: Fill) -> datetime:
    """When it filled: by the exchange's clock, where it says a time that has passed."""
    said = fill.exchange_at
    return said if said is not None and said <= fill.created_at else fill.created_at


def _read(row: MarkOut, seconds: int, books: dict[str, LiveBooks | None]) -> int:
    position = row.fill.order.position
    if position.event_id not in books:
        try:
            books[position.event_id] = live_books.read(position.event)
        except Denied:
            books[position.event_id] = None
    live = books[position.event_id]
    legs = list(position.legs.all())
    if live is None or live.unusable([leg.market_id for leg in legs], row.profile.max_price_age_ms) is not None:
        return 0
    own = row.fill.order.leg_id
    leg = middle(live, [leg for leg in legs if leg.pk == own])
    if leg is None:
        return 0
    others = middle(live, [leg for leg in legs if leg.pk != own])
    setattr(row, f"leg_{seconds}", leg)
    MarkOut.objects.filter(pk=row.pk).update(**{f"leg_{seconds}": leg, f"others_{seconds}": others})
    return 1


def middle(live: LiveBooks, legs: Iterable[Leg]) -> int | None:
    """The middle of the books of these legs' sides together, micro-dollars a contract of each; None where a side has no price."""
    total = 0
    for leg in legs:
        depth, side = live.depth(leg.market_id), Side(leg.side)
        bid, ask = depth.best_bid(side), depth.best_ask(side)
        if bid is None or ask is None:
            return None
        total += (bid + ask) * HALF_OF_A_PRICE
    return total
