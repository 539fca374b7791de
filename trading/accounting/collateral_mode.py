"""Choosing how collateral return is used on an account: at the exchange and here, by a person."""

from __future__ import annotations

from kalbot.common.errors import KalbotError
from kalbot.common.units import Money
from markets.book import Side
from markets.kalshi.errors import KalshiError
from strategies.collateral.funds import Purchase
from strategies.collateral.words import locked
from strategies.models import Kind, Profile
from trading.accounting.accounts import of_subaccount
from trading.models import ACTIVE, ExchangeAccount, Position
from trading.venues import connection

Mode = ExchangeAccount.Collateral


class CannotChoose(KalbotError):
    """The mode cannot be set now; the sentence says why."""


def choose(account: ExchangeAccount, mode: str, *, trust: bool = False) -> str:
    """Set it, at the exchange too. Returns one sentence. *On* without having learnt needs ``trust``: a person's word that the model
    is right. Raises CannotChoose."""
    if mode not in Mode.values:
        raise CannotChoose(f"The modes are {', '.join(Mode.values)}.")
    if mode == account.collateral:
        raise CannotChoose(f"It is {mode} already.")
    if mode == Mode.ON and not account.collateral_reading and not trust:
        raise CannotChoose("It has not been learnt on this account: choose learning, or say that you trust the model.")
    working = Position.objects.filter(of_subaccount(account.subaccount), mode="live", status__in=ACTIVE)
    if working.exclude(status="open").exists():
        raise CannotChoose("Baskets of this account are being bought or sold: wait until they are done.")
    try:
        connection.client().portfolio.cash.set_netting(account.subaccount, mode != Mode.OFF)
    except (KalbotError, KalshiError) as error:
        raise CannotChoose(f"The exchange does not take the setting: {error}") from None

    if mode == Mode.LEARNING:
        ExchangeAccount.objects.filter(pk=account.pk).update(collateral_evidence=[], collateral_reading={})
    ExchangeAccount.objects.filter(pk=account.pk).update(collateral=mode)
    return f"Collateral return of subaccount {account.subaccount} is {mode}. It counts for baskets bought from now on."


def example(profile: Profile | None = None) -> str:
    """What the latest NO basket (of a profile) locks with and without, in money; empty where there was none."""
    rows = Position.objects.filter(kind=Kind.ALL_NO, cost__gt=0)
    rows = rows if profile is None else rows.filter(profile=profile)
    latest = rows.order_by("-id").first()
    if latest is None:
        return ""
    purchases = [
        Purchase(leg.market_id, Side.NO, leg.bought_count, Money(leg.bought_cost))
        for leg in latest.legs.all()
        if leg.bought_count and leg.side == "no"
    ]
    return f"{latest.event_id}: {locked(purchases)}" if len(purchases) > 1 else ""
