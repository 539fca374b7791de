"""What is dated before an account was first read and listed only after: its balance decides whether the opening had it.

Lists lag behind cash and contracts. What somebody else did just before the first read is in the opening balance, and may turn up in a
list only when the account has long been taken. Booked by its date it would count twice, left out it might be missing: so it is compared
with what the exchange has now. What neither explains is left unbooked, and the comparison names the difference.
"""

from __future__ import annotations

from datetime import datetime

from strategies.models import Mode, Profile
from trading.accounting import accounts
from trading.models import ExchangeAccount
from trading.venues import connection


def is_early(at: datetime | None, account: ExchangeAccount) -> bool:
    """Whether what happened ``at`` by the exchange's clock (None: nobody says) may have been in the opening balance."""
    return at is not None and at <= account.created_at + connection.ahead(connection.client())


def is_shown(at: datetime) -> bool:
    """Whether the exchange's reads of own data have what happened until then. Raises KalshiError."""
    client = connection.client()
    return client.exchange.user_data_time() - connection.ahead(client) >= at


def had_contracts(account: ExchangeAccount, ticker: str, count: int) -> bool | None:
    """Whether the opening had ``count`` contracts of a market (signed, 1/100) that are not booked: what the exchange lists now is our books
    without them. False where it is our books with them, None where it is neither. Raises KalshiError."""
    listed = connection.client().portfolio.positions(account.subaccount or None, ticker=ticker)
    theirs = sum(one.position for one in listed)
    ours = accounts.holdings(_members(account)).get(ticker, 0) + accounts.foreign(account.subaccount, ticker)
    return _decided(theirs - ours, count)


def had_cash(account: ExchangeAccount, amount: int) -> bool | None:
    """The same of money that came or went, micro-dollars. None too while orders of ours are open."""
    now = ExchangeAccount.objects.get(pk=account.pk)
    now.balance = connection.client().portfolio.balance(subaccount=account.subaccount or None).available
    missing = accounts.difference(now, _members(account))
    return None if missing is None else _decided(missing, amount)


def _members(account: ExchangeAccount) -> list[Profile]:
    return list(Profile.objects.filter(accounts.of_subaccount(account.subaccount, ""), mode=Mode.LIVE))


def _decided(missing: int, amount: int) -> bool | None:
    if not missing:
        return True
    return False if missing == amount else None
