"""What the exchange paid for contracts on our account that are not ours: for pairs that it closed with ours, and at settlement."""

from __future__ import annotations

import logging

from django.db import transaction
from django.db.models import Sum

from kalbot.common.db.batches import batched
from kalbot.common.units import CONTRACT, DOLLAR
from markets.models import Market
from strategies.models import Mode
from trading.accounting import account_ledger, accounts, booking
from trading.closing import finals
from trading.closing.finals import FinalResult
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
    """Book what settled contracts that are not ours were credited, and the rest where the exchange settled a market again. Returns how many
    markets."""
    return sum(_book_settlements(account) for account in ExchangeAccount.objects.all())


def _book_settlements(account: ExchangeAccount) -> int:
    ended = finals.known_finals(account.foreign) if account.foreign else {}
    amended = _amended(account)
    if not ended and not amended:
        return 0
    credited = finals.credits_since(account.created_at, {*ended, *amended}, [account.subaccount])
    count = 0
    for ticker in {**ended, **amended}:
        credit = credited.get((ticker, account.subaccount))
        if credit is None or not credit.is_recorded or foreign.own_legs(account.subaccount, ticker):
            continue
        if ticker in ended:
            count += _book_settlement(account, credit, ended[ticker])
        elif amended[ticker].evidence["revenue"] != credit.revenue:
            count += _book_settlement(account, credit, _final_of(ticker))
    return count


def settled(account: ExchangeAccount, ticker: str) -> list[AccountTransaction]:
    """What was booked at the settlement of the market for contracts that are not ours, oldest first: once, and again for each time that
    the exchange settled it otherwise."""
    of = AccountTransaction.objects.filter(account=account, kind=AccountTransaction.Kind.SETTLEMENT, ticker=ticker)
    return list(of.order_by("pk"))


def _amended(account: ExchangeAccount) -> dict[str, AccountTransaction]:
    """Market -> the last booking of its settlement, where the market now says otherwise."""
    booked = AccountTransaction.objects.filter(account=account, kind=AccountTransaction.Kind.SETTLEMENT)
    last = {row.ticker: row for row in booked.order_by("pk") if row.evidence.get("value_e6") is not None}
    values: dict[str, int | None] = {}
    for tickers in batched(list(last)):
        markets = Market.objects.filter(ticker__in=tickers, status="finalized")
        values |= dict(markets.values_list("ticker", "settlement_value_e6"))
    return {
        ticker: last[ticker]
        for ticker, value in values.items()
        if value is not None and value != last[ticker].evidence["value_e6"]
    }


def _final_of(ticker: str) -> FinalResult:
    market = Market.objects.get(ticker=ticker)
    return FinalResult(market.result, market.settlement_value_e6 or 0, market.settled_at)


def _book_settlement(account: ExchangeAccount, credit: finals.Credit, final: FinalResult) -> bool:
    """The exchange's credit less what our own legs were paid is the others'; of that, what is not booked yet."""
    of = accounts.of_subaccount(account.subaccount, "leg__position__profile__")
    ours = Settlement.objects.filter(of, leg__market_id=credit.ticker, mode=Mode.LIVE, reversed_at=None)
    paid = ours.aggregate(total=Sum("payout"))["total"] or 0
    key, before = f"settlement:{account.subaccount}:{credit.ticker}", settled(account, credit.ticker)
    taken_back = AccountTransaction.objects.filter(key__in=[f"adopted:{row.key}" for row in before])
    booked = sum(row.amount for row in (*before, *taken_back))
    return account_ledger.post(
        account,
        AccountTransaction.Kind.SETTLEMENT,
        f"{key}:{len(before) + 1}" if before else key,
        amount=credit.revenue - paid - booked if credit.revenue is not None else 0,
        shard=credit.shard,
        ticker=credit.ticker,
        count=-account.foreign.get(credit.ticker, 0),
        evidence={
            "count": credit.count,
            "revenue": credit.revenue,
            "of_our_legs": paid,
            "value_e6": final.value_e6,
        },
        reason="settlement of contracts that are not ours",
    )
