"""All legs quoted: whatever fills, in whatever order, orphans stay inside their budget and complete sets keep their margin."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from kalbot.common.units import CONTRACT, DOLLAR_PRICE, PPM, Count, Money, Price
from markets.book import Depth, Side
from markets.fees import FeeSchedule
from strategies.dutch.basket import LegMarket
from strategies.quoting import orphans, resting
from strategies.quoting.joining import Held
from strategies.quoting.orphans import Exposure
from strategies.quoting.refusal import NoQuote, Refused
from strategies.quoting.resting import Wanted
from strategies.quoting.synthetic import bid_cost

FREE, CHARGED = FeeSchedule("quadratic"), FeeSchedule("quadratic_with_maker_fees")


def _legs(bids: list[int], fees: FeeSchedule = FREE) -> list[LegMarket]:
    return [LegMarket(f"L{n}", Depth.of([], [(bid, 10_000)]), fees) for n, bid in enumerate(bids)]


def _wanted(legs: int, sets: int = 10, budget: int = 10_000_000, margin_ppm: int = 10_000) -> Wanted:
    pays = Price((legs - 1) * DOLLAR_PRICE)
    return Wanted(Side.NO, Count(sets * CONTRACT), CONTRACT, pays, margin_ppm, Money(budget))


def test_every_leg_rests_as_far_ahead_as_the_orphan_budget_allows() -> None:
    legs = _legs([6_000, 6_500, 7_000])
    # two legs alone cost at most $1.35 a set, so $10 carry seven sets
    assert resting.bids(legs, _wanted(3), Held()) == {"L0": (6_000, 700), "L1": (6_500, 700), "L2": (7_000, 700)}
    assert resting.bids(legs, _wanted(3, budget=2_000_000), Held()) == {
        "L0": (6_000, 100),
        "L1": (6_500, 100),
        "L2": (7_000, 100),
    }
    refused = resting.bids(legs, _wanted(3, budget=1_000_000), Held())
    assert refused == Refused(NoQuote.ORPHANS, "", 3_500)


def test_the_level_rises_as_sets_complete_and_a_leg_ahead_waits_for_the_others() -> None:
    legs, wanted, held = _legs([6_000, 6_500, 7_000]), _wanted(3, sets=4, budget=1_500_000), Held()
    held.add("L2", 100, 700_000)
    assert resting.bids(legs, wanted, held) == {"L0": (6_000, 100), "L1": (6_500, 100)}
    held.add("L0", 100, 600_000)
    held.add("L1", 100, 650_000)
    assert resting.bids(legs, wanted, held) == {"L0": (6_000, 100), "L1": (6_500, 100), "L2": (7_000, 100)}
    for ticker in ("L0", "L1", "L2"):
        held.add(ticker, 300, 2_000_000)
    assert resting.bids(legs, wanted, held) == {}


def test_maker_fees_count_and_an_own_price_stays_only_where_it_leaves_the_margin() -> None:
    bids, wanted = [6_500, 6_600, 6_690], _wanted(3)
    assert not isinstance(resting.bids(_legs(bids), wanted, Held()), Refused)
    refused = resting.bids(_legs(bids, CHARGED), wanted, Held())
    assert isinstance(refused, Refused)
    assert refused.reason is NoQuote.PAIR
    legs = _legs([6_000, 6_500, 7_000])
    kept = resting.bids(legs, wanted, Held(), {"L0": Price(6_100)})
    assert not isinstance(kept, Refused)
    assert kept["L0"][0] == 6_100
    costly = resting.bids(legs, wanted, Held(), {"L0": Price(6_900)})
    assert not isinstance(costly, Refused)
    assert costly["L0"][0] == 6_000


def test_a_leg_for_which_nobody_bids_rests_nothing() -> None:
    legs = [*_legs([6_000, 6_500]), LegMarket("L2", Depth(), FREE)]
    assert resting.bids(legs, _wanted(3), Held()) == Refused(NoQuote.NO_TOUCH, "L2")


def test_a_contract_of_a_leg_costs_what_its_more_costly_part_does_and_nothing_where_there_is_none() -> None:
    assert Exposure().each == 0
    assert (Exposure(held=2, paid=7).each, Exposure(rests=2, cost=9).each) == (4, 5)
    assert Exposure(2, 7, 2, 9).each == 5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 3)] * 2, st.integers(1, 99)), min_size=2, max_size=4))
def test_the_worst_of_orphans_is_what_trying_every_outcome_finds(rows: list[tuple[int, int, int]]) -> None:
    legs = [Exposure(held, held * price, rests, rests * price) for held, rests, price in rows]
    every = [
        orphans.now([Exposure(leg.held + n, (leg.held + n) * leg.each) for leg, n in zip(legs, fills, strict=True)])
        for fills in product(*[range(leg.rests + 1) for leg in legs])
    ]
    assert orphans.worst(legs) == max(every)


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 6), st.integers(1, 60), st.sampled_from([FREE, CHARGED]), st.data())
def test_at_every_prefix_of_any_fills_orphans_are_inside_the_budget(
    count: int, budget: int, fees: FeeSchedule, data: st.DataObject
) -> None:
    wanted, held = _wanted(count, sets=5, budget=budget * 100_000), Held()
    names = [f"L{n}" for n in range(count)]
    for _ in range(12):
        prices = [data.draw(st.integers(1, 99), label="bid") * 100 for _ in names]
        quotes = resting.bids(_legs(prices, fees), wanted, held)
        if isinstance(quotes, Refused):
            continue
        left: dict[str, int] = {name: quotes[name][1] for name in quotes}
        for _ in range(data.draw(st.integers(0, 8), label="fills")):
            if not left:
                break
            name = data.draw(st.sampled_from(sorted(left)), label="leg")
            filled = data.draw(st.integers(1, left[name]), label="fill")
            held.add(name, filled, bid_cost(fees, quotes[name][0], filled))
            left[name] -= filled
            if not left[name]:
                del left[name]
            assert _beyond(held, names) <= wanted.budget
        complete = min(held.counts.get(name, 0) for name in names)
        if complete and all(held.counts.get(name, 0) == complete for name in names):
            pays = complete * wanted.pays
            assert pays - held.cost >= wanted.margin_ppm * held.cost // PPM


def _beyond(held: Held, names: list[str]) -> int:
    """What contracts beyond whole sets have cost, each leg's at its average."""
    complete = min(held.counts.get(name, 0) for name in names)
    return sum(held.paid[n] * (have - complete) // have for n in names if (have := held.counts.get(n, 0)))
