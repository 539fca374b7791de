"""What was bought, sold, settled and corrected, in order of time, with the lots that each row closes: read as it is sent, and nothing is
held but the lots that are open.

Three cursors, each ordered by the database, are merged. A leg whose rows have closed more than it had bought by then (a fill was booked
late, with its own time) is read whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from heapq import merge
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db.models import Case, DateTimeField, F, QuerySet, Sum, When
from django.db.models.functions import Coalesce, Least

from kalbot.common.errors import KalbotError
from kalbot.console.exports.lots import Closing, Lot, MoreClosedThanBought, OpenLots, Purchase, lots
from strategies.models import Profile
from trading.models import Correction, Fill, Order, Settlement

ZONE: Final = ZoneInfo("America/New_York")
"""The exchange's tax year."""
ROWS_AT_ONCE: Final = 2_000
OF_LEG: Final = (
    *("position__profile__name", "position__mode", "position", "position__event", "position__event__title"),
    *("market", "market__yes_sub_title", "side"),
)
FIELDS: Final = ("profile", "mode", "position", "event", "event_title", "market", "outcome", "side")
"""What ``OF_LEG`` is called in a line."""


KINDS: Final = ("fill", "settlement", "correction")
"""Of rows; those of one moment and leg come in this order."""


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


@dataclass(frozen=True, slots=True)
class Row:
    """One fill, settlement or correction. Money is micro-dollars, ``amount`` before the fee; ``count`` in 1/100 contract. ``what``: the
    side or the result; ``leg``: the columns that name a leg, as in a line."""

    at: datetime
    leg_id: int
    kind: str
    pk: int
    what: str
    count: int
    amount: int
    fee: int
    leg: dict[str, str]
    ident: str = ""

    @property
    def buys(self) -> bool:
        """Whether it opens a lot; everything else closes some."""
        return self.what == Order.Action.BUY

    @property
    def key(self) -> str:
        """The name of a row that closes contracts."""
        return f"{self.kind} {self.pk}"

    def purchase(self) -> Purchase:
        """The lot that it opens."""
        return Purchase(self.at, self.count, self.amount, self.fee)

    def closing(self) -> Closing:
        """What it closes."""
        return Closing(self.key, self.at, self.count, self.amount, self.fee, self.kind == "settlement")


@dataclass(slots=True)
class _Leg:
    """What is open of one leg; ``later``: its closed lots by row, once it was read whole."""

    open: OpenLots = field(default_factory=OpenLots)
    later: dict[str, list[Lot]] | None = None

    def apply(self, row: Row) -> list[Lot]:
        """The lots that ``row`` closes."""
        if row.buys:
            self.open.buy(row.purchase())
            return []
        if self.later is None:
            try:
                return self.open.close(row.closing())
            except MoreClosedThanBought:
                self.later = _read_whole(row)
        return self.later.get(row.key, [])

    @property
    def is_flat(self) -> bool:
        """Whether nothing has to be remembered of it."""
        return self.later is None and not self.open.count


def happened(scope: Scope) -> Iterator[tuple[Row, list[Lot]]]:
    """Every row of the scope in order of time, those of one moment by leg, with the lots that it closes: contracts that were bought in an
    earlier year are followed from there. Raises DoesNotAddUp before the first row."""
    _add_up(scope)
    return _followed(scope)


def _followed(scope: Scope) -> Iterator[tuple[Row, list[Lot]]]:
    legs: dict[int, _Leg] = {}
    for row in _rows({"profiles": scope.profiles, "mode": scope.mode}, scope.end):
        leg = legs.setdefault(row.leg_id, _Leg())
        closed = leg.apply(row)
        if leg.is_flat:
            del legs[row.leg_id]
        if row.at >= scope.start:
            yield row, closed


def _rows(which: dict[str, Any], until: datetime | None) -> Iterator[Row]:
    streams = (_fills(which, until), _settlements(which, until), _corrections(which, until))
    return merge(*streams, key=lambda row: (row.at, row.leg_id, KINDS.index(row.kind), row.pk))


def _of(rows: QuerySet[Any], path: str, which: dict[str, Any]) -> QuerySet[Any]:
    """The rows of one leg, or of profiles in a mode; ``path``: where the leg is."""
    if "leg" in which:
        return rows.filter(**{path: which["leg"]})
    of_scope = {f"{path}__position__profile__in": which["profiles"], f"{path}__position__mode": which["mode"]}
    return rows.filter(**of_scope)


def _dated(
    rows: QuerySet[Any], at: Any, until: datetime | None, path: str, columns: tuple[str, ...]
) -> Iterator[tuple[Any, ...]]:
    """(at, leg, row's key, those columns ..., columns that name the leg ...) in order of time."""
    rows = rows.annotate(at=at)
    rows = rows if until is None else rows.filter(at__lt=until)
    named = (f"{path}__{name}" for name in OF_LEG)
    return rows.order_by("at", path, "pk").values_list("at", path, "pk", *columns, *named).iterator(ROWS_AT_ONCE)


def _leg_of(values: tuple[Any, ...]) -> dict[str, str]:
    return dict(zip(FIELDS, map(str, values), strict=True))


def _fills(which: dict[str, Any], until: datetime | None) -> Iterator[Row]:
    at = Coalesce("exchange_at", "created_at")
    columns = ("order__action", "count", "price", "fee", "trade_id")
    found = _of(Fill.objects.all(), "order__leg", which)
    for moment, leg, pk, action, count, price, fee, ident, *named in _dated(found, at, until, "order__leg", columns):
        yield Row(moment, leg, "fill", pk, action, count, price * count, fee, _leg_of(tuple(named)), ident)


def _settlements(which: dict[str, Any], until: datetime | None) -> Iterator[Row]:
    """By when the exchange settled the market, where it says so, else when it was booked: the year that the exchange files it under."""
    stated = Coalesce("leg__market__settled_at", "created_at")
    at = Least(stated, "created_at", output_field=DateTimeField())
    found = _of(Settlement.objects.filter(reversed_at=None), "leg", which)
    for moment, leg, pk, result, count, payout, *named in _dated(
        found, at, until, "leg", ("result", "count", "payout")
    ):
        yield Row(moment, leg, "settlement", pk, result, count, payout, 0, _leg_of(tuple(named)))


def _corrections(which: dict[str, Any], until: datetime | None) -> Iterator[Row]:
    found = _of(Correction.objects.all(), "leg", which)
    columns = ("count", "proceeds", "fees")
    for moment, leg, pk, count, proceeds, fees, *named in _dated(found, F("created_at"), until, "leg", columns):
        yield Row(moment, leg, "correction", pk, "sell", count, proceeds + fees, fees, _leg_of(tuple(named)))


def _read_whole(row: Row) -> dict[str, list[Lot]]:
    """The closed lots of the row's leg by what closed them. Raises DoesNotAddUp."""
    every = list(_rows({"leg": row.leg_id}, None))
    try:
        closed = lots([one.purchase() for one in every if one.buys], [one.closing() for one in every if not one.buys])
    except MoreClosedThanBought as error:
        named = f"Position #{row.leg['position']}, {row.leg['market']} {row.leg['side']}"
        raise DoesNotAddUp(f"{named}: {error}.") from error
    found: dict[str, list[Lot]] = {}
    for lot in closed:
        found.setdefault(lot.key, []).append(lot)
    return found


def _add_up(scope: Scope) -> None:
    """Raises DoesNotAddUp for a leg that closes more than it ever bought."""
    which = {"profiles": scope.profiles, "mode": scope.mode}
    signed = Case(When(order__action=Order.Action.BUY, then=F("count")), default=-F("count"))
    left: Counter[int] = Counter()
    for path, rows, count in (
        ("order__leg", Fill.objects.all(), signed),
        ("leg", Settlement.objects.filter(reversed_at=None), -F("count")),
        ("leg", Correction.objects.all(), -F("count")),
    ):
        for leg, total in _of(rows, path, which).order_by().values_list(path).annotate(total=Sum(count)).iterator():
            left[leg] += total
    for leg in sorted(leg for leg, count in left.items() if count < 0):
        _read_whole(next(_rows({"leg": leg}, None)))
