"""What the exchange paid for contracts on our account that are not ours: for pairs that it closed with ours, and at settlement."""

from __future__ import annotations

import logging

from django.db import transaction
from django.db.models import Sum

from kalbot.common.units import CONTRACT, DOLLAR
from strategies.models import Mode
from trading.accounting import account_ledger, accounts, booking
from trading.closing import finals
from trading.models import AccountTransaction, ExchangeAccount, Leg, Settlement
from trading.reconciliation import foreign

log = logging.getLogger(__name__)


def close_pairs() -> int:
    """Book YES of ours and NO of somebody else in one market, or the other way round: the exchange has closed such pairs and paid a dollar
    for each. Returns how many legs.

    That happens where their trade is booked while our purchase is on its way. Ours leave the leg for what they had cost without fees, so
    that nothing is won or lost by it, and the rest of the dollar is theirs.
    """
    count = 0
    for account in ExchangeAccount.objects.all():
        for ticker in sorted(account.foreign):
            with transaction.atomic():
                locked = ExchangeAccount.objects.select_for_update().get(pk=account.pk)
                count += sum(_close(locked, leg) for leg in foreign.own_legs(account.subaccount, ticker))
    return count


def _close(account: ExchangeAccount, leg: Leg) -> bool:
    account.refresh_from_db(fields=["foreign"])
    theirs = account.foreign.get(leg.market_id, 0)
    count = min(leg.held, abs(theirs))
    if not count or (theirs > 0) == (leg.side == "yes"):
        return False
    cost, fees = booking.cost_share(leg, count)
    key = f"pair:{leg.pk}:{leg.bought_count}:{leg.sold_count}"
    evidence = {"leg": leg.pk, "count": count, "held": leg.held, "others": theirs}
    why = "closed against contracts of the other side that are not ours"
    booking.correct(
        leg.pk, count=count, proceeds=cost - fees, key=key, evidence=evidence, actor="reconciliation", reason=why
    )
    account_ledger.post(
        account,
        AccountTransaction.Kind.TRADE,
        key,
        amount=count * DOLLAR // CONTRACT - (cost - fees),
        shard=leg.market.exchange_index,
        ticker=leg.market_id,
        count=count if theirs < 0 else -count,
        evidence=evidence,
        reason=why,
    )
    log.warning("%s contracts of %s were closed against somebody else's", count / 100, leg)
    return True


def book_settlements() -> int:
    """Book what settled contracts that are not ours were credited. Returns how many markets."""
    count = 0
    for account in ExchangeAccount.objects.all():
        ended = finals.known_finals(account.foreign) if account.foreign else {}
        if not ended:
            continue
        credited = finals.credits_since(account.created_at, ended, [account.subaccount])
        for ticker in ended:
            credit = credited.get((ticker, account.subaccount))
            if credit is not None and credit.is_recorded and not foreign.own_legs(account.subaccount, ticker):
                count += _book_settlement(account, credit)
    return count


def _book_settlement(account: ExchangeAccount, credit: finals.Credit) -> bool:
    """The exchange's credit less what our own legs were paid is the others'."""
    of = accounts.of_subaccount(account.subaccount, "leg__position__profile__")
    ours = Settlement.objects.filter(of, leg__market_id=credit.ticker, mode=Mode.LIVE, reversed_at=None)
    paid = ours.aggregate(total=Sum("payout"))["total"] or 0
    return account_ledger.post(
        account,
        AccountTransaction.Kind.SETTLEMENT,
        f"settlement:{account.subaccount}:{credit.ticker}",
        amount=credit.revenue - paid if credit.revenue is not None else 0,
        shard=credit.shard,
        ticker=credit.ticker,
        count=-account.foreign.get(credit.ticker, 0),
        evidence={"count": credit.count, "revenue": credit.revenue, "of_our_legs": paid},
        reason="settlement of contracts that are not ours",
    )
