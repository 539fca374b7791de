"""What quotes of each series have brought, read once for many events, and the margin that a quote must leave for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.conf import settings

from kalbot.common import clock
from kalbot.common.units import PPM, Price
from strategies.models import Profile, QuoteRecord
from strategies.quoting import expectation
from strategies.quoting.expectation import Measured

KEPT_SECONDS: Final = 5.0
Key = tuple[str, str, str, str]
"""(mode, series, side, band)"""


@dataclass(slots=True)
class _Kept:
    at: float
    records: dict[Key, Measured]


_kept: list[_Kept] = []


def of(mode: str, series: str, side: str, band: str = "") -> Measured | None:
    """What was measured of quotes of this band, or of all of the series where those are too few to say anything; up to ``KEPT_SECONDS``
    ago."""
    now = clock.monotonic()
    if not _kept or not 0 <= now - _kept[0].at < KEPT_SECONDS:
        _kept[:] = [_Kept(now, _read())]
    records = _kept[0].records
    found = records.get((mode, series, side, band))
    return found if found is not None and found.is_enough else records.get((mode, series, side, ""))


def forget() -> None:
    """Read again at the next question."""
    _kept.clear()


def _read() -> dict[Key, Measured]:
    return {
        (row.mode, row.series_id, row.side, row.band): Measured(
            row.fills, -(row.mark_60 or 0), row.wanted, row.complete, row.orphaned, row.tokens
        )
        for row in QuoteRecord.objects.all()
    }


def margin_ppm(profile: Profile, measured: Measured | None, pays: Price) -> int | None:
    """The margin in ppm of cost that a quote of a set which pays ``pays`` must leave: the profile's, or more where fills have cost more;
    None where no margin would do that anybody believes in (``plausible_margin_ppm``)."""
    least = expectation.least_margin(measured, settings.KALBOT_TOKEN_COST)
    worth = pays * 100
    if least is None or least >= worth:
        return None
    wider = -(-least * PPM // (worth - least))
    return None if wider > profile.plausible_margin_ppm else max(profile.quote_min_margin_ppm, wider)
