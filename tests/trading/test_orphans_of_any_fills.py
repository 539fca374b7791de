"""At every prefix of any interleaving of fills a quoted basket is inside its orphan budget, or reducing: by the exchange's own list of
fills, which knows neither our rows nor our arithmetic."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from kalbot.common import clock
from simulator.accounts.records import Fill
from strategies.models import Decision, Profile
from tests.faults.rows import clear
from tests.trading import live_twin, quoted, world
from tests.trading.twin import Twin
from trading.execution import executor
from trading.models import Denial, Position

REDUCING: Final = ("completing", "unwinding", "exiting")
BOOKS: Final = {2: ((4_500, 5_200), (4_600, 5_300)), 3: ((3_600, 4_500), (3_400, 4_200), (2_800, 3_600))}
"""By number of legs: best bid and ask of YES. At the best bids of either side a set costs less than it pays."""
SETUPS: Final = {
    "no on all three": ("all_legs", "no", 3),
    "yes on all three": ("all_legs", "yes", 3),
    "no on a pair": ("all_legs", "no", 2),
    "yes on a pair": ("all_legs", "yes", 2),
    "one leg": ("one_leg", "no", 3),
    "several legs": ("several", "no", 3),
}
BEFORE_US: Final = 100
TRADE = st.tuples(
    st.just("trade"),
    st.integers(0, 2),
    st.sampled_from((0, 0, 100, 500)),
    st.sampled_from((1, 50, 100, 350, 1_000, 2_500)),
)
OTHER = st.sampled_from(
    [("step",), ("step",), ("deaf step",), ("outbid", 0), ("outbid", 1), ("outbid", 2), ("no hedge", 1)]
)
_numbers = count()


@dataclass
class Oracle:
    """What one side's contracts have cost, by the exchange's fills in their order. Counts in 1/100, money in micro-dollars."""

    side: str
    tickers: list[str]
    held: dict[str, int] = field(default_factory=dict)
    paid: dict[str, int] = field(default_factory=dict)

    def orphans(self, fills: Iterable[Fill]) -> int:
        """What contracts beyond whole baskets cost after ``fills``, each leg's at its average."""
        self.held, self.paid = dict.fromkeys(self.tickers, 0), dict.fromkeys(self.tickers, 0)
        for fill in fills:
            had, is_purchase = self.held[fill.ticker], (fill.book_side == "bid") == (self.side == "yes")
            if is_purchase:
                price = fill.price if self.side == "yes" else 10_000 - fill.price
                self.held[fill.ticker] = had + fill.count
                self.paid[fill.ticker] += price * fill.count + fill.fee
            else:
                self.held[fill.ticker] = had - fill.count
                self.paid[fill.ticker] -= self.paid[fill.ticker] * fill.count // had
        whole = min(self.held.values())
        return sum(self.paid[t] * (n - whole) // n for t, n in self.held.items() if n > whole)


@pytest.mark.parametrize("setup", ["yes on a pair", "several legs"])
def test_at_every_prefix_of_any_interleaving_orphans_are_inside_their_budget_or_reduced(
    setup: str, settings: Any
) -> None:
    _explore(*SETUPS[setup], settings, examples=2)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("setup", SETUPS)
def test_the_same_of_many_more(setup: str, settings: Any) -> None:
    _explore(*SETUPS[setup], settings, examples=20)


def _explore(way: str, side: str, legs: int, configured: Any, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # an example takes half a second: to make a failing one smaller takes minutes
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.one_of(TRADE, TRADE, OTHER), min_size=6, max_size=14), st.sampled_from((2, 6, 15)))
    def holds(moves: list[tuple[Any, ...]], budget: int) -> None:
        _holds(way, side, legs, configured, moves, budget)

    holds()


def _holds(way: str, side: str, legs: int, configured: Any, moves: list[tuple[Any, ...]], budget: int) -> None:
    clear()
    world.active()
    twin = Twin(f"KXO-{next(_numbers)}")
    for bid, ask in BOOKS[legs]:  # few stand before us, many offer what a hedge takes
        yes, no = (BEFORE_US, quoted.DEPTH) if side == "yes" else (quoted.DEPTH, BEFORE_US)
        twin.add_market([(bid, yes)], [(ask, no)])
    live_twin.connect(configured, twin, ())
    wide: dict[str, Any] = {"orphan_budget": budget * world.DOLLAR, "quote_min_margin_ppm": 1_000, "count_step": 1}
    maker = quoted.profile(quoting=way, kinds=["all_yes", "all_no"], **wide)
    position = executor.execute(_decision(maker, twin, side).pk)
    assert position is not None, Denial.objects.values_list("code", "detail")
    event(f"begins as {position.status}")
    oracle = Oracle(side, twin.markets)
    for move in [*moves, *[("step",)] * 4]:
        _do(twin, position, side, move)
        position = Position.objects.get(pk=position.pk)
        cost = oracle.orphans(twin.exchange.ledger.fills)
        assert cost <= budget * world.DOLLAR or position.status in REDUCING, (move, position.status, oracle.held)
    event(f"ends as {position.status}, {'with' if cost else 'without'} orphans")


def _do(twin: Twin, position: Position, side: str, move: tuple[Any, ...]) -> None:
    what, number = move[0], (*move, 0)[1] % len(twin.markets)
    ticker = twin.markets[number]
    yes_bids, no_bids = ([price for price, _ in levels] for levels in twin.books()[ticker])
    if what == "trade":
        _, _, through, size = move
        if side == "no" and no_bids:
            twin.quote(ticker, "bid", min(9_900, 10_000 - max(no_bids) + through), size, rest=False)
        elif side == "yes" and yes_bids:
            twin.quote(ticker, "ask", max(100, max(yes_bids) - through), size, rest=False)
    elif what == "outbid":
        if side == "no" and no_bids:
            twin.quote(ticker, "ask", max(100, 10_000 - max(no_bids) - 100), 400)
        elif side == "yes" and yes_bids:
            twin.quote(ticker, "bid", min(9_900, max(yes_bids) + 100), 400)
    elif what == "no hedge":
        twin.cancel_makers(ticker, "bid" if side == "no" else "ask")
    elif what == "deaf step":  # the fills have not been heard of
        twin.sync()
        executor.step(position.pk)
    else:
        quoted.step(twin, position)


def _decision(maker: Profile, twin: Twin, side: str) -> Decision:
    """Ten sets at the best bids, or where others are taken at their asks and a tick inside the book for the one that rests."""
    bids = {
        ticker: max(price for price, _ in levels[0 if side == "yes" else 1]) for ticker, levels in twin.books().items()
    }
    asks = {ticker: 10_000 - max(price for price, _ in levels[0]) for ticker, levels in twin.books().items()}
    rests = twin.markets[0]
    limits = bids if maker.quoting == "all_legs" else {**asks, rests: bids[rests] + 100}
    until, leg = clock.now_ms() + 86_400_000, rests if maker.quoting == "one_leg" else ""
    meant = {"way": maker.quoting, "leg": leg, "until_ms": until, "orphans": world.DOLLAR}
    pays = 10_000 * (1 if side == "yes" else len(twin.markets) - 1)
    sums = {"cost": pays * 950, "max_cost": pays * 1_000 * 1_000 // 1_001, "floor": pays * 1_000}
    kind = f"all_{side}"
    return world.decide(maker, twin.row, limits, 1_000, kind, side, quote=meant, guaranteed=True, **sums)
