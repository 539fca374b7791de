"""What is left of a basket across events, after any sale of a part and any settlement, against every way in which its markets may end."""

from __future__ import annotations

import random
from itertools import chain, combinations
from typing import Any, Final

import pytest

from kalbot.common import clock
from kalbot.console.pages.positions import position_story
from markets.models import Certificate, Event, Market
from strategies.models import Decision
from tests.trading import families, world
from tests.trading.families import FAMILY
from tests.trading.test_family_baskets import Pair, agree, profile
from tests.trading.twin import Twin
from trading import selectors
from trading.closing import exits, settlement
from trading.closing.exits import CannotExit
from trading.execution import executor
from trading.models import Denial, Position
from trading.safety import live_readiness
from trading.venues import connection

pytestmark = pytest.mark.alike

BOOKS: Final = (((5_000, 5_500), (200, 300), (6_000, 6_500)), ((7_800, 8_300), (9_600, 9_700)))
DEEP: Final = 10_000
COUNTS: Final = (1_000, 500, 1_000, 300)
TERMS: Final[dict[str, dict[str, bool]]] = {
    "a value decides": {},
    "or no data": {"nobody": True},
    "or per-strike No": {"any_no": True},
}
Ways = list[frozenset[str]]
"""Each way in which the markets may end: those that resolve Yes."""


def pair_of(terms: dict[str, bool]) -> Pair:
    ranges = Twin("KXT-1")
    thresholds = Twin("KXT-2", beside=ranges)
    for twin, books in zip((ranges, thresholds), BOOKS, strict=True):
        for bid, ask in books:
            twin.add_market([(bid, DEEP)], [(ask, DEEP)])
    families.certified(FAMILY, ranges, thresholds, families.spans(ranges, thresholds), **terms)
    families.sync(ranges, thresholds)
    connection.use(ranges.client())
    live_readiness.require_reconciliation()
    return ranges, thresholds


def ways_of(pair: Pair, terms: dict[str, bool]) -> Ways:
    """By hand: below 99, from there to 100, to 109.99, to 110, from there on; what the terms add."""
    (low, middle, high), (first, second) = pair[0].markets, pair[1].markets
    ways = [{low}, {low, first}, {middle, first}, {middle, first, second}, {high, first, second}]
    if terms.get("nobody"):
        ways.append(set())
    if terms.get("any_no"):
        return list({frozenset(some) for way in ways for n in range(len(way) + 1) for some in combinations(way, n)})
    return [frozenset(way) for way in ways]


def decided(pair: Pair, mode: str, **columns: Any) -> Decision:
    """NO below 100, YES from 100 to under 110, NO from 110 on and NO above 109.99, in counts that differ."""
    (low, middle, high), (_, second) = pair[0].markets, pair[1].markets
    prices = ((low, "no", 5_000), (middle, "yes", 300), (high, "no", 4_000), (second, "no", 400))
    legs = [
        {"ticker": ticker, "side": side, "count": count, "limit_price": price}
        for (ticker, side, price), count in zip(prices, COUNTS, strict=True)
    ]
    return world.decide(
        profile(mode, **columns),
        Event.objects.get(pk=FAMILY),
        {ticker: price for ticker, _, price in prices},
        1_000,
        kind="family",
        legs=legs,
        floor=10 * world.DOLLAR,
        cost=9_500_000,
        max_cost=9_900_000,
        guaranteed=True,
        certificate=Certificate.objects.get(event=FAMILY),
    )


def bought(pair: Pair, mode: str) -> Position:
    position = executor.execute(decided(pair, mode).pk)
    assert position is not None, Denial.objects.values_list("code", "detail")
    return position


def listed(ticker: str, result: str, value: int) -> None:
    """The catalogue hears how a market ended, in whatever it is held."""
    Market.objects.filter(pk=ticker).update(
        status="finalized", result=result, settlement_value_e6=value, settled_at=clock.now()
    )


class Seen:
    """A position beside every way in which its markets may still end."""

    def __init__(self, position: Position, ways: Ways, pair: Pair) -> None:
        self.pk, self.ways, self.pair = position.pk, ways, pair
        self.results: dict[str, str] = {}
        self.check()

    def check(self) -> None:
        """The floor now is that of the ways that its own settled legs leave, exactly; the row, the plot and the words say the same."""
        position = Position.objects.select_related("profile", "decision").get(pk=self.pk)
        own = list(position.legs.order_by("sequence"))
        legs = [leg for leg in own if leg.held]
        known = {leg.market_id: self.results[leg.market_id] for leg in own if leg.market_id in self.results}
        left = [way for way in self.ways if all((t in way) is (said == "yes") for t, said in known.items())]
        paid = [sum(leg.held * 10_000 for leg in legs if (leg.market_id in way) is (leg.side == "yes")) for way in left]
        now = selectors.held_now(position)
        assert (now.unknown, now.floor) == ("", min(paid) if legs else 0)
        if position.status == "open" and legs:
            assert position.floor == now.floor
            assert position_story.in_words(position, now, {})
            plot = position_story.plot_of(position, now)
            assert plot is not None or known, "as long as none of its markets has settled"
            assert plot is None or f"${now.floor / 1e6:.2f}" in plot.words.split(";")[0]
        if position.mode == "live":
            agree(position.profile)

    def settle(self, ticker: str, result: str) -> None:
        self.results[ticker] = result
        next(twin for twin in self.pair if ticker in twin.markets).settle(ticker, result)
        listed(ticker, result, world.DOLLAR if result == "yes" else 0)
        settlement.run()
        self.check()

    def sell(self, draw: random.Random) -> bool:
        """Some of some legs, by a person who accepts whatever is left."""
        families.sync(*self.pair)
        legs = [leg for leg in Position.objects.get(pk=self.pk).legs.order_by("sequence") if leg.held]
        legs = [leg for leg in legs if leg.market_id not in self.results]
        if not legs:
            return False
        chosen = draw.sample(legs, draw.randint(1, len(legs)))
        counts = {(leg.market_id, leg.side): draw.choice((leg.held, draw.randint(1, leg.held))) for leg in chosen}
        exits.request_exit(position_id=self.pk, actor="ann", reason="less", counts=counts, below_floor="hers")
        for _ in range(3):
            executor.step(self.pk)
        self.check()
        return True

    def advised(self, draw: random.Random) -> None:
        """Triage advises to sell, and for some legs nobody bids: what can be sold is, or nothing where the floor forbids it."""
        for twin in self.pair:
            for ticker in twin.markets:
                if ticker not in self.results and draw.random() < 0.5:
                    twin.cancel_makers(ticker, draw.choice(("bid", "ask")))
        families.sync(*self.pair)
        try:
            exits.request_exit(position_id=self.pk, actor="triage", reason="advice", source="triage")
        except CannotExit:
            return
        for _ in range(3):
            executor.step(self.pk)
        self.check()


def end(seen: Seen, draw: random.Random) -> None:
    """All markets settle in any order in one of the ways; what is paid is what the legs say."""
    tickers = list(chain.from_iterable(twin.markets for twin in seen.pair))
    agreeing = [way for way in seen.ways if all((t in way) is (said == "yes") for t, said in seen.results.items())]
    winners = draw.choice(agreeing)
    for ticker in draw.sample(tickers, len(tickers)):
        if ticker not in seen.results:
            seen.settle(ticker, "yes" if ticker in winners else "no")
    position = Position.objects.get(pk=seen.pk)
    assert position.status in ("settled", "closed")
    paid = sum(
        10_000 * leg.settled_count
        for leg in position.legs.all()
        if (seen.results[leg.market_id] == "yes") is (leg.side == "yes")
    )
    assert position.payout == paid


def check(mode: str, terms: dict[str, bool], draw: random.Random) -> None:
    pair = pair_of(terms)
    seen = Seen(bought(pair, mode), ways_of(pair, terms), pair)
    assert selectors.held_now(Position.objects.get(pk=seen.pk)).floor == 10 * world.DOLLAR
    seen.sell(draw)
    winners = draw.choice(seen.ways)
    for ticker in draw.sample([*pair[0].markets, *pair[1].markets], 2):
        seen.settle(ticker, "yes" if ticker in winners else "no")
    seen.sell(draw)
    seen.advised(draw)
    end(seen, draw)


@pytest.fixture
def live(settings: object) -> None:
    settings.KALBOT_LIVE = True  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("mode", "terms"), [*(("sim", terms) for terms in TERMS), ("live", "or no data"), ("live", "or per-strike No")]
)
def test_the_floor_of_what_is_left_is_exact_after_every_sale_and_settlement(live: None, mode: str, terms: str) -> None:
    check(mode, TERMS[terms], random.Random(f"{mode} {terms}"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("terms", TERMS)
@pytest.mark.parametrize("mode", ["sim", "live"])
def test_the_floor_of_what_is_left_is_exact_whatever_is_sold(live: None, mode: str, terms: str, seed: int) -> None:
    check(mode, TERMS[terms], random.Random(seed))


@pytest.mark.parametrize("terms", TERMS)
def test_what_an_unwind_could_not_sell_has_its_exact_floor(live: None, terms: str) -> None:
    """Of one leg nothing was to be had, for another nobody bids and for the third few do: the rest is held and settles as it may."""
    draw = random.Random(terms)
    pair = pair_of(TERMS[terms])
    (low, middle, high), (_, second) = pair[0].markets, pair[1].markets
    decision = decided(pair, "live", complete_seconds=0, sending="all_at_once")
    pair[0].cancel_makers(low, "bid")  # gone on the exchange, still in the stream's book
    for twin, ticker, side in ((pair[0], middle, "bid"), (pair[0], high, "ask"), (pair[1], second, "ask")):
        twin.cancel_makers(ticker, side)
    pair[0].quote(high, "ask", 6_500, 400)
    position = executor.execute(decision.pk)
    assert position is not None, Denial.objects.values_list("code", "detail")
    for _ in range(4):
        families.sync(*pair)
        position = executor.step(position.pk)
    sold = {leg.market_id: (leg.bought_count, leg.sold_count) for leg in position.legs.all()}
    assert sold[low] == (0, 0)
    assert sold[high] == (1_000, 400), (position.status, sold)
    seen = Seen(position, ways_of(pair, TERMS[terms]), pair)
    end(seen, draw)


@pytest.mark.parametrize(("mode", "never"), [("sim", True), ("sim", False), ("live", True), ("live", False)])
def test_a_market_that_is_settled_at_a_price_says_so_of_the_whole_family(live: None, mode: str, never: bool) -> None:
    """A void of what the position does not hold: what its own markets will do is no longer what the certificate lists."""
    pair = pair_of({})
    position = bought(pair, mode)
    odd = pair[1].markets[0] if never else pair[0].markets[1]
    if not never:
        counts = {(odd, "yes"): 500}
        exits.request_exit(position_id=position.pk, actor="ann", reason="less", counts=counts, below_floor="hers")
        executor.step(position.pk)
    position.refresh_from_db()
    assert (position.floor, position.guaranteed) == (10 * world.DOLLAR, True)
    listed(odd, "yes", world.DOLLAR)
    settlement.run()
    position.refresh_from_db()
    assert position.floor >= 10 * world.DOLLAR, "a result that a state lists"
    listed(odd, "scalar", 420_000)
    settlement.run()
    position.refresh_from_db()
    assert "no listed state allows" in selectors.held_now(position).unknown
    assert (position.floor, position.guaranteed) == (0, False)
    if mode == "live":
        agree(position.profile)


@pytest.mark.parametrize("mode", ["sim", "live"])
def test_an_outcome_that_is_settled_at_a_price_says_so_of_its_event(live: None, mode: str) -> None:
    """NO on two of three; the third is voided, which the list of one winner or none does not have."""
    (ranges, _) = pair_of({})
    owner = world.add_profile("alone", mode=mode)
    first, second, third = ranges.markets
    decision = world.decide(owner, ranges.row, {first: 5_000, third: 4_000}, kind="all_no", side="no")
    position = executor.execute(decision.pk)
    assert position is not None, Denial.objects.values_list("code", "detail")
    assert (position.floor, position.guaranteed) == (10 * world.DOLLAR, True)
    listed(second, "no", 0)
    settlement.run()
    position.refresh_from_db()
    assert (position.floor, position.guaranteed) == (10 * world.DOLLAR, True)
    listed(second, "scalar", 420_000)
    settlement.run()
    position.refresh_from_db()
    assert "no listed state allows" in selectors.held_now(position).unknown
    assert (position.floor, position.guaranteed) == (0, False)
