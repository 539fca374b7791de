"""Collateral return: what the exchange credits for a position at once and takes back as it goes, in our own books.

A position keeps the reading under which it was opened; what is credited is booked with every fill, sale, correction and settlement, in
the same transaction, so that cash in the ledger is what the account can spend. Live positions of one event and subaccount are one
at a time (``LiveEventClaim``) and none is opened beside contracts that are not ours, so the exchange's group is the position.

The model is ``strategies.collateral``. Money in micro-dollars, counts 1/100 contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from django.db.models import IntegerField

from kalbot.common.db.fetch import Fetch
from kalbot.common.db.prepared import Param
from kalbot.common.db.prepared_columns import PreparedColumns
from kalbot.common.units import CENT, CONTRACT, DOLLAR_PRICE, Money
from markets.book import Side
from markets.models import Event, Market
from markets.terms.states import Holding
from strategies.collateral.funds import Funds, Purchase, exit_order, held_for
from strategies.collateral.groups import Choices, Exclusive, Group, returned
from strategies.models import Decision, Kind, Mode, Profile
from trading import ended_beside
from trading.accounting import ledger
from trading.accounting.posting import Posting
from trading.denials import DenialCode, Denied
from trading.models import (
    TERMINAL,
    Account,
    ExchangeAccount,
    LedgerTransaction,
    Leg,
    Position,
    PositionStatus,
    Settlement,
)

EXCLUSIVE: Final = "MECNET"
DIRECTIONAL: Final = "DIRECNET"
FUNDS: Final = "funds"
"""Key of ``Position.collateral``: what was set aside for it at first."""
LEARNING: Final = "learning"
"""Key of ``Position.collateral``: the exchange's cash is compared with the model leg by leg while it is bought."""
BUYING: Final = (
    PositionStatus.PENDING,
    PositionStatus.QUOTING,
    PositionStatus.EXECUTING,
    PositionStatus.COMPLETING,
)
Reading = Mapping[str, Any]


def reading_for(profile: Profile, event: Event, kind: str, account: tuple[str, Reading] | None) -> Reading | None:
    """Under which reading a basket of ``kind`` is opened now; None: without collateral return. ``account``: mode and reading of the
    profile's account, live."""
    if kind != Kind.ALL_NO or event.collateral_return_type != EXCLUSIVE:
        return None
    if profile.mode == Mode.SIM:
        return stored(Choices()) if profile.collateral_return else None
    if account is None or account[0] == ExchangeAccount.Collateral.OFF:
        return None
    reading: dict[str, Any] = stored(choices_of(account[1]))
    return {**reading, LEARNING: True} if account[0] == ExchangeAccount.Collateral.LEARNING else reading


def counted_on(profile: Profile) -> Fetch[Choices | None]:
    """How collateral is returned for NO baskets that ``profile`` opens now; None where it is not, or is still being learnt."""
    if profile.mode == Mode.SIM:
        return Fetch((), lambda rows: Choices() if profile.collateral_return else None)
    return Fetch(((_READINGS, {"subaccount": profile.subaccount or 0}),), _choices)


def _choices(rows: Sequence[list[Any]]) -> Choices | None:
    reading = next((one for (one,) in rows[0]), None)
    return None if reading is None else choices_of(reading)


_READINGS: Final = PreparedColumns(
    lambda: (
        ExchangeAccount.objects.filter(
            subaccount=Param("subaccount", IntegerField()), collateral=ExchangeAccount.Collateral.ON
        )
        .order_by("pk")
        .values_list("collateral_reading")
    )
)


def check_family(decision: Decision, markets: Iterable[Market], account: tuple[str, Reading] | None) -> None:
    """Denied where the exchange might return collateral for legs of a family: what it returns in a ladder (DIRECNET) is documented nowhere,
    so a basket is bought only if there is nothing to be returned for any part of it under any reading."""
    if decision.kind != Kind.FAMILY or not is_used(account):
        return
    events = {market.ticker: market.event for market in markets}
    legs: dict[str, list[Holding]] = {}
    for leg in decision.legs:
        held = (leg["ticker"], Side(leg["side"]), CONTRACT)
        legs.setdefault(events[leg["ticker"]].ticker, []).append(held)
    types = {event.ticker: event.collateral_return_type for event in events.values()}
    for ticker, holdings in legs.items():
        if not is_neutral(types[ticker], holdings):
            raise Denied(DenialCode.COLLATERAL_FAMILY, f"{ticker}: {types[ticker]}")


def is_used(account: tuple[str, Reading] | None) -> bool:
    """Whether collateral return is on, or being learnt, on an account."""
    return account is not None and account[0] != ExchangeAccount.Collateral.OFF


def is_neutral(group_type: str, holdings: Sequence[Holding]) -> bool:
    """Whether the exchange returns nothing for these holdings of one event, nor for any part of them, however it counts: no group; or one
    outcome that it allows pays nothing at all. Which of a ladder's markets implies which is its own affair: legs of one side can all
    lose, of both perhaps not."""
    if not group_type:
        return True
    if group_type == DIRECTIONAL:
        return len({side for _, side, _ in holdings}) <= 1
    if group_type != EXCLUSIVE:
        return False
    group = group_of(ticker for ticker, _, _ in holdings)
    return all(not returned(holdings, group, Choices(yes_counts=counts)) for counts in (False, True))


def stored(choices: Choices) -> dict[str, bool]:
    """A reading as it is kept in a row."""
    return {"yes_counts": choices.yes_counts, "whole_cents": choices.whole_cents}


def choices_of(reading: Reading) -> Choices:
    """The reading of a row. What it does not name is as the model assumes."""
    return Choices(bool(reading.get("yes_counts", False)), bool(reading.get("whole_cents", False)))


def funds_for(reading: Reading | None, purchases: Iterable[Purchase], held: Iterable[Holding] = ()) -> Money:
    """What must be set aside to buy ``purchases`` beside what is ``held`` (``held_for``). Without a reading it is the sum of their
    costs."""
    bought, before = list(purchases), list(held)
    if reading is None:
        return Money(sum(one.cost for one in bought))
    group = group_of([*(ticker for ticker, _, _ in before), *(one.ticker for one in bought)])
    return held_for(before, bought, group, choices_of(reading))


def funds_to_complete(position: Position, purchases: Iterable[Purchase]) -> Money:
    """The same for what ``position`` still lacks, beside what it holds."""
    if position.collateral is None:
        return funds_for(None, purchases)
    held = [(leg.market_id, Side(leg.side), leg.held) for leg in legs_of(position) if leg.held]
    return funds_for(position.collateral, purchases, held)


def follow(position: Position, brought: int = 0) -> None:
    """Book what collateral return credits (or takes back) for what ``position`` holds now. To be called by whatever changes a leg, in
    the same transaction, after the leg, with the position locked. ``brought``: see ``following``."""
    if position.collateral is None:
        return
    row = Position.objects.get(pk=position.pk)
    number = LedgerTransaction.objects.filter(position=row).count() + 1
    postings = following(row, legs_of(row), str(number), brought)
    if postings:
        ledger.post_new(row.profile_id, row.mode, postings)
        Position.objects.filter(pk=row.pk).update(returned=row.returned, reserved=row.reserved)
        position.returned, position.reserved = row.returned, row.reserved


def following(position: Position, legs: Sequence[Leg], name: str, brought: int) -> list[Posting]:
    """What has to be booked for what ``legs``, all of ``position``, hold now; ``returned`` and ``reserved`` of the position in memory are
    brought up to it. The caller has locked the position and writes it; its ``cost`` is what is held now. ``name`` of the change, its own
    among those of the position. ``brought``: what the same transaction has booked on cash (below zero: taken from it).

    While it is bought, what is credited stays set aside as far as the rest may still need it: never more than the funds of the beginning
    less what is out by now. Afterwards what a sale takes back comes out of what was set aside for that, and what it frees stays set aside
    as far as the other legs need it: else the same money would be promised to the exit and to a basket.
    """
    change = held_back(position, legs) - position.returned
    postings = []
    if change:
        position.returned += change
        entries = (Account.CASH, change), (Account.RETURNED, -change)
        postings.append(Posting("collateral", f"collateral:{position.pk}:{name}", entries, position))
    reserved = _reserve(position, legs, change, brought)
    if reserved != position.reserved:
        key = f"reserve:{position.pk}:collateral {name}"
        postings.append(ledger.reserving(position, reserved - position.reserved, key))
        position.reserved = reserved
    return postings


def _reserve(position: Position, legs: Sequence[Leg], change: int, brought: int) -> int:
    """What stays set aside for the position after a ``change`` of what is returned for it, and what was ``brought`` beside."""
    if position.status in BUYING:
        wanted = int((position.collateral or {}).get(FUNDS, 0)) - (position.cost - position.returned)
        return max(position.reserved, wanted) if change else position.reserved
    if position.status in TERMINAL:
        return position.reserved
    there, needed = max(0, position.reserved + brought + change), exit_reserve(position, legs)
    return min(there, needed if position.status == PositionStatus.OPEN else max(position.reserved, needed))


def exit_reserve(position: Position, legs: Sequence[Leg] | None = None) -> Money:
    """What stays set aside while the position is open, so that it can be left early: the most that is missing between the first sale and
    the last when every leg is sold for what it cost. ``legs``: all of it, where the caller has them as they are."""
    legs = legs_of(position) if legs is None and position.collateral is not None else legs
    funds = funds_of(position, legs or ())
    if funds is None or not funds.held:
        return Money(0)
    costs = {(leg.market_id, Side(leg.side)): leg.open_cost for leg in legs or ()}
    _, missing = exit_order(funds, costs)
    return missing


def funds_of(position: Position, legs: Sequence[Leg]) -> Funds | None:
    """What ``legs``, all of ``position``, hold of markets that have not settled, as the exchange counts it; None where it returns nothing
    for it."""
    results = None if position.collateral is None else results_of(position, legs)
    if results is None or ended_beside.settled_at_a_price(position, legs):
        return None
    funds = Funds(group_of(leg.market_id for leg in legs), choices_of(position.collateral or {}), results=results)
    held = {(leg.market_id, Side(leg.side)): leg.held for leg in legs}
    funds.held = {key: count for key, count in held.items() if count and key[0] not in results}
    return funds


def held_back(position: Position, legs: Sequence[Leg] | None = None) -> Money:
    """What the exchange has returned for what ``position`` holds, by its reading and what has been settled. Nothing after a leg, or a
    market beside them, was settled at a price: what that means for the rest of a group is not documented. ``legs``: see
    ``exit_reserve``."""
    if position.collateral is None:
        return Money(0)
    funds = funds_of(position, legs_of(position) if legs is None else legs)
    return Money(0) if funds is None else funds.returned


def changes_at_settlement(leg: Leg, result: str) -> list[range]:
    """By how much what is returned may have changed at the exchange when it settled ``leg`` (micro-dollars, negative: taken back).

    In which order it settles the markets of an event, and when it counts the winner, is its own affair: every order is possible. Empty
    without collateral return.
    """
    if leg.position.collateral is None:
        return []
    legs = Leg.objects.filter(position=leg.position_id)
    held = {one.pk: one.held + one.settled_count for one in legs}
    own = held.pop(leg.pk)
    width = CENT if choices_of(leg.position.collateral).whole_cents else 1
    if result == "yes":
        found = {max(own, other) - own for other in held.values()} | {0}
    elif result == "no":
        found = {-own, 0} | {-other for other in held.values() if other < own}
    else:  # nothing is returned any more, and how much was depends on what had settled
        return [range(-(own + sum(held.values())) * DOLLAR_PRICE, 1)]
    return [range(DOLLAR_PRICE * count - width + 1, DOLLAR_PRICE * count + width) for count in sorted(found)]


def group_of(tickers: Iterable[str]) -> Group:
    return Exclusive(tuple(dict.fromkeys(tickers)))


def legs_of(position: Position) -> list[Leg]:
    return list(Leg.objects.filter(position=position))


def results_of(position: Position, legs: Iterable[Leg]) -> dict[str, bool] | None:
    """Settled markets and whether they resolved Yes; None where one resolved otherwise. ``legs``: all of the position."""
    if not any(leg.settled_count for leg in legs):
        return {}
    settled = Settlement.objects.filter(leg__position=position, reversed_at=None)
    found = dict(settled.values_list("leg__market_id", "result"))
    if any(result not in ("yes", "no") for result in found.values()):
        return None
    return {ticker: result == "yes" for ticker, result in found.items()}
