"""What somebody else does on our account: seen, booked with its evidence, and respected.

A person may trade beside us. Their orders are listed; their trades are transactions of the account, so that cash and contracts still
add up; contracts of ours that they sold are taken out of the leg by a correction that names the trade.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from kalbot.common import clock
from kalbot.common.units import CONTRACT, DOLLAR, complement
from markets.kalshi.errors import KalshiError, NotFound
from markets.kalshi.schemas.orders import Fill as ListedFill
from markets.kalshi.schemas.orders import Order as ListedOrder
from markets.kalshi.vocabulary import Side
from markets.kalshi.ws.frames import UserOrderFrame
from markets.models import FamilyMember, Market
from strategies.models import Mode
from trading.accounting import account_ledger, accounts, booking
from trading.models import (
    OPEN_ORDERS,
    AccountTransaction,
    ExchangeAccount,
    ForeignOrder,
    Leg,
    Order,
    OrderStatus,
)
from trading.reconciliation import opening, own_rows
from trading.venues import connection, identity

log = logging.getLogger(__name__)
PRIMARY: Final = 0
"""The subaccount that orders without a number belong to."""
MARGIN: Final = timedelta(minutes=10)
OPENING: Final = "in the opening balance"


def note_order(listed: ListedOrder) -> None:
    """Keep what the exchange lists of an order that is not ours."""
    resting = not listed.status.is_terminal
    _, made = ForeignOrder.objects.update_or_create(
        exchange_order_id=listed.order_id,
        defaults={
            "client_order_id": listed.client_order_id[:128],
            "subaccount": listed.subaccount or PRIMARY,
            "ticker": listed.ticker,
            "side": listed.outcome_side.value,
            "price": listed.price,
            "count": listed.initial_count,
            "filled_count": listed.fill_count,
            "remaining_count": listed.remaining_count if resting else 0,
            "is_resting": resting,
            "exchange_at": listed.created,
        },
    )
    if made:
        log.warning("order %s in %s on our account is not ours", listed.order_id, listed.ticker)


def note_frame(frame: UserOrderFrame) -> None:
    """The same of what the stream says, before the next comparison lists it."""
    rests = not frame.status.is_terminal and frame.remaining_count > 0
    if not rests and not ForeignOrder.objects.filter(exchange_order_id=frame.order_id).exists():
        return
    ForeignOrder.objects.update_or_create(
        exchange_order_id=frame.order_id,
        defaults={
            "client_order_id": frame.client_order_id[:128],
            "subaccount": frame.subaccount or PRIMARY,
            "ticker": frame.ticker,
            "side": frame.outcome_side.value,
            "price": frame.yes_price if frame.outcome_side is Side.YES else complement(frame.yes_price),
            "count": frame.initial_count,
            "filled_count": frame.fill_count,
            "remaining_count": frame.remaining_count if rests else 0,
            "is_resting": rests,
            "exchange_at": None if frame.created_ts_ms is None else clock.from_ms(frame.created_ts_ms),
        },
    )


def not_resting_any_more(resting: Iterable[str]) -> None:
    """Of the orders known to rest, those that the exchange does not list as resting do so no longer."""
    gone = ForeignOrder.objects.filter(is_resting=True).exclude(exchange_order_id__in=list(resting))
    gone.update(is_resting=False, remaining_count=0, last_seen_at=clock.now())


def in_event(event_ticker: str, subaccount: int) -> str:
    """What the account holds or rests in the event's markets that is not ours, in words; empty when there is nothing."""
    inside = FamilyMember.objects.filter(family=event_ticker).values("event")
    of_event = Market.objects.filter(Q(event_id=event_ticker) | Q(event__in=inside))
    tickers = set(of_event.values_list("ticker", flat=True))
    account = ExchangeAccount.objects.filter(subaccount=subaccount).first()
    held = {t: n for t, n in (account.foreign if account is not None else {}).items() if t in tickers}
    orders = ForeignOrder.objects.filter(is_resting=True, subaccount=subaccount, ticker__in=tickers)
    words = [f"{abs(n) / 100:g} {'yes' if n > 0 else 'no'} {t} held" for t, n in sorted(held.items())]
    words += [f"{o.remaining_count / 100:g} {o.side} {o.ticker} resting" for o in orders]
    return ", ".join(words)


def against(legs: Iterable[tuple[str, str]], held: Mapping[str, int]) -> str:
    """What of ``held`` (contracts that are not ours) is of the other sides of ``legs`` (ticker, side), in words: the exchange would close
    it with our purchase. Empty when there is nothing."""
    other = {t: n for t, side in legs if (n := held.get(t, 0)) and (n > 0) != (side == Side.YES)}
    return ", ".join(f"{abs(n) / 100:g} {'yes' if n > 0 else 'no'} {t} held" for t, n in sorted(other.items()))


def book_trades(fills: Iterable[ListedFill]) -> tuple[int, dict[tuple[int, str], datetime]]:
    """Book executions of orders that are not ours, oldest first. Returns how many were new, and of which (subaccount, ticker) some wait,
    with the time of the oldest: what an order of ours does there is not known yet, and it decides whose contracts the others' trade
    closed."""
    accounts_of = {account.subaccount: account for account in ExchangeAccount.objects.all()}
    known = set(AccountTransaction.objects.filter(kind="trade").values_list("key", flat=True))
    new = 0
    waiting: dict[tuple[int, str], datetime] = {}
    early: dict[tuple[int, str], list[ListedFill]] = {}
    for fill in sorted(fills, key=lambda one: one.created or clock.now()):
        account = accounts_of.get(fill.subaccount or PRIMARY)
        if account is None or fill.created is None or not _is_new(fill, account) or _key(fill) in known:
            continue
        is_foreign = None if (account.subaccount, fill.ticker) in waiting else _is_foreign(fill)
        if is_foreign is None:
            waiting.setdefault((account.subaccount, fill.ticker), fill.created)
        elif is_foreign and opening.is_early(fill.created, account):
            early.setdefault((account.subaccount, fill.ticker), []).append(fill)
        elif is_foreign:
            new += _book_trade(account, fill)
    for key, found in early.items():
        times = [fill.created for fill in found if fill.created]
        if key in waiting or not opening.is_shown(max(times)):
            waiting[key] = min([*times, waiting.get(key, times[0])])
        else:
            new += _book_early(accounts_of[key[0]], key[1], found)
    return new, waiting


def _book_early(account: ExchangeAccount, ticker: str, fills: list[ListedFill]) -> int:
    """Book executions that are dated before the account was first read, unless its opening balance had them: how many changed something."""
    count = sum(signed(fill) for fill in fills)
    was_in = opening.had_contracts(account, ticker, count) if count else opening.had_cash(account, _gain(fills))
    if was_in:
        remember_opening(account, fills)
    return sum(_book_trade(account, fill) for fill in fills) if was_in is False else 0


def _gain(fills: list[ListedFill]) -> int:
    """Cash that executions made which leave no contracts, after fees, micro-dollars: each pair of both sides is a dollar."""
    pairs = sum(fill.count for fill in fills) // 2
    return pairs * DOLLAR // CONTRACT - sum(fill.price * fill.count + fill.fee for fill in fills)


def _is_new(fill: ListedFill, account: ExchangeAccount) -> bool:
    """Whether it may have happened after the opening balance was read (``remember_opening`` and ``opening`` settle which did not)."""
    return fill.created is not None and fill.created > account.created_at - MARGIN


def remember_opening(account: ExchangeAccount, fills: Iterable[ListedFill]) -> None:
    """Trades that are listed when the account is first seen are in its opening balance: they are written down and change nothing."""
    trades = [
        _key(fill) for fill in fills if (fill.subaccount or PRIMARY) == account.subaccount and _is_new(fill, account)
    ]
    for key in trades:
        account_ledger.post(account, AccountTransaction.Kind.TRADE, key, evidence={}, reason=OPENING)


def _key(fill: ListedFill) -> str:
    return f"trade:{fill.order_id}:{fill.fill_id}"


def unbooked(fills: Iterable[ListedFill]) -> list[ListedFill]:
    """Those that may have happened since their account was first read and are not written down."""
    accounts_of = {account.subaccount: account for account in ExchangeAccount.objects.all()}
    known = set(AccountTransaction.objects.filter(kind="trade").values_list("key", flat=True))
    of = [(fill, accounts_of.get(fill.subaccount or PRIMARY)) for fill in fills]
    return [fill for fill, account in of if account is not None and _is_new(fill, account) and _key(fill) not in known]


def signed(fill: ListedFill) -> int:
    """What it changes the account's contracts by, YES positive, 1/100."""
    return fill.count if fill.outcome_side is Side.YES else -fill.count


def _is_foreign(fill: ListedFill) -> bool | None:
    """Whether the order is certainly not ours: the exchange shows it, and its client id is none of our ids. None while what an order of
    ours in that market did is not known, or the order cannot be read."""
    if _is_unclear(fill.ticker):
        return None
    if ForeignOrder.objects.filter(exchange_order_id=fill.order_id).exists():
        return True
    try:
        listed = connection.client().orders.get(fill.order_id)
    except NotFound:
        return False
    except KalshiError as error:
        log.warning("order %s cannot be read: %s", fill.order_id, error)
        return None
    if own_rows.own_order(identity.of_listed(listed)) is not None:
        return False
    note_order(listed)
    return True


def _is_unclear(ticker: str) -> bool:
    """Whether an order of ours in the market has no exchange id yet, has filled more than is booked, or may (``finality``)."""
    orders = Order.objects.filter(mode=Mode.LIVE, leg__market_id=ticker)
    span = timedelta(seconds=settings.KALBOT_FINAL_AFTER_SECONDS)
    now = clock.now()  # an end that lies further ahead than it may lie back is from before a clock was set back
    lately = Q(ended_at__gt=now - span, ended_at__lt=now + span)
    early = lately & Q(status=OrderStatus.DONE, is_final=False, filled_count__lt=F("count"))
    no_id, unbooked = Q(exchange_order_id=""), Q(reported_fill_count__gt=F("filled_count"))
    return orders.filter(Q(no_id | unbooked, status__in=OPEN_ORDERS) | early).exists()


def _book_trade(account: ExchangeAccount, fill: ListedFill) -> bool:
    """Cash and contracts of one execution, split into what it did to contracts of ours and to the others.

    Buying NO of a market whose YES is held sells the YES: a pair of both is a dollar at once. All of it is booked or nothing: half of
    it would count as booked for ever.
    """
    with transaction.atomic():
        return _book_trade_of(ExchangeAccount.objects.select_for_update().get(pk=account.pk), fill)


def _book_trade_of(account: ExchangeAccount, fill: ListedFill) -> bool:
    legs = own_legs(account.subaccount, fill.ticker)
    ours = sum(leg.held if leg.side == "yes" else -leg.held for leg in legs)
    other = account.foreign.get(fill.ticker, 0)
    change = signed(fill)
    before = ours + other
    closes = min(fill.count, abs(before)) if before * change < 0 else 0
    of_other = min(closes, abs(other)) if other * before > 0 else 0
    of_ours = min(closes - of_other, abs(ours) if ours * before > 0 else 0)
    cash = closes * DOLLAR // CONTRACT - fill.price * fill.count - fill.fee
    fee = fill.fee * of_ours // fill.count
    received = complement(fill.price) * of_ours - fee
    evidence: dict[str, Any] = {
        "fill": fill.fill_id,
        "order": fill.order_id,
        "side": fill.outcome_side.value,
        "count": fill.count,
    }
    booked = account_ledger.post(
        account,
        AccountTransaction.Kind.TRADE,
        _key(fill),
        amount=cash - received,
        shard=fill.exchange_index or 0,
        ticker=fill.ticker,
        count=change + (of_ours if ours > 0 else -of_ours),
        evidence=evidence | {"price": fill.price, "fee": fill.fee, "of_our_legs": of_ours},
        exchange_at=fill.created,
        reason="an order that is not ours",
    )
    if booked:
        _align(legs, of_ours, received, fee, _key(fill), evidence)
    return booked


def own_legs(subaccount: int, ticker: str) -> list[Leg]:
    """Legs of ours that hold contracts of the market on the subaccount, oldest first."""
    of = accounts.of_subaccount(subaccount, "position__profile__")
    legs = (
        Leg.objects.filter(of, position__mode=Mode.LIVE, market_id=ticker)
        .select_related("market", "position")
        .order_by("id")
    )
    return [leg for leg in legs if leg.held]


def _align(legs: list[Leg], count: int, received: int, fee: int, key: str, evidence: dict[str, Any]) -> None:
    """Take ``count`` out of the legs, oldest first; the last one takes what rounding leaves of the money, so that nothing is lost."""
    left, money, fees = count, received, fee
    for leg in legs:
        part = min(left, leg.held)
        if not part:
            continue
        proceeds, paid = money * part // left, fees * part // left
        booking.correct(
            leg.pk,
            count=part,
            proceeds=proceeds,
            fees=paid,
            key=f"{key}:{leg.pk}",
            evidence=evidence,
            actor="reconciliation",
            reason="sold by an order that is not ours",
        )
        left, money, fees = left - part, money - proceeds, fees - paid
