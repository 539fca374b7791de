"""What a person can do about contracts that differ: bring ours to the exchange's, or book what ended markets paid."""

from __future__ import annotations

from django.db import transaction

from kalbot.common.errors import KalbotError
from markets.kalshi.errors import KalshiError
from strategies.models import Mode
from trading.accounting import account_ledger, booking
from trading.closing import finals, settlement
from trading.models import OPEN_ORDERS, AccountTransaction, Discrepancy, ExchangeAccount, Leg
from trading.reconciliation import foreign
from trading.venues import connection


class CannotResolve(KalbotError):
    """The difference cannot be ended in this way now; the message says why. Nothing was changed."""


def align(row: Discrepancy, actor: str, reason: str) -> str:
    """Bring our contracts to the exchange's: fewer of ours are taken out of the legs, any others are somebody else's."""
    number, _, ticker = row.key.partition(":")
    account = ExchangeAccount.objects.filter(subaccount=int(number)).first()
    if account is None:
        raise CannotResolve("the account has not been compared yet")
    ours, other, legs = _books(account, ticker)
    if any(leg.orders.filter(status__in=OPEN_ORDERS).exists() for leg in legs):
        raise CannotResolve("an order of ours is still open there: its end may explain the difference")
    try:
        theirs = {p.ticker: p.position for p in connection.client().portfolio.positions(account.subaccount or None)}
    except (KalbotError, KalshiError) as error:
        raise CannotResolve(f"the exchange's positions cannot be read: {error}") from None
    now = theirs.get(ticker, 0)
    more = now - ours - other
    if not more:
        return "both agree by now"
    evidence = {"row": row.pk, "ours": ours, "others": other, "theirs": now}
    taken = min(abs(more), abs(ours)) if more * ours < 0 else 0
    with transaction.atomic():
        account = ExchangeAccount.objects.select_for_update().get(pk=account.pk)
        if _books(account, ticker)[:2] != (ours, other):
            raise CannotResolve("our books have changed meanwhile: compare them with the exchange again")
        _take_out(legs, taken, row, evidence, actor, reason)
        rest = more + (taken if ours > 0 else -taken)
        if rest:
            account_ledger.post(
                account,
                AccountTransaction.Kind.ACCEPTED,
                f"accepted:position:{row.pk}",
                ticker=ticker,
                count=rest,
                evidence=evidence,
                actor=actor,
                reason=reason,
            )
    return f"{taken / 100:g} taken out of our legs, {rest / 100:g} are somebody else's"


def _books(account: ExchangeAccount, ticker: str) -> tuple[int, int, list[Leg]]:
    """What our books have of a market on the account, YES positive (1/100 contract): ours, somebody else's, and our legs, oldest first."""
    legs = foreign.own_legs(account.subaccount, ticker)
    return sum(leg.held if leg.side == "yes" else -leg.held for leg in legs), account.foreign.get(ticker, 0), legs


def take_uncredited(row: Discrepancy, actor: str, reason: str) -> str:
    """Contracts of a market that has ended and that the exchange's record does not count are taken out of the legs, so that their
    position ends. What it counts is booked first."""
    number, _, ticker = row.key.partition(":")
    settlement.run(Mode.LIVE)
    if Discrepancy.objects.filter(pk=row.pk, resolved_at__isnull=False).exists():
        return "the record agrees by now"
    legs = foreign.own_legs(int(number), ticker)
    if any(leg.orders.filter(status__in=OPEN_ORDERS).exists() for leg in legs):
        raise CannotResolve("an order of ours is still open there: its end may explain the difference")
    if legs and not finals.known_finals([ticker]):
        raise CannotResolve("the market's final result cannot be read now")
    taken = sum(leg.held for leg in legs)
    with transaction.atomic():
        _take_out(legs, taken, row, {"row": row.pk, "held": taken, "difference": row.amount or 0}, actor, reason)
    settlement.run(Mode.LIVE)
    return f"{taken / 100:g} taken out of our legs"


def settle_again(row: Discrepancy, actor: str, reason: str) -> str:
    """Read results and records of what has ended again, and book what they say."""
    settlement.run(Mode.LIVE)
    if Discrepancy.objects.filter(pk=row.pk, resolved_at=None).exists():
        raise CannotResolve("the exchange's records do not say yet what was paid")
    return "its contracts are booked"


def _take_out(legs: list[Leg], count: int, row: Discrepancy, evidence: dict[str, int], actor: str, reason: str) -> None:
    """For nothing: what they brought, if anything, is a difference of cash, which is accepted on its own."""
    for leg in legs:
        part = min(count, leg.held)
        if part:
            booking.correct(
                leg.pk,
                count=part,
                proceeds=0,
                key=f"accepted:position:{row.pk}:{leg.pk}",
                evidence=evidence,
                actor=actor,
                reason=reason,
            )
            count -= part
