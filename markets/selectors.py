"""Fees and price grids as the catalogue has them, in the form that the pure modules want."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.expressions import Combinable

from kalbot.common import clock
from kalbot.common.errors import SettingError
from kalbot.common.units import Money, UnitError, parse_money
from markets.fees import FeeSchedule, resolve
from markets.kalshi.grid import PriceBand
from markets.models import Event, FeeChange, Market


def fee_schedule(event: Event, *, is_changed: bool = True) -> FeeSchedule:
    """The fees in force now for every market of ``event`` (fetch it with its series: ``select_related("series")``).

    An announced change counts from its time on, whatever the rows still say; ``is_changed`` False: it is known that none is due
    (``due_changes``). Raises markets.fees.FeeError for a fee type that is not known: then nothing of this event may be traded.
    """
    series_type, series_multiplier = event.series.fee_type, event.series.fee_multiplier_e6
    override, override_multiplier = event.fee_type_override, event.fee_multiplier_override_e6
    due = due_changes(event.series_id, clock.now()).order_by("scheduled_at")
    for change in due if is_changed else ():
        if not change.event_ticker:
            series_type = change.fee_type
            series_multiplier = -1 if change.fee_multiplier_e6 is None else change.fee_multiplier_e6
        elif change.event_ticker == event.pk:
            override, override_multiplier = change.fee_type, change.fee_multiplier_e6
    return resolve(series_type, series_multiplier, override or None, override_multiplier, fee_grid())


def due_changes(series: str | Combinable, now: datetime | Combinable) -> QuerySet[FeeChange]:
    """The announced changes of a series' fees whose time has come."""
    return FeeChange.objects.filter(series_id=series, scheduled_at__lte=now)


def fee_grid() -> Money:
    """The member's balance grid of the settings. SettingError if it is not an amount."""
    try:
        return parse_money(settings.KALSHI_FEE_GRID)
    except UnitError as error:
        raise SettingError(f"KALSHI_FEE_GRID is not an amount of dollars: {error}.") from None


def price_bands(market: Market) -> tuple[PriceBand, ...]:
    """The grid that an order's price must lie on; empty when it is not known, and then no price is valid."""
    return tuple(PriceBand(*band) for band in market.price_bands)
