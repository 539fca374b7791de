"""Baskets of ours that the exchange lists and our books have lost: what a restored dump does not know of.

An order's client id says its profile, position, action and side (``client_ids``), so orders without a row are put together to baskets.
Orders whose ids say nothing (placed by an older version) are taken for a profile's only where a person says so, event by event:
what a market's contracts were before says which of them bought and which sold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from kalbot.common import clock
from kalbot.common.wording import many
from markets.catalogue.scan import fetch_events
from markets.kalshi.errors import KalshiError
from markets.kalshi.schemas.orders import Fill as ListedFill
from markets.kalshi.schemas.orders import Order as ListedOrder
from markets.kalshi.vocabulary import Side
from markets.models import FamilyMember, Market
from strategies.models import Kind, Profile
from trading.execution.orders import client_ids
from trading.models import AccountTransaction, Discrepancy, ForeignOrder, Order, Reconciliation
from trading.safety import discrepancies
from trading.venues import connection

NO_POSITION: Final = 0
"""Stands for an order whose id does not say its position."""


@dataclass(frozen=True, slots=True)
class LostOrder:
    """An order as the exchange lists it, all its executions, and what it was for."""

    listed: ListedOrder
    fills: tuple[ListedFill, ...]
    action: Order.Action
    purpose: Order.Purpose
    side: str

    @property
    def filled(self) -> int:
        """Contracts, 1/100."""
        return sum(fill.count for fill in self.fills)


@dataclass(frozen=True, slots=True)
class LostBasket:
    """Orders of one lost position. ``number``: the position that their ids name, 0 where they name none; ``legs``: of the decision, 0
    where that is not known. ``refusal``: why it cannot be adopted, empty if it can."""

    subaccount: int
    event: str
    profile: Profile | None
    number: int
    kind: Kind | None = None
    legs: int = 0
    orders: tuple[LostOrder, ...] = field(default=())
    refusal: str = ""

    @property
    def key(self) -> str:
        """The name of it in discrepancies and on the command line."""
        return f"{self.subaccount}:{self.event}:{self.profile.pk if self.profile else 0}:{self.number}"

    def held(self) -> dict[tuple[str, str], int]:
        """(ticker, side) -> contracts bought and not sold again, 1/100; settled ones included."""
        found: dict[tuple[str, str], int] = defaultdict(int)
        for one in self.orders:
            found[one.listed.ticker, one.side] += one.filled if one.action == Order.Action.BUY else -one.filled
        return dict(found)


def name(row: Reconciliation) -> None:
    """Each lost basket becomes a difference that a person ends by adopting it; a profile that lost one buys nothing new."""
    groups = _groups()
    for key, orders in groups.items():
        profile = Profile.objects.filter(pk=key.split(":")[2]).first()
        words = f"{many(len(orders), 'order')} with our ids, first {min(o.exchange_order_id for o in orders)}"
        discrepancies.found(row, Discrepancy.Code.LOST_BASKET, key, ours="no rows", theirs=words, profile=profile)
    discrepancies.resolved(Discrepancy.Code.LOST_BASKET, "", except_for=groups)


def find() -> list[LostBasket]:
    """The baskets whose orders' ids say that they are ours, oldest first. Reads the exchange; raises KalshiError."""
    found = []
    for key, rows in _groups().items():
        subaccount, event, _, _ = key.split(":")
        said = next(one for one in map(_said, rows) if one is not None)
        basket = LostBasket(
            int(subaccount),
            event,
            Profile.objects.filter(pk=said.profile).first(),
            said.position,
            said.kind,
            max(one.legs for one in map(_said, rows) if one is not None),
        )
        found.append(_read(basket, rows))
    return sorted(found, key=_begun)


def find_of(event: str, profile: Profile) -> list[LostBasket]:
    """Baskets of orders in ``event`` whose client ids are UUIDs that say nothing, taken for ``profile``'s because a person says so."""
    subaccount = profile.subaccount or 0
    tickers = list(Market.objects.filter(event_id=event).values_list("ticker", flat=True))
    rows = [
        row
        for row in ForeignOrder.objects.filter(subaccount=subaccount, ticker__in=tickers)
        if _is_uuid(row.client_order_id) and _said(row) is None and not _is_accounted(row)
    ]
    basket = _read(LostBasket(subaccount, event, profile, NO_POSITION), rows)
    return [_with_kind(one, set(tickers)) for one in _lives(basket)] if rows else []


def _begun(basket: LostBasket) -> datetime:
    return min((one.listed.created or clock.now() for one in basket.orders), default=clock.now())


def _groups() -> dict[str, list[ForeignOrder]]:
    """Orders with ids of ours and without a row, by basket."""
    rows = [row for row in ForeignOrder.objects.exclude(client_order_id="") if _said(row) and not _is_accounted(row)]
    events = _events({row.ticker for row in rows})
    groups: dict[str, list[ForeignOrder]] = defaultdict(list)
    for row in rows:
        said = _said(row)
        if said is not None and not Order.objects.filter(pk=UUID(row.client_order_id)).exists():
            event = events.get(row.ticker, "")
            event = _family_of(event) if said.kind == Kind.FAMILY else event
            groups[f"{row.subaccount}:{event}:{said.profile}:{said.position}"].append(row)
    return dict(groups)


def _family_of(event: str) -> str:
    """The family that a basket with legs in ``event`` was of; empty where there is none, or more than one."""
    found = list(FamilyMember.objects.filter(event=event).values_list("family_id", flat=True)[:2])
    return found[0] if len(found) == 1 else ""


def _said(row: ForeignOrder) -> client_ids.ClientId | None:
    return client_ids.read(row.client_order_id)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _is_accounted(row: ForeignOrder) -> bool:
    """Whether what it sold has been taken out of legs of ours already, as sold by somebody else: contracts and cash are right."""
    booked = AccountTransaction.objects.filter(key__startswith=f"trade:{row.exchange_order_id}:", kind="trade")
    return any(one.evidence.get("of_our_legs") for one in booked)


def _events(tickers: set[str]) -> dict[str, str]:
    """ticker -> event, of the catalogue; what it lacks is fetched."""
    known = dict(Market.objects.filter(ticker__in=tickers).values_list("ticker", "event_id"))
    if missing := sorted(tickers - known.keys()):
        pages = connection.client().catalogue.markets(tickers=missing)
        fetch_events(connection.client(), sorted({m.event_ticker for page in pages for m in page.markets}))
        known |= dict(Market.objects.filter(ticker__in=missing).values_list("ticker", "event_id"))
    return known


def _read(basket: LostBasket, rows: Sequence[ForeignOrder]) -> LostBasket:
    """The basket with its orders as the exchange has them now, or with the reason why they cannot be had."""
    if basket.profile is None or (basket.profile.subaccount or 0) != basket.subaccount:
        return replace(basket, refusal="its profile is not in this database, or trades on another subaccount")
    if not basket.event:
        return replace(basket, refusal="the catalogue does not know its markets")
    orders = []
    for row in rows:
        try:
            listed = connection.client().orders.get(row.exchange_order_id)
            fills = tuple(connection.client().portfolio.fills(order_id=row.exchange_order_id))
        except KalshiError as error:
            return replace(basket, refusal=f"order {row.exchange_order_id} cannot be read: {error}")
        said = _said(row)
        action, purpose = (said.action, said.purpose) if said else (Order.Action.BUY, Order.Purpose.ENTRY)
        side = said.side if said else listed.outcome_side.value
        one = LostOrder(listed, fills, action, purpose, side)
        if one.filled != listed.fill_count:
            return replace(basket, refusal=f"not every fill of order {row.exchange_order_id} is listed yet")
        orders.append(one)
    return _checked(replace(basket, orders=tuple(sorted(orders, key=_at))))


def _at(one: LostOrder) -> datetime:
    return one.listed.created or clock.now()


def _checked(basket: LostBasket) -> LostBasket:
    for one in basket.orders:
        moves = Side.YES if (one.action == Order.Action.BUY) == (one.side == "yes") else Side.NO
        if one.listed.outcome_side is not moves:
            return replace(basket, refusal=f"order {one.listed.order_id} is not what its id says")
    return basket


def _lives(basket: LostBasket) -> list[LostBasket]:
    """The orders of one event as baskets one after another: one ends where nothing is held any more. An account holds an event for one
    profile at a time."""
    if basket.refusal:
        return [basket]
    lives: list[list[LostOrder]] = [[]]
    held: dict[str, int] = defaultdict(int)
    for one in basket.orders:
        if lives[-1] and not any(held.values()):
            lives.append([])
        signed = one.filled if one.listed.outcome_side is Side.YES else -one.filled
        before = held[one.listed.ticker]
        held[one.listed.ticker] += signed
        if before * signed < 0:
            if abs(signed) > abs(before):
                return [replace(basket, refusal=f"order {one.listed.order_id} sold more than was held")]
            side = "yes" if before > 0 else "no"
            one = replace(one, action=Order.Action.SELL, purpose=Order.Purpose.EXIT, side=side)
        lives[-1].append(one)
    return [replace(basket, orders=tuple(orders)) for orders in lives]


def _with_kind(basket: LostBasket, outcomes: Iterable[str]) -> LostBasket:
    """The kind that the bought sides make; refused where they make none."""
    bought = {(one.listed.ticker, one.side) for one in basket.orders if one.action == Order.Action.BUY}
    sides = {side for _, side in bought}
    if basket.refusal or len(sides) != 1:
        return replace(basket, refusal=basket.refusal or "YES and NO were bought: no kind of basket does that")
    if sides == {"no"}:
        return replace(basket, kind=Kind.ALL_NO)
    covers_all = {ticker for ticker, _ in bought} == set(outcomes)
    return replace(basket, kind=Kind.ALL_YES if covers_all else Kind.COVERAGE)
