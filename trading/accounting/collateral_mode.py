"""Choosing how collateral return is used on an account: at the exchange and here, by a person."""

from __future__ import annotations

from typing import Any, Final

from django.db import transaction
from django.db.models import Count

from kalbot.common.errors import KalbotError
from kalbot.common.units import CENT, CONTRACT, Money
from markets.book import Side
from markets.kalshi.errors import KalshiError
from strategies.collateral.funds import Purchase
from strategies.collateral.words import locked
from strategies.models import Kind, Profile
from trading.accounting import shard_cash
from trading.accounting.accounts import of_subaccount
from trading.models import ACTIVE, ExchangeAccount, Leg, Position
from trading.venues import connection

Mode = ExchangeAccount.Collateral
WORKING: Final = "Baskets of this account are being bought or sold: wait until they are done."


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
    if _is_working(account):
        raise CannotChoose(WORKING)
    if mode == Mode.OFF:  # first here: what is decided meanwhile must not count on what is not returned
        _take(account, mode)
    try:
        _at_the_exchange(account, mode)
    except CannotChoose:
        if mode == Mode.OFF:
            _take_back(account, mode)
        raise
    if mode == Mode.OFF:
        return _said(account, mode)
    learns: dict[str, Any] = {"collateral_evidence": [], "collateral_reading": {}} if mode == Mode.LEARNING else {}
    try:
        _take(account, mode, **learns)
    except CannotChoose:
        _at_the_exchange(account, ExchangeAccount.objects.get(pk=account.pk).collateral)
        raise
    return _said(account, mode)


def _is_working(account: ExchangeAccount) -> bool:
    """Whether a basket of the account is being bought or sold: under which rule it is would be unclear."""
    active = Position.objects.filter(of_subaccount(account.subaccount), mode="live", status__in=ACTIVE)
    return active.exclude(status="open").exists()


def _at_the_exchange(account: ExchangeAccount, mode: str) -> None:
    try:
        connection.client().portfolio.cash.set_netting(account.subaccount, mode != Mode.OFF)
    except (KalbotError, KalshiError) as error:
        raise CannotChoose(f"The exchange does not take the setting: {error}") from None


def _take(account: ExchangeAccount, mode: str, **columns: Any) -> None:
    """Set the mode here, unless it has changed since ``account`` was read (learning may have ended, or another person chosen), or a basket
    has begun meanwhile. Whoever admits one then waits, and reads the mode again."""
    with transaction.atomic():
        shard_cash.lock_all(account.subaccount)
        if _is_working(account):
            raise CannotChoose(WORKING)
        rows = ExchangeAccount.objects.filter(pk=account.pk, collateral=account.collateral)
        if not rows.update(collateral=mode, **columns):
            raise CannotChoose("It has changed meanwhile: read it again.")


def _take_back(account: ExchangeAccount, mode: str) -> None:
    ExchangeAccount.objects.filter(pk=account.pk, collateral=mode).update(collateral=account.collateral)


def _said(account: ExchangeAccount, mode: str) -> str:
    return f"Collateral return of subaccount {account.subaccount} is {mode}. It counts for baskets bought from now on."


EXAMPLE: Final = tuple(
    Purchase(f"leg {number}", Side.NO, CONTRACT, Money(price * CENT))
    for number, price in enumerate((83, 80, 82, 81, 79, 81))
)
"""Six NO legs at usual prices, where a profile has bought none yet: one of each, micro-dollars."""


def example(profile: Profile | None = None) -> str:
    """What the latest NO basket of several legs (of a profile) locks with and without, in money; empty where there was none."""
    legs = Leg.objects.filter(position__kind=Kind.ALL_NO, position__cost__gt=0, bought_count__gt=0, side="no")
    legs = legs if profile is None else legs.filter(position__profile=profile)
    baskets = legs.values("position", "position__event").annotate(number=Count("pk")).filter(number__gt=1)
    latest = baskets.order_by("-position").first()
    if latest is None:
        return ""
    bought = Leg.objects.filter(position=latest["position"], bought_count__gt=0).order_by("sequence")
    purchases = [Purchase(leg.market_id, Side.NO, leg.bought_count, Money(leg.bought_cost)) for leg in bought]
    return f"{latest['position__event']}: {locked(purchases)}"


def usual_example() -> str:
    """The same of six NO legs at usual prices."""
    return f"Six NO legs, one contract each: {locked(EXAMPLE)}"
