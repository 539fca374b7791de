"""The fees in force for the events of a batch."""

from __future__ import annotations

from collections.abc import Mapping

from kalbot.common import clock
from kalbot.common.units import Money
from markets import selectors
from markets.fees import FeeError, FeeSchedule, resolve
from markets.models import Event, FeeChange


def fee_schedules(events: Mapping[str, Event]) -> dict[str, FeeSchedule | None]:
    """The fees in force by event, None where they are not known (then nothing is valued).

    Only series with an announced change that has come due are read one by one."""
    series = {event.series_id for event in events.values()}
    changed = set(
        FeeChange.objects.filter(series_id__in=series, scheduled_at__lte=clock.now()).values_list(
            "series_id", flat=True
        )
    )
    grid = selectors.fee_grid()
    found: dict[str, FeeSchedule | None] = {}
    for ticker, event in events.items():
        try:
            found[ticker] = selectors.fee_schedule(event) if event.series_id in changed else _current_fees(event, grid)
        except FeeError:
            found[ticker] = None
    return found


def _current_fees(event: Event, grid: Money) -> FeeSchedule:
    series = event.series
    override, multiplier = event.fee_type_override or None, event.fee_multiplier_override_e6
    return resolve(series.fee_type, series.fee_multiplier_e6, override, multiplier, grid)
