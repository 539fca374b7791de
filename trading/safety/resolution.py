"""What a person can do about a difference: for every kind one action that ends it, with who and why.

Most are *accepted as they are*: the person has found out what they are, and they are not named again until they change. Where our
books can be brought to the exchange's, the action does that by a booking. The trading state is not touched: resuming is another
decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from kalbot.common.errors import KalbotError
from kalbot.common.units import dollars
from markets.kalshi.errors import KalshiError
from trading import states
from trading.accounting import account_ledger, audit
from trading.execution.orders import record, submit
from trading.models import (
    ACTIVE,
    Discrepancy,
    ExchangeAccount,
    Order,
    OrderStatus,
    Position,
    PositionStatus,
)
from trading.reconciliation import adoption, lost_baskets
from trading.reconciliation.lost_baskets import LostBasket
from trading.safety import contracts, discrepancies
from trading.safety.contracts import CannotResolve as CannotResolve
from trading.venues import connection


@dataclass(frozen=True, slots=True)
class Action:
    """``title`` for a button, ``sentence`` for what it does; ``accepts``: the difference is kept as known."""

    title: str
    sentence: str
    act: Callable[[Discrepancy, str, str], str]
    accepts: bool = False
    preview: Callable[[Discrepancy], list[tuple[str, str]]] = lambda row: []
    """What it would make, as (label, text) pairs."""


def action_for(row: Discrepancy) -> Action:
    """The one action that ends ``row``."""
    return ACTIONS.get(row.code, _KNOWN)


def resolve(pk: int, *, actor: str, reason: str) -> str:
    """End an open difference by its action. What was done, in words. Raises CannotResolve, ValueError without a reason."""
    if not reason.strip():
        raise ValueError("ending a difference needs a reason")
    row = Discrepancy.objects.filter(pk=pk, resolved_at=None).first()
    if row is None:
        raise CannotResolve("this difference is not open any more")
    action = action_for(row)
    done = action.act(row, actor, reason)
    Discrepancy.objects.filter(pk=pk).update(accepted=action.accepts)
    discrepancies.close(row, actor=actor, resolution=f"{reason}: {done}")
    return done


def _accept(row: Discrepancy, actor: str, reason: str) -> str:
    return "accepted as it is"


def _accept_cash(row: Discrepancy, actor: str, reason: str) -> str:
    moved = account_ledger.accept_cash(reason, actor, int(row.key))
    return f"{dollars(moved)} booked as moved by a person"


def _book_rejected(row: Discrepancy, actor: str, reason: str) -> str:
    order = Order.objects.filter(pk=row.key).first()
    if order is None:
        raise CannotResolve("there is no such order")
    return "its fills are being booked" if record.revive(order) else "the order has moved on by itself"


def _switch_off_netting(row: Discrepancy, actor: str, reason: str) -> str:
    try:
        connection.client().portfolio.cash.set_netting(int(row.key), False)
    except (KalbotError, KalshiError) as error:
        raise CannotResolve(f"collateral return cannot be switched off: {error}") from None
    ExchangeAccount.objects.filter(subaccount=int(row.key)).update(collateral=ExchangeAccount.Collateral.OFF)
    return "collateral return is switched off, here and at the exchange"


def _recount(row: Discrepancy, actor: str, reason: str) -> str:
    if row.profile is None:
        raise CannotResolve("the difference names no profile")
    changed = audit.rebuild_totals(row.profile)
    return f"running totals taken from the entries: {', '.join(changed) or 'nothing differed'}"


def _search_again(row: Discrepancy, actor: str, reason: str) -> str:
    order = Order.objects.select_related("leg__market", "profile", "position").filter(pk=row.key).first()
    if order is None:
        raise CannotResolve("there is no such order")
    if order.status in (OrderStatus.SENDING, OrderStatus.UNKNOWN):
        record.move(order, (OrderStatus.SENDING,), OrderStatus.UNKNOWN)
        if not submit.search(order):
            raise CannotResolve("the exchange does not say what became of it yet")
    return f"the order is {order.get_status_display()}"


def _step_again(row: Discrepancy, actor: str, reason: str) -> str:
    position = Position.objects.filter(pk=row.key, status__in=ACTIVE).first()
    if position is None:
        return "the position has ended"
    states.note(position, f"to be tried again now: {reason}", actor=actor)
    Position.objects.filter(pk=position.pk, status__in=ACTIVE).update(next_step_at=None, waits=0)
    return "it is tried again now"


def _balance(row: Discrepancy, actor: str, reason: str) -> str:
    position = Position.objects.filter(pk=row.key, status__in=ACTIVE).first()
    if position is None or position.status != PositionStatus.OPEN:
        return _step_again(row, actor, reason)
    try:
        states.transition(position, PositionStatus.UNWINDING, reason=reason, actor=actor, next_step_at=None)
    except states.Overtaken as overtaken:
        raise CannotResolve(str(overtaken)) from None
    return "the position is at work on it"


def _lost(row: Discrepancy) -> LostBasket:
    try:
        found = next((one for one in lost_baskets.find() if one.key == row.key), None)
    except KalshiError as error:
        raise CannotResolve(f"the exchange's orders cannot be read: {error}") from None
    if found is None:
        raise CannotResolve("the exchange lists no such basket any more")
    return found


def _adopt(row: Discrepancy, actor: str, reason: str) -> str:
    position = adoption.adopt(_lost(row), actor=actor, reason=reason)
    return f"adopted as position #{position.pk}, {position.get_status_display()}"


def _adoption(row: Discrepancy) -> list[tuple[str, str]]:
    try:
        return adoption.plan(_lost(row))
    except (KalbotError, KalshiError) as error:
        return [("Refused", str(error))]


_KNOWN: Final = Action(
    "Accept as known",
    "Nothing is booked. It is not named again until it changes; say in the reason what it is.",
    _accept,
    accepts=True,
)
_OFF: Final = Action(
    "Switch collateral return off",
    "Switches it off for this subaccount, at the exchange and here. What was bought with it keeps its rule.",
    _switch_off_netting,
)
ACTIONS: Final[Mapping[str, Action]] = {
    Discrepancy.Code.REJECTED_ORDER_FILLED: Action(
        "Book its fills", "The order counts as accepted, and what it filled is fetched and booked.", _book_rejected
    ),
    Discrepancy.Code.FILL_IMPOSSIBLE: _KNOWN,
    Discrepancy.Code.FILL_MISSING: _KNOWN,
    Discrepancy.Code.NETTING_ON: _OFF,
    Discrepancy.Code.COLLATERAL: _OFF,
    Discrepancy.Code.POSITION: Action(
        "Take the exchange's contracts",
        "Contracts that are missing are taken out of our legs for nothing received; others count as somebody else's.",
        contracts.align,
    ),
    Discrepancy.Code.CASH: Action(
        "Accept the exchange's cash", "The difference is booked as money that a person moved.", _accept_cash
    ),
    Discrepancy.Code.LEDGER: Action(
        "Take the entries", "The running totals are made again from the ledger's entries.", _recount
    ),
    Discrepancy.Code.LEDGER_POSITIONS: _KNOWN,
    Discrepancy.Code.LEG_FILLS: _KNOWN,
    Discrepancy.Code.FOREIGN_ORDER: _KNOWN,
    Discrepancy.Code.UNREADABLE: _KNOWN,
    Discrepancy.Code.FILLS_UNLISTED: _KNOWN,
    Discrepancy.Code.ORDER_UNRESOLVED: Action(
        "Search for it again",
        "The exchange's listing and history are searched once more; nothing is sent.",
        _search_again,
    ),
    Discrepancy.Code.POSITION_WAITING: Action(
        "Try again now", "The position is stepped at once; it is named again if nothing happens.", _step_again
    ),
    Discrepancy.Code.EXIT_WAITING: Action(
        "Try again now",
        "The books are read and sold on at once, at the prices of the exit. To sell for less, request the exit again; to keep the rest, "
        "withdraw it.",
        _step_again,
    ),
    Discrepancy.Code.LATE_FILL: _KNOWN,
    Discrepancy.Code.LEGS_ALONE: Action(
        "Complete or sell the rest",
        "What no whole basket needs is completed where that pays and the limits allow, else sold within the leg-risk budget.",
        _balance,
    ),
    Discrepancy.Code.ENDED_HOLDS: _KNOWN,
    Discrepancy.Code.LOST_BASKET: Action(
        "Adopt the basket",
        "Position, legs, orders, fills and ledger entries are made again from the exchange's listing; nothing is sent.",
        _adopt,
        preview=_adoption,
    ),
    Discrepancy.Code.SETTLEMENT_COUNT: Action(
        "Take the exchange's count",
        "What the record counts is settled; contracts of ours beyond it are taken out of the legs for nothing received.",
        contracts.take_uncredited,
    ),
    Discrepancy.Code.SETTLEMENT_REVENUE: _KNOWN,
    Discrepancy.Code.RESULT_WAITING: _KNOWN,
    Discrepancy.Code.SETTLEMENT_WAITING: Action(
        "Try again now",
        "Results and settlement records are read again, and what they say is booked.",
        contracts.settle_again,
    ),
}
