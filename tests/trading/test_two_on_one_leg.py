"""Two live profiles of one account, on two subaccounts, in the same markets: one quotes, the other takes, exits and rests purchases.
Whatever they do and in whatever order, they never trade with each other, and the books of both agree with the exchange's.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from strategies.models import Profile
from tests.faults.quoted import orphan_cost
from tests.trading import quoted, world
from tests.trading.ties import ties
from tests.trading.twin import Twin
from trading.accounting import balance_check
from trading.closing import exits, settlement
from trading.closing.exits import CannotExit
from trading.denials import Denied
from trading.execution import executor
from trading.execution.orders import quote
from trading.models import ACTIVE, TERMINAL, Denial, Discrepancy, Order, Position
from trading.reconciliation import inbox, reconcile
from trading.safety import halt

OTHER = 5
DOLLAR = world.DOLLAR
WAYS = ("all_legs", "one_leg", "several")


class Walk:
    """The two profiles, and what happens to them."""

    def __init__(self, seed: int, twin: Twin, now: Any) -> None:
        self.rng, self.twin, self.now, self.story = random.Random(seed), twin, now, list[str]()
        way = WAYS[seed % 3]
        wide: dict[str, Any] = {"orphan_budget": 8 * DOLLAR, "quote_min_margin_ppm": 1_000, "count_step": 1}
        wide |= {"orphans": self.rng.choice(("hold", "sell")), "leg_risk_budget": 5 * DOLLAR}
        self.maker = quoted.profile(quoting=way, **wide)
        policy = self.rng.choice(("unwind_on_partial", "hold_and_complete"))
        sending = self.rng.choice(("all_at_once", "thinnest_first"))
        columns: dict[str, Any] = {"on_partial": policy, "sending": sending, "complete_seconds": 20}
        self.taker = world.add_profile("taker", mode="live", subaccount=OTHER, leg_risk_budget=9 * DOLLAR, **columns)
        twin.exchange.config.stp_across_subaccounts = False  # so that a trade with ourselves can be seen
        twin.exchange.ledger.credit((OTHER, 0), 1_000 * DOLLAR)
        assert reconcile.run("live", "test").error == ""

    # ---- what happens

    def quotes(self) -> None:
        if not Position.objects.filter(profile=self.maker, status__in=ACTIVE).exists():
            position = executor.execute(quoted.decision(self.maker, self.twin, 600, orphans=8 * DOLLAR).pk)
            self.story.append(f"quotes: {position and position.status}")

    def fills(self) -> None:
        """Somebody sells to one of the quotes, and to whom bids more."""
        orders = list(Order.objects.filter(purpose="quote", status="resting").select_related("leg").order_by("pk"))
        if orders:
            order = self.rng.choice(orders)
            ahead = sum(
                size for price, size in self._no_bids(order.leg.market_id) if price > order.price
            )  # those at its price may be before it, too
            count = ahead + self.rng.choice((50, 300, 700, 12_000))
            quoted.sell_no(self.twin, self.twin.markets.index(order.leg.market_id), order.price, count)
            self.story.append(f"sold to the quote of {order.leg.market_id} at {order.price}: {count}")

    def takes(self) -> None:
        if Position.objects.filter(profile=self.taker, status__in=ACTIVE).exists():
            return
        side, kind = self.rng.choice((("no", "all_no"), ("yes", "all_yes"), ("yes", "coverage"), ("no", "coverage")))
        tickers = self.twin.markets[:1] if kind == "coverage" else self.twin.markets
        limits = {}
        for ticker in tickers:
            book = self.twin.exchange.books[ticker]
            others = [10_000 - price for price, _ in (book.no_levels() if side == "yes" else book.yes_levels())]
            limits[ticker] = min(9_800, min(others, default=5_000) + self.rng.choice((0, 100, 300)))
        count = self.rng.choice((100, 300, 500))
        floor = {"all_no": 20_000, "all_yes": 10_000}.get(kind, 0) * count
        sure = {"floor": max(floor, 25_000 * count), "guaranteed": True} if floor else {"floor": 0}
        decision = world.decide(self.taker, self.twin.row, limits, count, kind=kind, side=side, **sure)
        position = executor.execute(decision.pk)
        why = list(Denial.objects.filter(decision=decision).values_list("code", flat=True))
        self.story.append(f"takes {count} {side} of {len(limits)}: {position and position.status} {why}")

    def leaves(self) -> None:
        rows = Position.objects.filter(status__in=("open", "quoting", "exiting")).order_by("pk")
        if rows:
            position = self.rng.choice(list(rows))
            least = {
                (leg.market_id, leg.side): self.rng.choice((100, 3_000)) for leg in position.legs.all() if leg.held
            }
            try:
                exits.request_exit(
                    position_id=position.pk, actor="ann", reason="out", least_prices=least or None, below_floor="out"
                )
                self.story.append(f"{position.pk} is to be left")
            except (CannotExit, Denied) as error:
                self.story.append(f"{position.pk} cannot be left: {error}")

    def moves(self) -> None:
        """Others bid and offer otherwise in one market, nearer or further."""
        ticker, side = self.rng.choice(self.twin.markets), self.rng.choice(("bid", "ask"))
        book = self.twin.exchange.books[ticker]
        ours = [order.price for order in self.twin.exchange.ledger.all_open() if order.ticker == ticker]
        self.twin.cancel_makers(ticker, side)
        best = max((p for p, _ in book.yes_levels()), default=2_000)
        worst = min((10_000 - p for p, _ in book.no_levels()), default=8_000)
        if side == "bid":
            price = min(max(100, worst - self.rng.choice((100, 200, 600))), *[one - 100 for one in ours], 9_700)
        else:
            price = max(min(9_900, best + self.rng.choice((100, 200, 600))), *[one + 100 for one in ours], 200)
        if 0 < price < 10_000:
            self.twin.quote(ticker, side, price, self.rng.choice((200, 900, 9_000)))
        self.story.append(f"{side} of {ticker} at {price}")

    def is_halted(self) -> None:
        profile, state = self.rng.choice((self.maker, self.taker)), self.rng.choice(("halted", "reducing"))
        halt.set_state(state=state, actor="ann", reason="a test", profile=profile)
        self.steps()
        halt.set_state(state="active", actor="ann", reason="go on", profile=profile)
        self.story.append(f"{profile} was {state}")

    def steps(self) -> None:
        """Messages arrive, and whoever is at work goes on, in any order."""
        if self.rng.random() < 0.8:
            self.twin.sync()
        self.twin.send_fills()
        inbox.apply_waiting()
        quote._checked.clear()
        rows = list(Position.objects.filter(status__in=ACTIVE).order_by("pk").values_list("pk", flat=True))
        for pk in self.rng.sample(rows, len(rows)):
            executor.step(pk)
            self.check()

    def compares(self) -> None:
        assert reconcile.run("live", "test").error == ""
        named = Discrepancy.objects.filter(resolved_at=None).exclude(code__in=("late_fill", "legs_alone"))
        assert list(named.values_list("code", "key", "ours", "theirs")) == []

    def _no_bids(self, ticker: str) -> list[tuple[int, int]]:
        return [(int(price), int(size)) for price, size in self.twin.exchange.books[ticker].no_levels()]

    # ---- what must hold

    def check(self) -> None:
        trades = Counter(fill.fill_id for fill in self.twin.exchange.ledger.fills)
        assert max(trades.values(), default=1) == 1, "we traded with ourselves"
        best: dict[tuple[str, str], int] = {}
        for order in self.twin.exchange.ledger.all_open():
            key = order.ticker, order.book_side
            best[key] = max(best.get(key, -10_000), order.price if order.book_side == "bid" else -order.price)
        for ticker in self.twin.markets:
            assert best.get((ticker, "bid"), 0) < -best.get((ticker, "ask"), -10_000), "our bids cross each other"
        for position in Position.objects.select_related("profile"):
            ties(position)
            is_left = position.exit_requests.exists()  # what a sale left alone is its matter
            if position.quoting and position.status in ("quoting", "open") and not is_left:
                assert orphan_cost(position) <= max(position.orphan_limit, position.profile.orphan_budget)

    def run(self, number: int) -> None:
        often = [self.quotes, self.fills, self.takes, self.steps, self.steps, self.moves]
        seldom = [self.leaves, self.is_halted, self.compares]
        for _ in range(number):
            self.now.shift(timedelta(seconds=self.rng.choice((0, 1, 2, 7))))
            self.twin.sync()
            self.rng.choice(often if self.rng.random() < 0.8 else seldom)()
            self.check()
        for position in Position.objects.filter(status="quoting", quote_withdrawn=""):
            exits.withdraw_quote(position.pk, actor="ann", reason="the end")
        for _ in range(6):
            self.now.shift(timedelta(seconds=30))
            self.twin.sync()
            self.steps()
        self.twin.finish(winner=self.rng.choice([*self.twin.markets, None]))
        for _ in range(4):
            self.now.shift(timedelta(seconds=30))
            self.steps()
            settlement.run("live")
            reconcile.run("live", "test")
        self.compares()
        assert not Position.objects.exclude(status__in=TERMINAL).exists()
        for profile in Profile.objects.filter(mode="live"):
            assert balance_check.summary(profile)["difference"] == 0


@pytest.fixture
def now() -> Iterator[Any]:
    with time_machine.travel("2026-11-20T12:00:00+00:00", tick=False) as found:
        yield found


def _walked(seed: int, settings: Any, now: Any) -> None:
    walk = Walk(seed, quoted.begin(settings), now)
    try:
        walk.run(25)
    except Exception as error:
        raise AssertionError(f"seed {seed}: {error}\n" + "\n".join(walk.story)) from error


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_two_profiles_on_one_leg_never_meet_and_both_add_up(seed: int, settings: Any, now: Any) -> None:
    _walked(seed, settings, now)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 250))
def test_many_walks_of_two_profiles_on_one_leg(seed: int, settings: Any, now: Any) -> None:
    _walked(seed, settings, now)
