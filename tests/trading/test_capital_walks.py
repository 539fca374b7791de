"""Random walks of an account with collateral return: purchases, exits, results and corrections, money that comes and goes, under every
undocumented choice of the exchange. At every step the books tie, nothing is promised twice, and what cannot go on says why."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from backtest.replay.clock import in_place
from kalbot.common import clock
from markets.models import Event
from simulator.flow import second_actor
from tests.trading import world
from tests.trading.ties import ties
from tests.trading.twin import Twin
from tests.trading.unhurried import UnhurriedClock
from trading.closing import exits, settlement
from trading.closing.exits import CannotExit
from trading.execution import executor
from trading.execution.phases import selling
from trading.models import ACTIVE, Denial, Discrepancy, ExchangeAccount, ExitRequest, Position, ProfileBalance
from trading.reconciliation import reconcile
from trading.safety import live_readiness
from trading.venues import connection

CHOICES = ("netting_resting", "netting_revenue_net", "netting_yes_counts", "netting_whole_cents")
DOLLAR = world.DOLLAR


class Walk:
    """One account, some events and profiles, and what happened to them."""

    def __init__(self, seed: int, choices: dict[str, bool]) -> None:
        self.rng, self.story = random.Random(seed), [str(choices)]
        self.twins = [Twin("KXT-1")]
        self.twins += [Twin(f"KXT-{n}", beside=self.twins[0]) for n in range(2, self.rng.randint(2, 4))]
        self.exchange = self.twins[0].exchange
        for name, value in choices.items():
            setattr(self.exchange.config, name, value)
        self.results: dict[str, str] = {}
        self.limits: dict[str, dict[str, int]] = {}
        for twin in self.twins:
            self._list(twin)
        connection.use(self.twins[0].client())
        live_readiness.require_reconciliation()
        self._money(self.rng.choice((12, 30, 200)) * DOLLAR)
        connection.client().portfolio.cash.set_netting(0, True)
        reconcile.run("live", "test")
        reading = {name: choices[f"netting_{name}"] for name in ("yes_counts", "whole_cents")}
        ExchangeAccount.objects.update(collateral="on", collateral_reading=reading)
        assert reconcile.run("live", "test").error == ""
        self.withdrawn = False
        self.profiles = [
            world.add_profile(
                f"live {n}",
                mode="live",
                capital=self.rng.choice((2, 4, 7, 10, 100)) * DOLLAR,
                sending=self.rng.choice(("all_at_once", "thinnest_first")),
                on_partial=self.rng.choice(("unwind_on_partial", "hold_and_complete")),
                leg_risk_budget=20 * DOLLAR,
                count_step=self.rng.choice((1, 100)),
            )
            for n in range(len(self.twins))
        ]

    def _money(self, amount: int) -> None:
        ledger = self.exchange.ledger
        ledger.credit((0, 0), amount - ledger.available((0, 0)))

    def _list(self, twin: Twin) -> None:
        outcomes = self.rng.randint(3, 6)
        legs = self.rng.randint(2, outcomes)
        bid = -(-10_000 // legs // 100) * 100 + self.rng.choice((300, 600))
        limits = {}
        for _ in range(outcomes):
            depth = self.rng.choice((300, 2_000, 9_000))
            ticker = twin.add_market([(bid, depth), (bid - 100, 9_000)], [(bid + 200, depth), (bid + 900, 90_000)])
            limits[ticker] = 10_000 - bid
        self.limits[twin.event] = dict(self.rng.sample(sorted(limits.items()), legs))
        Event.objects.filter(pk=twin.row.pk).update(collateral_return_type="MECNET")
        twin.exchange.events[twin.event].collateral_return_type = "MECNET"
        twin.row.refresh_from_db()
        twin.sync()

    # ---- what happens

    def buys(self) -> None:
        number = self.rng.randrange(len(self.twins))
        twin, limits = self.twins[number], self.limits[self.twins[number].event]
        count = self.rng.choice((100, 500, 750, 1_000, 1_000))
        floor = 10_000 * count * (len(limits) - 1)
        decision = world.decide(self.rng.choice(self.profiles), twin.row, limits, count, "all_no", "no", floor=floor)
        found = executor.execute(decision.pk)
        why = list(Denial.objects.filter(decision=decision).values_list("code", "detail"))
        self.story.append(f"buys {twin.event} {count}: {found and found.status} {why}")

    def moves_on(self) -> None:
        for position in Position.objects.filter(status__in=ACTIVE).order_by("pk"):
            Position.objects.filter(pk=position.pk).update(next_step_at=clock.now())
            executor.step(position.pk)

    def leaves(self) -> None:
        rows = list(Position.objects.filter(status="open").order_by("pk"))
        if not rows:
            return
        position = self.rng.choice(rows)
        prices = {(leg.market_id, leg.side): self.rng.choice((100, 5_000)) for leg in position.legs.all() if leg.held}
        try:
            exits.request_exit(
                position_id=position.pk, actor="ann", reason="out", least_prices=prices, below_floor="out"
            )
            self.story.append(f"leaves {position.pk}")
        except CannotExit as error:
            self.story.append(f"cannot leave {position.pk}: {error}")

    def goes(self) -> None:
        """An exit after the bids fell: it needs more than was set aside for it."""
        self.book_moves()
        self.leaves()
        for _ in range(3):
            for twin in self.twins:
                twin.sync()
            self.moves_on()
            self.check()

    def withdraws_exit(self) -> None:
        for request in ExitRequest.objects.filter(status="open"):
            exits.cancel(request, "ann")
            self.story.append("withdraws an exit")

    def settles(self) -> None:
        twin = self.rng.choice(self.twins)
        left = [ticker for ticker in twin.markets if ticker not in self.results]
        if not left:
            return
        ticker = self.rng.choice(left)
        has_winner = any(self.results.get(one) == "yes" for one in twin.markets)
        result = "no" if has_winner else self.rng.choice(("yes", "no", "no"))
        self.results[ticker] = result
        twin.settle(ticker, result)
        settlement.run("live")
        self.story.append(f"settles {ticker} {result}")

    def corrects(self) -> None:
        if not self.results:
            return
        ticker = self.rng.choice(sorted(self.results))
        twin = next(one for one in self.twins if ticker in one.markets)
        has_winner = any(self.results.get(one) == "yes" for one in twin.markets if one != ticker)
        result = "no" if has_winner else self.rng.choice(("yes", "no"))
        if result != self.results[ticker]:
            self.results[ticker] = result
            twin.correct(ticker, result)
            self.story.append(f"corrects {ticker} {result}")

    def moves_money(self) -> None:
        what = self.rng.choice(("deposit", "withdraw"))
        amount = self.rng.choice((1, 5, 50)) * DOLLAR
        if what == "withdraw":
            amount = min(amount, self.exchange.ledger.available((0, 0)))
            self.withdrawn = True
        if amount:
            did = second_actor.act(self.exchange, what, {"amount": amount}, random.Random(1))
            self.story.append(f"{did}")

    def book_moves(self) -> None:
        twin = self.rng.choice(self.twins)
        for ticker in twin.markets:
            if ticker in self.results:
                continue
            twin.cancel_makers(ticker, "ask")
            bids = [price for price, _ in twin.exchange.books[ticker].yes_levels()]
            twin.quote(ticker, "ask", min(9_900, max(bids, default=0) + self.rng.choice((100, 300, 2_000))), 50_000)

    def thins(self) -> None:
        """Somebody takes most of what is bid or offered in one market."""
        twin = self.rng.choice(self.twins)
        ticker, side = self.rng.choice(twin.markets), self.rng.choice(("bid", "ask"))
        if ticker not in self.results:
            levels = twin.exchange.books[ticker].yes_levels()
            price = max((one for one, _ in levels), default=1_000)
            twin.cancel_makers(ticker, side)
            twin.quote(
                ticker, side, price if side == "bid" else min(9_900, price + 200), self.rng.choice((100, 250, 700))
            )

    # ---- what must hold

    def check(self) -> None:
        for profile in self.profiles:
            balance = ProfileBalance.objects.filter(profile=profile).first()
            if balance is not None:
                assert min(balance.cash, balance.reserved) >= 0, f"{profile.name}: {balance.cash} {balance.reserved}"
        reserved = 0
        returned: dict[str, int] = {}
        for position in Position.objects.select_related("profile"):
            ties(position)
            if position.status in ACTIVE:
                reserved += position.reserved
            returned[position.event_id] = returned.get(position.event_id, 0) + position.returned
            if position.status == "exiting":
                assert position.residual_code or position.attempts == 0, "an exit that waits for nothing"
        there = self.exchange.ledger.available((0, 0))
        assert there >= 0
        assert self.withdrawn or there >= reserved, f"{there} there, {reserved} promised"

    def compare(self) -> None:
        row = reconcile.run("live", "test")
        assert row.error == ""
        still = list(Discrepancy.objects.filter(resolved_at=None).values_list("code", "key", "ours", "theirs"))
        assert not still, still
        assert row.balance_difference in (0, None)

    def run(self, steps: int) -> None:
        often: list[Any] = [
            self.buys,
            self.buys,
            self.moves_on,
            self.moves_on,
            self.leaves,
            self.book_moves,
            self.thins,
        ]
        seldom = [self.settles, self.corrects, self.moves_money, self.withdraws_exit]
        for _ in range(steps):
            if self.rng.random() < 0.8:  # else the books that are read are older than the exchange's
                for twin in self.twins:
                    twin.sync()
            self.rng.choice(often if self.rng.random() < 0.8 else seldom)()
            self.check()
            if self.rng.random() < 0.25:
                self.compare()
                self.check()
        for twin in self.twins:
            for ticker in twin.markets:
                if ticker not in self.results:
                    has_winner = any(self.results.get(one) == "yes" for one in twin.markets)
                    self.results[ticker] = "no" if has_winner else self.rng.choice(("yes", "no"))
                    twin.settle(ticker, self.results[ticker])
        for _ in range(4):
            self.moves_on()
            settlement.run("live")
            self.compare()
            self.check()
        assert not Position.objects.filter(status__in=ACTIVE).exists()
        assert sum(position.returned for position in Position.objects.all()) == 0


def walked(seed: int) -> Walk:
    every = list(product((False, True), repeat=len(CHOICES)))
    walk = Walk(seed, dict(zip(CHOICES, every[seed % len(every)], strict=True)))
    try:
        walk.run(25)
    except Exception as error:
        raise AssertionError(f"seed {seed}: {error}\n" + "\n".join(walk.story)) from error
    return walk


@pytest.fixture
def quick(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.KALBOT_LIVE = True
    settings.KALBOT_FINAL_AFTER_SECONDS = 0
    monkeypatch.setattr(selling, "RUNG_PAUSE", timedelta())
    with in_place(UnhurriedClock()):
        yield


@pytest.mark.parametrize("seed", [4, 9, 104])
def test_an_account_with_collateral_return_ties_whatever_happens_to_it(seed: int, quick: None) -> None:
    walked(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200, 360))
def test_many_accounts_with_collateral_return_tie(seed: int, quick: None) -> None:
    walked(seed)
