"""Deposits and withdrawals that the exchange lists: transactions of the account, each booked once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from markets.kalshi.schemas.funding import Funding, FundingStatus
from trading.accounting import account_ledger
from trading.models import AccountTransaction, ExchangeAccount
from trading.reconciliation.foreign import MARGIN, OPENING
from trading.venues import connection

PRIMARY: Final = 0
"""The subaccount that deposits reach."""
Moved = tuple[AccountTransaction.Kind, Funding]


def listed() -> list[Moved]:
    """Deposits and withdrawals that the exchange lists. Raises KalshiError."""
    cash = connection.client().portfolio.cash
    deposits = [(AccountTransaction.Kind.DEPOSIT, one) for one in cash.deposits()]
    return deposits + [(AccountTransaction.Kind.WITHDRAWAL, one) for one in cash.withdrawals()]


def book(moved: Iterable[Moved]) -> int:
    """Book deposits and withdrawals that have taken effect, and take back those that were returned since. How many were new."""
    account = ExchangeAccount.objects.filter(subaccount=PRIMARY).first()
    if account is None:
        return 0
    new = 0
    for kind, one in moved:
        amount = one.amount if kind == AccountTransaction.Kind.DEPOSIT else -one.amount
        key = _key(kind, one)
        booked = AccountTransaction.objects.filter(key=key).first()
        if one.status is FundingStatus.APPLIED and _came_later(one, account):
            new += _post(account, kind, key, amount, one)
        elif one.status is FundingStatus.RETURNED and booked is not None:
            new += _post(account, kind, f"{key}:returned", -amount, one)
    return new


def remember_opening(account: ExchangeAccount, moved: Iterable[Moved]) -> None:
    """What had taken effect when the account was first seen is in its opening balance: it is written down and changes nothing."""
    if account.subaccount != PRIMARY:
        return
    for kind, one in moved:
        if one.status is FundingStatus.APPLIED:
            account_ledger.post(account, kind, _key(kind, one), evidence={}, reason=OPENING)


def _came_later(one: Funding, account: ExchangeAccount) -> bool:
    """Whether it may have taken effect after the opening balance was read, also where nobody could list it then."""
    return one.finalised is None or one.finalised > account.created_at - MARGIN


def _post(account: ExchangeAccount, kind: AccountTransaction.Kind, key: str, amount: int, one: Funding) -> bool:
    return account_ledger.post(
        account,
        kind,
        key,
        amount=amount,
        evidence={"id": one.id, "method": one.kind, "fee": one.fee, "status": one.status.value},
        exchange_at=one.finalised,
        reason="the exchange lists it",
    )


def _key(kind: AccountTransaction.Kind, one: Funding) -> str:
    return f"{kind}:{one.id}"
