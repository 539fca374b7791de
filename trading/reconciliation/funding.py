"""Deposits, withdrawals and transfers between subaccounts that the exchange lists: transactions of the accounts, each booked once."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from kalbot.common.units import Money
from markets.kalshi.errors import Rejected
from markets.kalshi.schemas.boundary import Rejection
from markets.kalshi.schemas.funding import Funding, FundingStatus, Transfer
from trading.accounting import account_ledger
from trading.models import AccountTransaction, ExchangeAccount, Reconciliation
from trading.reconciliation import opening
from trading.reconciliation.foreign import MARGIN, OPENING
from trading.safety import discrepancies
from trading.venues import connection

RETURNED: Final = ":returned"
AGAIN: Final = ":again"
"""How the key goes on of what was taken back, and of what took effect again after that."""
PRIMARY: Final = 0
"""The subaccount that deposits reach."""
SECOND: Final = timedelta(seconds=1)
"""What the exchange's times of money are cut to."""
Kind = AccountTransaction.Kind
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Moved:
    """Money that came to (``amount`` above zero) or left one subaccount, micro-dollars. ``at``: since when the balance shows it, None where
    nobody says."""

    kind: AccountTransaction.Kind
    key: str
    subaccount: int
    shard: int
    amount: Money
    at: datetime | None
    status: FundingStatus
    evidence: dict[str, Any]


def listed(row: Reconciliation) -> list[Moved]:
    """What the exchange lists as moved; a record that cannot be read is named in ``row``. Raises KalshiError."""
    cash, found = connection.client().portfolio.cash, list[Moved]()
    for kind, read in ((Kind.DEPOSIT, cash.deposits), (Kind.WITHDRAWAL, cash.withdrawals)):
        unreadable: list[Rejection] = []
        found += [_funded(kind, one) for one in read(unreadable=unreadable)]
        discrepancies.name_unreadable(row, kind, unreadable)
    return found + _transferred(row)


def _transferred(row: Reconciliation) -> list[Moved]:
    unreadable: list[Rejection] = []
    try:
        found = [
            part
            for one in connection.client().portfolio.cash.transfers(unreadable=unreadable)
            for part in _both_ends(one)
        ]
    except Rejected as refused:
        log.info("transfers between subaccounts are not listed for this account: %s", refused)
        return []
    discrepancies.name_unreadable(row, "transfer", unreadable)
    return found


def _funded(kind: AccountTransaction.Kind, one: Funding) -> Moved:
    amount = one.amount if kind == Kind.DEPOSIT else Money(-one.amount)
    evidence = {"id": one.id, "method": one.kind, "fee": one.fee, "status": one.status.value}
    return Moved(kind, f"{kind}:{one.id}", PRIMARY, 0, amount, one.finalised, one.status, evidence)


def _both_ends(one: Transfer) -> Iterator[Moved]:
    evidence = {"id": one.id, "from": one.source, "to": one.destination}
    for subaccount, amount in ((one.source, Money(-one.amount)), (one.destination, one.amount)):
        key = f"{Kind.TRANSFER}:{one.id}:{subaccount}"
        yield Moved(Kind.TRANSFER, key, subaccount, one.shard, amount, one.created, FundingStatus.APPLIED, evidence)


def book(moved: Iterable[Moved]) -> int:
    """Book what has taken effect, take back what was returned or failed since, and book it again where that was undone. How many were
    new."""
    accounts = {account.subaccount: account for account in ExchangeAccount.objects.all()}
    times = _times_booked()
    new, early = 0, dict[int, list[Moved]]()
    for one in moved:
        account = accounts.get(one.subaccount)
        if account is None:
            continue
        booked = times[one.key]
        is_in, is_booked = one.status is FundingStatus.APPLIED, booked % 2 == 1
        if is_in and not booked and opening.is_early(one.at, account) and _came_later(one, account):
            early.setdefault(account.subaccount, []).append(one)
        elif is_in and not booked and _came_later(one, account):
            new += _post(account, one, one.key, one.amount)
        elif booked and is_in != is_booked and one.status is not FundingStatus.PENDING:
            word = AGAIN if is_in else RETURNED
            again = f":{booked}" if booked > 1 else ""
            new += _post(account, one, f"{one.key}{word}{again}", one.amount if is_in else -one.amount)
    return new + sum(_book_early(accounts[subaccount], found) for subaccount, found in early.items())


def _book_early(account: ExchangeAccount, moved: list[Moved]) -> int:
    """Book what is dated before the account was first read, unless its opening balance had it: how many changed something."""
    if not opening.is_shown(max(one.at for one in moved if one.at)):
        return 0
    was_in = opening.had_cash(account, sum(one.amount for one in moved))
    if was_in:
        remember_opening(account, moved)
        return 0
    if was_in is None:  # what shares the second of the first read counts as later where the balance cannot say
        moved = [one for one in moved if one.at and not opening.is_early(one.at + SECOND, account)]
    return sum(_post(account, one, one.key, one.amount) for one in moved)


def _times_booked() -> Counter[str]:
    """How often each key was booked: as it took effect, and each time that it was taken back or took effect again."""
    keys = AccountTransaction.objects.filter(kind__in=(Kind.DEPOSIT, Kind.WITHDRAWAL, Kind.TRANSFER))
    return Counter(key.split(RETURNED)[0].split(AGAIN)[0] for key in keys.values_list("key", flat=True))


def remember_opening(account: ExchangeAccount, moved: Iterable[Moved]) -> None:
    """What had taken effect when the account was first seen is in its opening balance: it is written down and changes nothing."""
    for one in moved:
        if one.subaccount == account.subaccount and one.status is FundingStatus.APPLIED:
            account_ledger.post(account, one.kind, one.key, evidence={}, reason=OPENING)


def _came_later(one: Moved, account: ExchangeAccount) -> bool:
    """Whether it may have taken effect after the opening balance was read, also where nobody could list it then."""
    return one.at is None or one.at > account.created_at - MARGIN


def _post(account: ExchangeAccount, one: Moved, key: str, amount: int) -> bool:
    return account_ledger.post(
        account,
        one.kind,
        key,
        amount=amount,
        shard=one.shard,
        evidence=one.evidence,
        exchange_at=one.at,
        reason="the exchange lists it",
    )
