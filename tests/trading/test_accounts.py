"""What an account should show: contracts that we hold or may come to hold, and cash by what others rest and by shard."""

from __future__ import annotations

import pytest

from kalbot.common import clock
from kalbot.common.units import Money
from markets.fees import most_fees
from markets.kalshi.schemas.portfolio import Balance, ShardBalance
from markets.models import Event, Market
from strategies.models import Profile
from tests.trading import world
from trading.accounting import accounts
from trading.models import ExchangeAccount, ForeignOrder, Leg, OrderStatus, Position, ProfileBalance


def _hold(number: int, profile: Profile, side: str, bought: int, sold: int = 0, settled: int = 0) -> str:
    order = world.add_order(number, profile, status=OrderStatus.DONE, filled_count=bought)
    counts = {"bought_count": bought, "sold_count": sold, "settled_count": settled}
    Leg.objects.filter(pk=order.leg_id).update(side=side, **counts)
    return str(order.leg.market_id)


def _rests(name: str, ticker: str, price: int, left: int, **columns: object) -> None:
    ForeignOrder.objects.create(
        exchange_order_id=name,
        ticker=ticker,
        side="yes",
        price=price,
        count=1_000,
        remaining_count=left,
        **({"is_resting": True} | columns),
    )


def test_yes_counts_up_and_no_counts_down_and_what_is_gone_is_not_held() -> None:
    profile = world.add_profile()
    yes = _hold(1, profile, "yes", 1_000, sold=300, settled=100)
    no = _hold(2, profile, "no", 500)
    _hold(3, profile, "yes", 400, sold=250, settled=150)
    _hold(4, world.add_profile("another"), "yes", 70)
    assert accounts.holdings([profile]) == {yes: 600, no: -500}
    leg = Leg.objects.get(market_id=yes)
    again = Position.objects.get(pk=Leg.objects.get(market_id=no).position_id)
    Leg.objects.create(
        position=again, market=leg.market, side="no", sequence=1, target_count=1, limit_price=1, bought_count=600
    )
    assert accounts.holdings([profile]) == {no: -500}  # both sides of one market cancel out
    assert accounts.holder(yes, [profile]) == profile
    assert accounts.holder("KXT-9-A", [profile]) is None


@pytest.mark.parametrize(
    ("action", "side", "range_"),
    [("buy", "yes", (0, 700)), ("sell", "yes", (-700, 0)), ("buy", "no", (-700, 0)), ("sell", "no", (0, 700))],
)
def test_an_order_without_an_end_may_change_what_is_held_by_what_it_has_not_filled(
    action: str, side: str, range_: tuple[int, int]
) -> None:
    profile = world.add_profile()
    order = world.add_order(1, profile, action=action, side=side, filled_count=300)
    world.add_order(2, profile, status=OrderStatus.DONE)
    assert accounts.in_flight([profile]) == {order.leg.market_id: range_}


def test_cash_that_is_expected_is_what_was_there_and_what_trading_made_of_the_capital() -> None:
    profile = world.add_profile()
    ProfileBalance.objects.create(
        profile=profile, mode="sim", cash=9_000, reserved=500, capital=-10_000, position_cost=500
    )
    account = ExchangeAccount(opening=1_000_000, balance=999_400)
    assert accounts.expected_cash(account, [profile]) == 999_500
    assert accounts.difference(account, [profile]) == -100
    assert accounts.difference(account, []) == -600
    order = world.add_order(1, profile)
    assert accounts.difference(account, [profile]) is None  # what it reserves and fills is not seen whole
    type(order).objects.update(status=OrderStatus.DONE)
    assert accounts.difference(account, [profile]) == -100


def _two_shards() -> tuple[str, str]:
    first, second = world.add_event("KXT-1"), world.add_event("KXT-2")
    Event.objects.filter(pk=second.pk).update(exchange_index=1)
    Market.objects.filter(event=second).update(exchange_index=1)
    return first.markets.all()[0].ticker, second.markets.all()[0].ticker


def test_each_shard_shows_its_own_difference_and_what_strangers_rest_there() -> None:
    one, two = _two_shards()
    _rests("a", one, 4_000, 100)
    _rests("b", two, 2_000, 50)
    _rests("c", two, 1_000, 50)
    _rests("d", two, 9_000, 900, is_resting=False)
    _rests("e", two, 9_000, 900, subaccount=3)
    account = ExchangeAccount(opening_shards={"0": 1_000_000, "1": 500_000}, shards={"0": 600_000, "1": 350_001})
    assert accounts.differences_by_shard(account, []) == {"1": 1}
    account.shards = {"0": 600_000, "2": 7}
    assert accounts.differences_by_shard(account, []) == {"1": -350_000, "2": 7}
    assert accounts.differences_by_shard(ExchangeAccount(shards={"0": 5}), []) == {}
    fees = sum(int(most_fees(world.FEES, [rests])) for rests in ((4_000, 100), (2_000, 50), (1_000, 50)))
    assert accounts.set_aside_by_others(0) == (550_000, 550_000 + fees)


def _said(available: int, *shards: int) -> Balance:
    listed = tuple(ShardBalance(number, Money(amount)) for number, amount in enumerate(shards))
    return Balance(available=Money(available), portfolio_value=Money(0), updated=None, shards=listed)


def test_the_first_answer_fixes_what_was_there_before_us_and_later_ones_only_what_is_there_now() -> None:
    one, _ = _two_shards()
    _rests("a", one, 4_000, 100)
    profile = world.add_profile()
    ProfileBalance.objects.create(profile=profile, mode="sim", cash=9_000, capital=-10_000, position_cost=1_000)
    firsts: list[ExchangeAccount] = []
    at = clock.now()
    account = accounts.seen(0, _said(700_000, 600_000, 100_000), {one: 200, "X": 0}, [profile], at, firsts.append)
    assert firsts == [account]
    assert (account.opening, account.balance) == (700_000 + 400_000 + 1_000, 700_000)
    assert (account.opening_shards, account.shards) == ({"0": 1_000_000, "1": 100_000}, {"0": 600_000, "1": 100_000})
    assert account.foreign == {one: 200}
    assert (accounts.foreign(0, one), accounts.foreign(0, "X"), accounts.foreign(5, one)) == (200, 0, 0)
    later = accounts.seen(0, _said(650_000, 550_000, 100_000), {}, [profile], at, firsts.append)
    assert len(firsts) == 1
    assert (later.pk, later.opening, later.balance) == (account.pk, account.opening, 650_000)
    assert (later.shards, later.foreign) == ({"0": 550_000, "1": 100_000}, {one: 200})


def test_without_a_list_of_shards_none_is_compared() -> None:
    account = accounts.seen(0, _said(700_000), {}, [], clock.now(), lambda made: None)
    assert account.opening_shards == {}
    assert accounts.differences_by_shard(account, []) == {}


def test_cash_that_went_from_shard_to_shard_is_no_difference_any_more() -> None:
    account = ExchangeAccount.objects.create(
        opening=0,
        balance=0,
        seen_at=clock.now(),
        opening_shards={"0": 900, "1": 100},
        shards={"0": 500, "2": 500, "1": 100},
    )
    found = accounts.differences_by_shard(account, [])
    assert found == {"0": -400, "2": 500}
    accounts.cash_was_moved(account, found)
    account.refresh_from_db()
    assert accounts.differences_by_shard(account, []) == {}


def test_a_comparison_that_could_not_be_made_leaves_the_last_result() -> None:
    account = ExchangeAccount.objects.create(opening=0, balance=0, seen_at=clock.now())
    accounts.compared(account, 25)
    accounts.compared(account, None)
    account.refresh_from_db()
    assert account.difference == 25
    assert account.compared_at is not None
    accounts.compared(account, 0)
    account.refresh_from_db()
    assert account.difference == 0
