"""What the live profiles together should have on the exchange: contracts and cash, per subaccount."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import BigIntegerField, CharField, Count, Expression, F, Max, Q, Sum

from kalbot.common import clock
from kalbot.common.db.prepared import Among, Param
from kalbot.common.db.prepared_columns import PreparedColumns
from markets.kalshi.schemas.portfolio import Balance
from markets.models import Market
from strategies.models import Profile
from trading.accounting import fee_bounds
from trading.models import (
    OPEN_ORDERS,
    Account,
    Correction,
    ExchangeAccount,
    Fill,
    ForeignOrder,
    LedgerEntry,
    LedgerTransaction,
    Leg,
    Order,
    OrderStatus,
    ProfileBalance,
)


def holdings(profiles: Iterable[Profile]) -> dict[str, int]:
    """ticker -> signed contracts that our legs hold (YES positive), 1/100 contract; zero ones left out."""
    found: dict[str, int] = {}
    for ticker, side, bought, sold, settled in _HELD.rows(profiles=[profile.pk for profile in profiles]):
        count = bought - sold - settled
        found[ticker] = found.get(ticker, 0) + (count if side == "yes" else -count)
    return {ticker: count for ticker, count in found.items() if count}


def in_flight(profiles: Iterable[Profile]) -> dict[str, tuple[int, int]]:
    """ticker -> (least, most) signed contracts that orders without an end may still change what our legs hold by.

    An order counts from its row, before it is sent, until its fills are booked: the exchange's positions may show it first.
    """
    found: dict[str, tuple[int, int]] = {}
    orders = Order.objects.filter(profile__in=list(profiles), status__in=OPEN_ORDERS).select_related("leg")
    for order in orders:
        least, most = found.get(order.leg.market_id, (0, 0))
        unbooked = order.count - order.filled_count
        if (order.action == Order.Action.BUY) == (order.side == "yes"):
            most += unbooked
        else:
            least -= unbooked
        found[order.leg.market_id] = (least, most)
    return found


def holder(ticker: str, profiles: Iterable[Profile]) -> Profile | None:
    """The profile that holds the ticker, or held it last."""
    leg = Leg.objects.filter(market_id=ticker, position__profile__in=list(profiles)).order_by("-id").first()
    return leg.position.profile if leg is not None else None


def foreign(subaccount: int, ticker: str) -> int:
    """Signed contracts of a market on the subaccount that are not ours, 1/100 contract."""
    account = ExchangeAccount.objects.filter(subaccount=subaccount).first()
    return int(account.foreign.get(ticker, 0)) if account is not None else 0


def of_subaccount(subaccount: int | Expression, path: str = "profile__") -> Q:
    """Rows whose profile trades on this subaccount (0: the primary one, also meant by none)."""
    number = Q(**{f"{path}subaccount": subaccount})
    return number if subaccount else number | Q(**{f"{path}subaccount": None})


def expected_cash(account: ExchangeAccount, profiles: Iterable[Profile]) -> int:
    """Cash that the exchange should show: what was there before us plus what our trading made of the profiles' capital."""
    return account.opening + _traded(profiles)


def _traded(profiles: Iterable[Profile]) -> int:
    return sum(sum(amounts) for amounts in _BALANCES.rows(profiles=[profile.pk for profile in profiles]))


def difference(account: ExchangeAccount, profiles: list[Profile]) -> int | None:
    """Exchange cash less ours, micro-dollars; None while orders are open, whose reservations and fills we cannot see whole,
    and while somebody else's resting orders may be all of it."""
    if Order.objects.filter(profile__in=profiles, status__in=OPEN_ORDERS).exists():
        return None
    found = account.balance - expected_cash(account, profiles)
    least, most = set_aside_by_others(account.subaccount)
    if not -most <= found <= 0:
        return found + least
    return None if found != -least and most else found + least


def difference_beside_resting(account: ExchangeAccount, profiles: list[Profile]) -> int:
    """The least that cash differs by while nothing but resting orders of ours is open, which set aside an amount that is not known to the
    micro-dollar; 0 where these, and those of others, may be all of it, or where other orders are open."""
    ours = Order.objects.filter(profile__in=profiles, status__in=OPEN_ORDERS)
    if ours.exclude(status=OrderStatus.RESTING).exists():
        return 0
    rows = ours.values_list("leg__market_id", "price", "count", "filled_count")
    resting = [(ticker, price, count - filled) for ticker, price, count, filled in rows]
    most = sum(price * count for _, price, count in resting) + fee_bounds.of_resting(resting).most
    most += set_aside_by_others(account.subaccount)[1]
    found = account.balance - expected_cash(account, profiles)
    return max(0, found) or min(0, found + most)


def set_aside_by_others(subaccount: int) -> tuple[int, int]:
    """(least, most) cash that the exchange keeps back for resting orders that are not ours, micro-dollars: their price, and with
    the highest fee. What an order closes needs none, so a sum below the least is possible too."""
    rows = ForeignOrder.objects.filter(is_resting=True, subaccount=subaccount)
    resting = list(rows.values_list("ticker", "price", "remaining_count"))
    least = sum(price * count for _, price, count in resting)
    return least, least + fee_bounds.of_resting(resting).most


def of_unknown_fee(subaccount: int, profiles: list[Profile]) -> tuple[str, ...]:
    """Markets in which an order rests and of whose fee nothing is known: what is kept back for it is guessed."""
    ours = Order.objects.filter(profile__in=profiles, status=OrderStatus.RESTING).values_list(
        "leg__market_id", flat=True
    )
    others = ForeignOrder.objects.filter(is_resting=True, subaccount=subaccount).values_list("ticker", flat=True)
    return fee_bounds.of_resting([(ticker, 0, 0) for ticker in {*ours, *others}]).unknown


def differences_by_shard(account: ExchangeAccount, profiles: list[Profile]) -> dict[str, int]:
    """shard -> exchange cash less ours, micro-dollars, where it is not zero. Empty when the exchange listed no shards at the
    first reconciliation. Their sum is the difference of the whole account."""
    if not account.opening_shards:
        return {}
    traded = traded_by_shard(profiles)
    kept = _set_aside_by_shard(account.subaccount)
    shards = {*account.shards, *account.opening_shards, *traded}
    found = {
        shard: account.shards.get(shard, 0)
        + kept.get(shard, 0)
        - account.opening_shards.get(shard, 0)
        - traded.get(shard, 0)
        for shard in sorted(shards)
    }
    return {shard: amount for shard, amount in found.items() if amount}


def _set_aside_by_shard(subaccount: int) -> dict[str, int]:
    resting = list(ForeignOrder.objects.filter(is_resting=True, subaccount=subaccount))
    shards = dict(
        Market.objects.filter(ticker__in=[order.ticker for order in resting]).values_list("ticker", "exchange_index")
    )
    kept: dict[str, int] = {}
    for order in resting:
        shard = str(shards.get(order.ticker, 0))
        kept[shard] = kept.get(shard, 0) + order.price * order.remaining_count
    return kept


def cash_was_moved(account: ExchangeAccount, by_shard: Mapping[str, int]) -> None:
    """Cash went from shard to shard and none came or went: a person's transfer, or the exchange's rebalancing."""
    opening = dict(account.opening_shards)
    for shard, amount in by_shard.items():
        opening[shard] = opening.get(shard, 0) + amount
    ExchangeAccount.objects.filter(pk=account.pk).update(opening_shards=opening)


def traded_by_shard(profiles: list[Profile]) -> dict[str, int]:
    """shard -> cash that our positions there have brought (negative: cost), micro-dollars."""
    sums = _TRADED.rows(profiles=[profile.pk for profile in profiles])
    return {str(shard): amount for shard, amount in sums}


def mark(profiles: list[Profile]) -> tuple[object, ...]:
    """Changes whenever one of the profiles' orders, fills or bookings does."""
    orders = Order.objects.filter(profile__in=profiles).aggregate(
        all=Count("pk"), open=Count("pk", filter=Q(status__in=OPEN_ORDERS))
    )
    booked = LedgerTransaction.objects.filter(profile__in=profiles).aggregate(last=Max("id"))
    return (orders["all"], orders["open"], booked["last"])


def seen(
    subaccount: int,
    balance: Balance,
    positions: Mapping[str, int],
    profiles: list[Profile],
    at: datetime,
    first: Callable[[ExchangeAccount], None],
) -> ExchangeAccount:
    """Write down what the exchange said when it was read, from ``at`` on. The first time also fixes what was there before our first
    trade, and ``first`` is done in the same transaction."""
    values = {
        "balance": balance.available,
        "shards": {str(shard.exchange_index): shard.balance for shard in balance.shards},
        "seen_at": at,
    }
    ours = holdings(profiles)
    foreign = {t: c - ours.get(t, 0) for t, c in positions.items() if c != ours.get(t, 0)}
    with transaction.atomic():
        account, made = ExchangeAccount.objects.get_or_create(
            subaccount=subaccount,
            defaults={
                **values,
                "opening": balance.available + set_aside_by_others(subaccount)[0] - _traded(profiles),
                "opening_shards": _opening_shards(subaccount, balance, profiles),
                "foreign": foreign,
            },
        )
        if made:
            first(account)
    if not made:
        ExchangeAccount.objects.filter(pk=account.pk).update(**values)
        account.refresh_from_db()
    return account


def _opening_shards(subaccount: int, balance: Balance, profiles: list[Profile]) -> dict[str, int]:
    traded = traded_by_shard(profiles)
    listed = {str(shard.exchange_index): shard.balance for shard in balance.shards}
    if not listed:
        return {}
    kept = _set_aside_by_shard(subaccount)
    return {s: listed.get(s, 0) + kept.get(s, 0) - traded.get(s, 0) for s in {*listed, *kept, *traded}}


def compared(account: ExchangeAccount, found: int | None) -> None:
    """Keep the result of a comparison of cash; one that could not be made leaves the last result."""
    if found is not None:
        ExchangeAccount.objects.filter(pk=account.pk).update(difference=found, compared_at=clock.now())


def legs_unlike_their_fills(mode: str) -> list[Leg]:
    """Legs whose counts differ from the sum of their fills and corrections. Empty when sound."""
    sums = {(leg, action): total for leg, action, total in _FILLED.rows(mode=mode)}
    corrected = dict(_CORRECTED.rows(mode=mode))
    wrong = [
        pk
        for pk, bought, sold in _COUNTS.rows(mode=mode)
        if (bought, sold) != (sums.get((pk, "buy"), 0), sums.get((pk, "sell"), 0) + corrected.get(pk, 0))
    ]
    return list(Leg.objects.filter(pk__in=wrong).select_related("position__profile")) if wrong else []


_PROFILES: Final = Among("profiles", BigIntegerField())
_HELD: Final = PreparedColumns(
    lambda: Leg.objects.filter(
        position__profile__in=_PROFILES, bought_count__gt=F("sold_count") + F("settled_count")
    ).values_list("market_id", "side", "bought_count", "sold_count", "settled_count")
)
_BALANCES: Final = PreparedColumns(
    lambda: ProfileBalance.objects.filter(profile__in=_PROFILES).values_list("cash", "reserved", "capital")
)
_TRADED: Final = PreparedColumns(
    lambda: (
        LedgerEntry.objects.filter(
            transaction__profile__in=_PROFILES,
            transaction__position__isnull=False,
            account__in=[Account.CASH, Account.RESERVED],
        )
        .order_by()
        .values_list("transaction__position__event__exchange_index")
        .annotate(total=Sum("amount"))
    )
)
_MODE: Final = Param("mode", CharField())
_FILLED: Final = PreparedColumns(
    lambda: (
        Fill.objects.filter(mode=_MODE)
        .order_by()
        .values_list("order__leg", "order__action")
        .annotate(total=Sum("count"))
    )
)
_CORRECTED: Final = PreparedColumns(
    lambda: Correction.objects.filter(mode=_MODE).order_by().values_list("leg").annotate(total=Sum("count"))
)
_COUNTS: Final = PreparedColumns(
    lambda: Leg.objects.filter(position__mode=_MODE).order_by().values_list("pk", "bought_count", "sold_count")
)
