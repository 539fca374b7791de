"""Capital under anything that happens to it, in any order: fills, sales, results and corrections, deposits, loans, sweeps, with and without
collateral return. At each step every count of it agrees with one made by hand (``capital_oracle``), and no cash is promised twice.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine

from kalbot.common import clock
from kalbot.common.units import Money
from markets.book import Side
from markets.models import Market
from strategies.collateral.funds import Purchase
from strategies.collateral.groups import Choices
from strategies.models import Mode, Profile, Verdict
from tests.trading import capital_oracle as oracle
from tests.trading import world
from trading import states
from trading.accounting import audit, balance_check, booking, collateral, ledger, pool, shard_cash
from trading.accounting.fill_reports import FillReport
from trading.accounting.sale_funds import Priced, SaleFunds
from trading.closing import settlement
from trading.closing.finals import FinalResult
from trading.denials import Denied
from trading.models import (
    ACTIVE,
    Account,
    CapitalChange,
    ExchangeAccount,
    Leg,
    Order,
    Position,
    ProfileBalance,
    Settlement,
)

DOLLAR = world.DOLLAR
KEPT = 60 * DOLLAR
LATER = timedelta(seconds=11)
"""After so long the exchange's reads show what was spent before them (``shard_cash.READ_LAG``)."""


class Walk:
    """Three profiles of one account, and what happens to them."""

    def __init__(self, seed: int, mode: str, returns: bool, now: Any) -> None:
        self.rng, self.mode, self.returns, self.now = random.Random(seed), mode, returns, now
        self.story: list[str] = []
        columns: list[dict[str, Any]] = [
            {"capital": 300 * DOLLAR, "lend_above": KEPT, "profits": "keep"},
            {"capital": 20 * DOLLAR, "borrow_up_to": 150 * DOLLAR},
            {"capital": 100 * DOLLAR, "profits": "sweep", "sweep_above": 105 * DOLLAR, "lend_above": 0},
        ]
        self.profiles = [
            world.add_profile(f"p{number}", mode=mode, collateral_return=returns, **one)
            for number, one in enumerate(columns)
        ]
        self.accounts = {one.pk: oracle.Account(given=one.capital) for one in self.profiles}
        self.baskets: dict[int, oracle.Basket] = {}
        self.events = 0
        self.changes = 0
        self.before: dict[int, int] = {}
        for profile in self.profiles:
            ledger.ensure_funded(profile)
        self.opening = 500 * DOLLAR
        if mode == Mode.LIVE:
            ExchangeAccount.objects.create(
                subaccount=0, balance=self.opening, opening=self.opening, seen_at=clock.now()
            )
        self.waiting = self._waits()

    def _waits(self) -> Verdict:
        """A sure basket of the borrower that waits for capital, as long as its row says so."""
        event = world.add_event("KXW", outcomes=2)
        summary = {"cost": 1_000_000, "pays": 1_100_000, "days": 1.0}
        columns = {"status": "candidate", "kind": "all_no", "since": clock.now(), "summary": summary}
        return Verdict.objects.create(profile=self.profiles[1], event=event, live_constraint="price", **columns)

    # ---- what the exchange has

    @property
    def cash_there(self) -> int:
        """The exchange's cash by hand: what it began with and what our trading made of it, returned collateral included."""
        mine = self.accounts.values()
        return self.opening + sum(one.flows + sum(basket.returned for basket in one.baskets) for one in mine)

    def compares(self) -> None:
        if self.mode == Mode.LIVE:
            self.now.shift(LATER)
            ExchangeAccount.objects.update(balance=self.cash_there, seen_at=clock.now())
            reserved = sum(Position.objects.filter(status__in=ACTIVE).values_list("reserved", flat=True))
            assert shard_cash.free(0, 0) == self.cash_there - reserved
        self.story.append("compares")

    # ---- what happens

    def opens(self) -> None:
        """A basket of NO is admitted where its money can be set aside, and refused exactly where it cannot."""
        profile = self.rng.choice(self.profiles)
        self.events += 1
        event = world.add_event(f"KXT-{self.events}", outcomes=self.rng.randint(3, 5), collateral_return_type="MECNET")
        tickers = sorted(event.markets.values_list("ticker", flat=True))
        tickers = tickers[: self.rng.randint(2, len(tickers))]
        count, price = self.rng.choice((100, 700, 1_000, 2_500)), self.rng.choice((4_000, 6_500, 8_000))
        decision = world.decide(profile, event, dict.fromkeys(tickers, price), count, kind="all_no", side="no")
        reading = collateral.stored(Choices()) if self.returns else None
        most = Money(price * count + 200 * count)
        wanted = collateral.funds_for(reading, [Purchase(one, Side.NO, count, most) for one in tickers])
        position = Position.objects.create(
            profile=profile,
            mode=self.mode,
            decision=decision,
            event=event,
            kind="all_no",
            status="executing",
            target_count=count,
            collateral=None if reading is None else {**reading, collateral.FUNDS: wanted},
        )
        for number, ticker in enumerate(tickers):
            columns = {"sequence": number, "target_count": count, "limit_price": price}
            Leg.objects.create(position=position, market_id=ticker, side="no", **columns)
        fits = wanted <= ProfileBalance.objects.get(profile=profile).cash
        if self.mode == Mode.LIVE:
            fits = fits and wanted <= (shard_cash.free(0, 0) or 0)
        try:
            ledger.reserve_up_to(position, wanted)
        except Denied:
            assert not fits
            states.transition(position, "aborted", reason="no cash")
            self.story.append(f"{profile}: {wanted} are not free")
            return
        assert fits
        self.baskets[position.pk] = oracle.Basket(self.returns, {ticker: oracle.Leg() for ticker in tickers})
        self.accounts[profile.pk].baskets.append(self.baskets[position.pk])
        self.story.append(f"{profile}: opens {position.pk} with {len(tickers)} x {count} at {price}")

    def fills(self) -> None:
        legs = self._legs(status="executing")
        legs = [leg for leg in legs if leg.bought_count < leg.target_count]
        if not legs:
            return
        leg = self.rng.choice(legs)
        count = min(self.rng.choice((1, 100, 333, 5_000)), leg.target_count - leg.bought_count)
        price, fee = leg.limit_price - self.rng.choice((0, 0, 100)), self.rng.randint(0, 100 * count)
        self._trade(leg, "buy", "entry", count, price, fee)
        profile, basket = leg.position.profile_id, self.baskets[leg.position_id]
        self.accounts[profile].buy(basket, leg.market_id, count, price, fee)
        self.story.append(f"{leg.position_id}: buys {count} {leg.market_id} at {price} for {fee}")
        if leg.market.status == "finalized":  # it filled before, and was heard of late
            self._pays(leg, FinalResult(leg.market.result, leg.market.settlement_value_e6 or 0))

    def is_open(self) -> None:
        positions = list(Position.objects.filter(status="executing").order_by("pk"))
        for position in self.rng.sample(positions, min(1, len(positions))):
            states.transition(position, "open", reason="enough")
            self.story.append(f"{position.pk}: open")

    def sells(self) -> None:
        legs = [leg for leg in self._legs(status__in=("open", "exiting")) if leg.held and leg.market.status == "active"]
        if not legs:
            return
        leg = self.rng.choice(legs)
        position = leg.position
        if position.status == "open":
            states.transition(position, "exiting", reason="out")
        count, price = min(leg.held, self.rng.choice((1, 100, 450, 5_000))), self.rng.choice((100, 5_000, 9_500))
        funds = SaleFunds.of(position) if self.mode == Mode.SIM else None
        if position.collateral is not None:
            count = self._fundable(leg, funds, count, price)
        if count:
            fee = self.rng.randint(0, price * count // 20)
            self._trade(leg, "sell", "exit", count, price, fee)
            basket = self.baskets[position.pk]
            self.accounts[position.profile_id].sell(basket, leg.market_id, count, price * count - fee)
            self.story.append(f"{position.pk}: sells {count} {leg.market_id} at {price} for {fee}")
        if not any(one.held for one in position.legs.all()):
            states.transition(position, "closed", reason="sold")

    def _fundable(self, leg: Leg, funds: SaleFunds | None, count: int, price: int) -> int:
        """As much as the cash for it allows, by hand for a live one, whose cash would be read at the exchange."""
        if funds is not None:
            found = funds.fundable(Priced(leg, count, price, world.FEES))
            return found
        account, basket = self.accounts[leg.position.profile_id], self.baskets[leg.position_id]
        balance = ProfileBalance.objects.get(profile=leg.position.profile_id)
        there = balance.cash + Position.objects.get(pk=leg.position_id).reserved
        before, own = basket.returned, basket.legs[leg.market_id]
        own.held -= count
        needs = before - basket.returned - (price * count - price * count // 20)
        own.held += count
        return count if needs <= max(0, min(there, account.cash)) else 0

    def reserves_more(self) -> None:
        positions = list(Position.objects.filter(status="executing").select_related("profile", "event"))
        if positions:
            position = self.rng.choice(positions)
            wanted = position.reserved + self.rng.choice((1, DOLLAR, 40 * DOLLAR))
            free = ProfileBalance.objects.get(profile=position.profile).cash
            if self.mode == Mode.LIVE:
                free = min(free, shard_cash.free(0, 0) or 0)
            try:
                ledger.reserve_up_to(position, wanted)
                assert wanted - position.reserved <= free
            except Denied:
                assert wanted - position.reserved > free

    def settles(self) -> None:
        market = self._market(settled=False)
        if market is None:
            return
        others = Market.objects.filter(event=market.event_id, result="yes").exclude(pk=market.pk)
        result = "no" if others.exists() else self.rng.choice(("yes", "no", "no", "no", "scalar"))
        self._result(market, result)

    def corrects(self) -> None:
        market = self._market(settled=True)
        if market is None:
            return
        others = Market.objects.filter(event=market.event_id, result="yes").exclude(pk=market.pk)
        result = "no" if others.exists() else self.rng.choice(("yes", "no", "scalar"))
        value = {"yes": DOLLAR, "no": 0}.get(result, 370_000)
        rows = Settlement.objects.filter(leg__market=market, reversed_at=None).select_related("leg__position")
        for row in list(rows.exclude(value_e6=value).order_by("pk")):
            account, basket = self._of(row.leg)
            assert settlement.rebook(row.pk, FinalResult(result, value))
            again = Settlement.objects.filter(leg=row.leg).count()
            count = account.take_back(basket, market.pk, row.version)
            account.settle(basket, market.pk, result, value // 100, again, count)
        Market.objects.filter(pk=market.pk).update(result=result, settlement_value_e6=value)
        self.story.append(f"{market.pk} corrected to {result}")

    def _result(self, market: Market, result: str) -> None:
        value = {"yes": DOLLAR, "no": 0}.get(result, 370_000)
        Market.objects.filter(pk=market.pk).update(status="finalized", result=result, settlement_value_e6=value)
        for leg in [leg for leg in self._legs() if leg.market_id == market.pk and leg.held]:
            self._pays(leg, FinalResult(result, value))
        self.story.append(f"{market.pk} is {result}")

    def _pays(self, leg: Leg, final: FinalResult) -> None:
        assert settlement.settle_leg(leg.pk, final)
        account, basket = self._of(leg)
        version = Settlement.objects.filter(leg=leg).count()
        account.settle(basket, leg.market_id, final.result, final.value_e6 // 100, version)

    def somebody_sells(self) -> None:
        legs = [
            leg
            for leg in self._legs(status="open")
            if leg.held and leg.position.collateral is None and leg.market.status == "active"
        ]
        if legs:
            leg = self.rng.choice(legs)
            count = min(leg.held, self.rng.choice((1, 100, 5_000)))
            proceeds, key = self.rng.randint(0, 9_000) * count, f"trade:{uuid4()}"
            evidence = {"of": "a test"}
            booking.correct(
                leg.pk, count=count, proceeds=proceeds, key=key, evidence=evidence, actor="ann", reason="by hand"
            )
            account, basket = self._of(leg)
            account.sell(basket, leg.market_id, count, proceeds)
            self.story.append(f"{leg.position_id}: somebody sells {count} {leg.market_id}")

    def deposits(self) -> None:
        profile = self.rng.choice(self.profiles)
        amount = self.rng.choice((1, 7 * DOLLAR, -3 * DOLLAR))
        if amount < 0 and ProfileBalance.objects.get(profile=profile).cash + amount < 0:
            return  # more than is free may be taken out, and is then missing: another test
        ledger.deposit(profile, amount, "ann")
        self.accounts[profile.pk].given += amount
        self.story.append(f"{profile}: {amount} from a person")

    def money_is_lent(self) -> None:
        self.now.shift(self.rng.choice((timedelta(), timedelta(minutes=12), timedelta(minutes=31), timedelta(days=1))))
        waits = self.rng.choice(("price", "outranked"))
        Verdict.objects.filter(pk=self.waiting.pk).update(live_constraint=waits, live_at=clock.now())
        before = {one.pk: (ProfileBalance.objects.get(profile=one).cash, one.moved) for one in self._fresh()}
        moved = pool.run()
        for row in CapitalChange.objects.filter(pk__gt=self.changes).order_by("pk"):
            account = self.accounts[row.profile_id]
            if row.kind == CapitalChange.Kind.POOL:
                account.lent -= row.amount
            elif row.kind == CapitalChange.Kind.SWEEP:
                assert row.amount < 0
                account.swept -= row.amount
                assert account.equity >= self._profile(row.profile_id).sweep_above, "no more than beyond the limit"
            self.changes = row.pk
        for one in moved:
            if one.giver == "p1":
                continue
            giver = Profile.objects.get(name=one.giver)
            keeps = giver.lend_above or 0
            left = ProfileBalance.objects.get(profile=giver).cash
            assert left >= keeps, f"{one} of {before[giver.pk]}"
        assert sum(pool.owed().values()) <= self._profile(self.profiles[1].pk).borrow_up_to
        self.story.append(f"{waits}: {moved}")

    # ---- rows

    def _legs(self, **of: Any) -> list[Leg]:
        found = {f"position__{name}": value for name, value in of.items()}
        rows = Leg.objects.filter(position__in=self.baskets, **found).select_related("position__profile", "market")
        return list(rows.order_by("pk"))

    def _market(self, *, settled: bool) -> Market | None:
        tickers = [ticker for basket in self.baskets.values() for ticker in basket.legs]
        rows = Market.objects.filter(pk__in=tickers).order_by("pk")
        found = list(rows.filter(status="finalized") if settled else rows.exclude(status="finalized"))
        return self.rng.choice(found) if found else None

    def _of(self, leg: Leg) -> tuple[oracle.Account, oracle.Basket]:
        return self.accounts[leg.position.profile_id], self.baskets[leg.position_id]

    def _trade(self, leg: Leg, action: str, purpose: str, count: int, price: int, fee: int) -> None:
        order = Order.objects.create(
            position=leg.position,
            leg=leg,
            profile=leg.position.profile,
            mode=self.mode,
            action=action,
            purpose=purpose,
            side="no",
            price=price,
            count=count,
            status="done",
        )
        report = FillReport(str(uuid4()), price, count, fee, True, clock.now_ms())
        assert booking.book_fill(order.pk, report, "test")
        assert not booking.book_fill(order.pk, report, "again")

    def _fresh(self) -> list[Profile]:
        return list(Profile.objects.filter(pk__in=self.accounts).order_by("pk"))

    def _profile(self, pk: int) -> Profile:
        return Profile.objects.get(pk=pk)

    # ---- what must hold

    def check(self, *, at_most_as_low: bool = True) -> None:
        """``at_most_as_low``: nobody's cash is below zero, or further below than before. A correction takes back what was paid, though it
        may have been spent since."""
        assert audit.positions(self.mode) == []
        for profile in self._fresh():
            account, found = self.accounts[profile.pk], ledger.balances(profile)
            assert audit.totals(profile) == []
            assert balance_check.summary(profile)["difference"] == 0
            assert profile.working == account.given - account.lent - account.swept == -found[Account.CAPITAL]
            assert found[Account.CASH] + found[Account.RESERVED] == account.cash
            assert found[Account.POSITION_COST] + found[Account.FEES] == sum(one.cost for one in account.baskets)
            assert -found[Account.RETURNED] == sum(one.returned for one in account.baskets)
            assert -found[Account.REALISED] == account.made
            least = min(0, self.before.get(profile.pk, 0)) if at_most_as_low else found[Account.CASH]
            assert found[Account.RESERVED] >= 0
            assert found[Account.CASH] >= least, f"{profile}: {found}"
            self.before[profile.pk] = found[Account.CASH]
        for position in Position.objects.filter(pk__in=self.baskets):
            basket = self.baskets[position.pk]
            assert (position.cost, position.realised, position.returned) == (
                basket.cost,
                basket.made,
                basket.returned,
            )
            assert position.status in ACTIVE or not position.reserved
        if self.mode == Mode.LIVE:
            reserved = sum(Position.objects.filter(status__in=ACTIVE).values_list("reserved", flat=True))
            assert (shard_cash.free(0, 0) or 0) <= self.cash_there - reserved, "no more is promised than is there"
        assert sum(one.lent for one in self.accounts.values()) == 0

    def run(self, steps: int) -> None:
        often = [self.opens, self.fills, self.fills, self.fills, self.is_open, self.sells, self.settles]
        seldom = [
            self.corrects,
            self.deposits,
            self.money_is_lent,
            self.money_is_lent,
            self.somebody_sells,
            self.reserves_more,
            self.compares,
        ]
        for _ in range(steps):
            act = self.rng.choice(often if self.rng.random() < 0.65 else seldom)
            act()
            self.check(at_most_as_low=act != self.corrects)
        for ticker in sorted({ticker for basket in self.baskets.values() for ticker in basket.legs}):
            market = Market.objects.get(pk=ticker)
            if market.status != "finalized":
                won = Market.objects.filter(event=market.event_id, result="yes").exists()
                self._result(market, "no" if won else self.rng.choice(("yes", "no")))
                self.check()
        for account in self.accounts.values():
            assert account.cash == account.given - account.lent - account.swept + account.made, "all of it is cash"


@pytest.fixture
def now() -> Iterator[Any]:
    with time_machine.travel("2026-11-20T12:00:00+00:00", tick=False) as found:
        yield found


def _walked(seed: int, now: Any, steps: int) -> None:
    walk = Walk(seed, (Mode.SIM, Mode.LIVE)[seed % 2], bool(seed // 2 % 2), now)
    try:
        walk.run(steps)
    except Exception as error:
        raise AssertionError(f"seed {seed}: {error}\n" + "\n".join(walk.story)) from error


@pytest.mark.parametrize("seed", range(4))
def test_every_count_of_capital_agrees_with_one_by_hand(seed: int, now: Any) -> None:
    _walked(seed, now, 40)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 400))
def test_many_walks_of_capital_agree_with_a_count_by_hand(seed: int, now: Any) -> None:
    _walked(seed, now, 80)


def _program(rng: random.Random) -> tuple[list[str], list[tuple[str, str, int, int]]]:
    """Of one event: its markets, and what is done, each thing as (what, market, count, price). A sale comes after its purchase, the result
    after both; beyond that the order is anybody's."""
    tickers = [f"{{}}-{number}" for number in range(rng.randint(2, 4))]
    steps: list[tuple[str, str, int, int]] = []
    for ticker in tickers:
        count = rng.choice((100, 333, 1_000))
        steps.append(("buy", ticker, count, rng.choice((3_000, 6_500, 8_100))))
        steps.append(("buy", ticker, count, 5_000))
        steps.append(("sell", ticker, rng.randint(1, 2 * count), rng.choice((2_000, 7_700))))
    winner = rng.choice([*tickers, ""])
    steps += [("yes" if ticker == winner else "no", ticker, 0, 0) for ticker in tickers]
    return tickers, steps


def _in_any_order(rng: random.Random, steps: list[tuple[str, str, int, int]]) -> list[tuple[str, str, int, int]]:
    """The steps of each market in their order, those of different markets mixed."""
    left: dict[str, list[tuple[str, str, int, int]]] = {}
    for step in steps:
        left.setdefault(step[1], []).append(step)
    found = []
    while left:
        ticker = rng.choice(sorted(left))
        found.append(left[ticker].pop(0))
        if not left[ticker]:
            del left[ticker]
    return found


def _carried_out(number: int, tickers: list[str], steps: list[tuple[str, str, int, int]], returns: bool) -> list[int]:
    """What a profile has in each account of its ledger once all of it is done, with what its position made."""
    profile = world.add_profile(f"order {number}", capital=10_000 * DOLLAR, collateral_return=returns)
    name = f"KXO-{number}"
    event = world.add_event(name, outcomes=len(tickers), collateral_return_type="MECNET")
    named = {ticker: ticker.format(name) for ticker in tickers}
    decision = world.decide(profile, event, dict.fromkeys(named.values(), 9_000), 2_000, kind="all_no", side="no")
    reading = {**collateral.stored(Choices()), collateral.FUNDS: 0} if returns else None
    columns = {"status": "open", "kind": "all_no", "target_count": 2_000, "collateral": reading, "mode": "sim"}
    ledger.ensure_funded(profile)
    position = Position.objects.create(profile=profile, decision=decision, event=event, **columns)
    legs = {
        ticker: Leg.objects.create(
            position=position, market_id=one, side="no", sequence=at, target_count=2_000, limit_price=9_000
        )
        for at, (ticker, one) in enumerate(named.items())
    }
    for what, ticker, count, price in steps:
        leg = legs[ticker]
        if what in ("buy", "sell"):
            of = {"profile": profile, "mode": "sim", "position": position, "leg": leg, "side": "no", "status": "done"}
            order = Order.objects.create(action=what, purpose="entry", price=price, count=count, **of)
            booking.book_fill(order.pk, FillReport(str(uuid4()), price, count, count * 7, True, 0), "test")
        else:
            Market.objects.filter(pk=named[ticker]).update(
                status="finalized", result=what, settlement_value_e6=DOLLAR * (what == "yes")
            )
            settlement.settle_leg(leg.pk, FinalResult(what, DOLLAR * (what == "yes")))
    position.refresh_from_db()
    return [*ledger.balances(profile).values(), position.realised, position.reserved, position.returned]


@pytest.mark.parametrize("returns", [False, True])
def test_what_a_basket_makes_is_the_same_in_whatever_order_it_happens(returns: bool, now: Any) -> None:
    rng = random.Random(7)
    for number in range(0, 9, 3):
        tickers, steps = _program(rng)
        ends = [_carried_out(number + one, tickers, _in_any_order(rng, steps), returns) for one in range(3)]
        assert ends[0] == ends[1] == ends[2]
        assert ends[0][-2:] == [0, 0]
