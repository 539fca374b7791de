"""What was bought, sold, settled and corrected of each leg, as exports need it: read in lots of legs, not leg by leg."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from kalbot.common.errors import KalbotError
from kalbot.console.exports.lots import Closing, Lot, MoreClosedThanBought, Purchase, lots
from strategies.models import Profile
from trading.models import Correction, Fill, Leg, Order, Settlement

ZONE: Final = ZoneInfo("America/New_York")
"""The exchange's tax year."""
LEGS_AT_ONCE: Final = 500
OF_LEG: Final = (
    *("side", "market__yes_sub_title", "market__settled_at", "position__mode", "position__profile__name"),
    *("position__event__title",),
)
OF_FILL: Final = ("trade_id", "price", "count", "fee", "exchange_at", "created_at", "order__action", "order__leg")
"""The columns that lines need: a profile has a hundred, and each leg would bring its own copy."""


class DoesNotAddUp(KalbotError):
    """The rows of a leg close more than they bought; the sentence names the position."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows: of these profiles (ids) in one mode, between two moments; times are written in ``zone``."""

    profiles: tuple[int, ...]
    mode: str
    start: datetime
    end: datetime
    zone: ZoneInfo

    @classmethod
    def of_year(cls, profiles: tuple[int, ...], mode: str, year: int, zone: ZoneInfo) -> Scope:
        """A calendar year in a time zone."""
        return cls(profiles, mode, datetime(year, 1, 1, tzinfo=zone), datetime(year + 1, 1, 1, tzinfo=zone), zone)

    @classmethod
    def of_tax_year(cls, profile: Profile | None, mode: str, year: int) -> Scope:
        """A tax year of one profile, or of every profile."""
        chosen = (profile.pk,) if profile is not None else tuple(Profile.objects.values_list("pk", flat=True))
        return cls.of_year(chosen, mode, year, ZONE)

    def holds(self, at: datetime) -> bool:
        """Whether a moment belongs to it."""
        return self.start <= at < self.end


@dataclass(slots=True)
class History:
    """Everything that changed one leg."""

    leg: Leg
    fills: list[Fill] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    corrections: list[Correction] = field(default_factory=list)

    def lots(self) -> list[Lot]:
        """The closed lots, first in, first out. Raises DoesNotAddUp."""
        bought = [
            Purchase(traded_at(fill), fill.count, fill.price * fill.count, fill.fee)
            for fill in self.fills
            if fill.order.action == Order.Action.BUY
        ]
        try:
            return lots(bought, self._closings())
        except MoreClosedThanBought as error:
            raise DoesNotAddUp(
                f"Position #{self.leg.position_id}, {self.leg.market_id} {self.leg.side}: {error}."
            ) from error

    def _closings(self) -> list[Closing]:
        sold = [
            Closing(key(fill), traded_at(fill), fill.count, fill.price * fill.count, fill.fee, False)
            for fill in self.fills
            if fill.order.action == Order.Action.SELL
        ]
        settled = [Closing(key(row), self.settled_at(row), row.count, row.payout, 0, True) for row in self.settlements]
        corrected = [
            Closing(key(row), row.created_at, row.count, row.proceeds + row.fees, row.fees, False)
            for row in self.corrections
        ]
        return [*sold, *settled, *corrected]

    def settled_at(self, row: Settlement) -> datetime:
        """When the exchange settled the market, where it says so, else when it was booked: the year that the exchange files it under."""
        stated = self.leg.market.settled_at
        return min(stated, row.created_at) if stated is not None else row.created_at


def key(row: Fill | Settlement | Correction) -> str:
    """The name of a row that closes contracts."""
    return f"{row._meta.model_name} {row.pk}"


def traded_at(fill: Fill) -> datetime:
    """When the exchange says that it happened, else when it was booked."""
    return fill.exchange_at or fill.created_at


def histories(scope: Scope) -> Iterator[History]:
    """Every leg of the scope's profiles that ever bought something (a lot of this year may have been bought years ago), four queries
    for each ``LEGS_AT_ONCE``."""
    rows = Leg.objects.filter(position__profile__in=scope.profiles, position__mode=scope.mode, bought_count__gt=0)
    rows = rows.select_related("position__profile", "position__event", "market").only(*OF_LEG)
    legs = rows.order_by("pk").iterator(LEGS_AT_ONCE)
    while some := list(islice(legs, LEGS_AT_ONCE)):
        yield from _of(some)


def _of(legs: list[Leg]) -> list[History]:
    fills, settlements, corrections = defaultdict(list), defaultdict(list), defaultdict(list)
    for fill in Fill.objects.filter(order__leg__in=legs).select_related("order").only(*OF_FILL).order_by("pk"):
        fills[fill.order.leg_id].append(fill)
    for settled in Settlement.objects.filter(leg__in=legs, reversed_at=None).order_by("pk"):
        settlements[settled.leg_id].append(settled)
    for corrected in Correction.objects.filter(leg__in=legs).order_by("pk"):
        corrections[corrected.leg_id].append(corrected)
    return [History(leg, fills[leg.pk], settlements[leg.pk], corrections[leg.pk]) for leg in legs]
