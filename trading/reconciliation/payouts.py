"""Settlement of contracts on our account that are not ours: the exchange's credit less what our own legs were paid."""

from __future__ import annotations

from django.db.models import Sum

from strategies.models import Mode
from trading.accounting import account_ledger, accounts
from trading.closing import finals
from trading.models import AccountTransaction, ExchangeAccount, Settlement
from trading.reconciliation import foreign


def book() -> int:
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
