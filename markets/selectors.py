"""Fees and price grids as the catalogue has them, in the form that the pure modules want."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.db.models import CharField, Q, QuerySet
from django.db.models.expressions import Combinable

from kalbot.common import clock
from kalbot.common.db.fetch import Fetch
from kalbot.common.db.prepared import Among
from kalbot.common.db.prepared_columns import PreparedColumns
from kalbot.common.errors import SettingError
from kalbot.common.units import Money, UnitError, parse_money
from markets.fees import FeeError, Fees, FeeSchedule, MixedFees, resolve
from markets.kalshi.grid import PriceBand
from markets.models import Event, FamilyMember, FeeChange, Market


def fees_of(event: Event, *, is_changed: bool = True) -> Fees:
    """The fees in force now for the markets of ``event`` (fetch it with its series: ``select_related("series")``), of a family those of
    each member's markets. See ``fee_schedule``."""
    if not event.is_family:
        return fee_schedule(event, is_changed=is_changed)
    members = Event.objects.filter(families__family=event).select_related("series")
    of_event = {member.pk: fee_schedule(member, is_changed=is_changed) for member in members}
    if len(set(of_event.values())) == 1:
        return next(iter(of_event.values()))
    markets = Market.objects.filter(event__in=of_event).values_list("ticker", "event_id")
    return MixedFees({ticker: of_event[member] for ticker, member in markets})


def fees_of_many(events: Mapping[str, Event]) -> dict[str, Fees | None]:
    """The same by ticker, None where they are not known. Only series with an announced change that has come due are read one by one."""
    families = [ticker for ticker, event in events.items() if event.is_family]
    series: dict[str, set[str]] = {ticker: {event.series_id} for ticker, event in events.items()}
    if families:
        members = FamilyMember.objects.filter(family__in=families).values_list("family_id", "event__series_id")
        for family, one in members:
            series[family].add(one)
    due = FeeChange.objects.filter(series__in=set().union(*series.values()), scheduled_at__lte=clock.now())
    changed = set(due.values_list("series_id", flat=True))
    found: dict[str, Fees | None] = {}
    for ticker, event in events.items():
        try:
            found[ticker] = fees_of(event, is_changed=not changed.isdisjoint(series[ticker]))
        except FeeError:
            found[ticker] = None
    return found


def fee_schedule(event: Event, *, is_changed: bool = True) -> FeeSchedule:
    """The fees in force now for every market of ``event``, which is no family.

    An announced change counts from its time on, whatever the rows still say; ``is_changed`` False: it is known that none is due
    (``due_changes``). Raises markets.fees.FeeError for a fee type that is not known: then nothing of this event may be traded.
    """
    series_type, series_multiplier = event.series.fee_type, event.series.fee_multiplier_e6
    override, override_multiplier = event.fee_type_override, event.fee_multiplier_override_e6
    due = due_changes(event.series_id, clock.now()).order_by("scheduled_at") if is_changed else ()
    for change in due:
        if not change.event_ticker:
            series_type = change.fee_type
            series_multiplier = -1 if change.fee_multiplier_e6 is None else change.fee_multiplier_e6
        elif change.event_ticker == event.pk:
            override, override_multiplier = change.fee_type, change.fee_multiplier_e6
    return resolve(series_type, series_multiplier, override or None, override_multiplier, fee_grid())


def due_changes(series: str | Combinable, now: datetime | Combinable) -> QuerySet[FeeChange]:
    """The announced changes of a series' fees whose time has come."""
    return FeeChange.objects.filter(series_id=series, scheduled_at__lte=now)


def books_of(event: Event) -> tuple[str, ...]:
    """The events whose books ``event`` is traded on: itself, or the members of a family."""
    if not event.is_family:
        return (event.pk,)
    return tuple(FamilyMember.objects.filter(family=event).order_by("event_id").values_list("event_id", flat=True))


def markets_of(event: Event) -> QuerySet[Market]:
    """The markets of an event, of a family those of all its members."""
    return Market.objects.filter(event__in=books_of(event)) if event.is_family else event.markets.all()


def with_families(events: Sequence[str]) -> list[str]:
    """These events and the open families that they are members of: what moves one moves the other."""
    return [*events, *families_of(events).now().families]


class Related(NamedTuple):
    """The open ``families`` that some events are members of, without those that are among them. ``apart``: none of the events is a
    family or a member of one, open or not, so that no other event has markets of theirs."""

    families: list[str]
    apart: bool


def families_of(events: Sequence[str]) -> Fetch[Related]:
    """See Related."""
    return Fetch(((_FAMILIES, {"events": events}),), lambda rows: _related(set(events), rows[0]))


def _related(events: Set[str], rows: Iterable[Sequence[Any]]) -> Related:
    rows = list(rows)
    of_members = {family for family, member, is_open in rows if is_open and member in events}
    return Related(sorted(of_members - events), not rows)


def overlapping(events: Collection[str]) -> dict[str, str]:
    """event -> the one of ``events`` that has markets in common with it: families of theirs, and members of theirs."""
    named = set(events)
    if not named:
        return {}
    found: dict[str, str] = {}
    of_family: dict[str, list[str]] = defaultdict(list)
    for family, event in _TOUCHED.rows(events=named):
        of_family[family].append(event)
    for family, members in of_family.items():
        cause = family if family in named else next(event for event in members if event in named)
        found[family] = cause
        if family in named:
            found |= dict.fromkeys(members, family)
    for family, members in of_family.items():  # two families of one event
        shared = next((event for event in members if event in found), None)
        if shared is not None:
            found.setdefault(family, found[shared])
    return {event: cause for event, cause in found.items() if event not in named}


def _touched() -> QuerySet[FamilyMember, Any]:
    """All members of the families that are events of a list, or have one of them as a member."""
    touched = FamilyMember.objects.filter(Q(family__in=_EVENTS) | Q(event__in=_EVENTS)).values("family")
    return FamilyMember.objects.filter(family__in=touched).values_list("family_id", "event_id")


_EVENTS = Among("events", CharField())
_TOUCHED: Final = PreparedColumns(_touched)
_FAMILIES: Final = PreparedColumns(
    lambda: FamilyMember.objects.filter(Q(event__in=_EVENTS) | Q(family__in=_EVENTS)).values_list(
        "family_id", "event_id", "family__is_open"
    )
)


def fee_grid() -> Money:
    """The member's balance grid of the settings. SettingError if it is not an amount."""
    try:
        return parse_money(settings.KALSHI_FEE_GRID)
    except UnitError as error:
        raise SettingError(f"KALSHI_FEE_GRID is not an amount of dollars: {error}.") from None


def price_bands(market: Market) -> tuple[PriceBand, ...]:
    """The grid that an order's price must lie on; empty when it is not known, and then no price is valid."""
    return tuple(PriceBand(*band) for band in market.price_bands)
