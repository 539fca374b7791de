"""The synthetic price against a search through every price of the grid, and the margin that it promises against real fills."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kalbot.common.units import CONTRACT, DOLLAR_PRICE, PPM, Count, Price
from markets.book import Depth, Side
from markets.fees import FeeSchedule, OrderFees, taker_cost
from markets.terms.states import listed_states, none
from strategies.dutch.basket import LegMarket
from strategies.quoting.judge import LegQuote, judge
from strategies.quoting.refusal import NoQuote, Refused
from strategies.quoting.synthetic import Synthetic, bid_cost, synthetic

FEES = FeeSchedule()
MAKER = FeeSchedule("quadratic_with_maker_fees")


def leg(name: str, yes: list[tuple[int, int]], no: list[tuple[int, int]], fees: FeeSchedule = FEES) -> LegMarket:
    return LegMarket(name, Depth.of(yes, no), fees)


def game(fees: FeeSchedule = FEES) -> list[LegMarket]:
    """Three outcomes; NO asks at 0.60, 0.66 and 0.80."""
    return [
        leg("A", [(4_000, 1_000)], [(5_500, 1_000)], fees),
        leg("B", [(3_400, 1_000)], [(6_200, 1_000)], fees),
        leg("C", [(2_000, 1_000)], [(7_600, 1_000)], fees),
    ]


STATES = listed_states(["A", "B", "C"], certified=True)


def test_the_price_by_hand() -> None:
    # NO on three pays 2; B and C cost 0.66 + 0.80 and fees of 7 % x 0.34 x 0.66 and 0.20 x 0.80 each: 1.486908; the grid is a cent
    found = synthetic(game(), STATES, Side.NO, 0, CONTRACT, 0)
    assert isinstance(found, Synthetic)
    assert (found.most, found.touch, found.ask, found.floor) == (5_100, 5_500, 6_000, 2_000_000)
    assert [hedge.ticker for hedge in found.hedge] == ["B", "C"]
    assert found.resting(game()[0], improve=True) == Refused(NoQuote.BEHIND, "A", 400)


def test_without_states_nothing_is_quoted() -> None:
    assert synthetic(game(), None, Side.NO, 0, CONTRACT, 0) == Refused(NoQuote.STATES)


def test_a_state_in_which_nobody_wins_lowers_the_yes_price_to_nothing() -> None:
    states = listed_states(["A", "B", "C"], certified=True, others=[none()])
    found = synthetic(game(), states, Side.YES, 0, CONTRACT, 0)
    assert isinstance(found, Refused)
    assert found.reason is NoQuote.MARGIN


def test_a_hedge_that_is_not_there_refuses_and_names_the_leg() -> None:
    legs = game()
    legs[2] = leg("C", [(2_000, 99)], [(7_600, 1_000)])
    assert synthetic(legs, STATES, Side.NO, 0, CONTRACT, 0) == Refused(NoQuote.HEDGE_DEPTH, "C")
    legs[2] = leg("C", [], [(7_600, 1_000)])
    assert synthetic(legs, STATES, Side.NO, 0, CONTRACT, 0) == Refused(NoQuote.NO_HEDGE, "C")


def test_a_bid_never_crosses_its_own_ask() -> None:
    legs = [leg("A", [(6_500, 500)], [(3_400, 500)]), leg("B", [(4_000, 500)], [(100, 500)])]
    found = synthetic(legs, listed_states(["A", "B"], certified=True), Side.NO, 0, CONTRACT, 0)
    assert isinstance(found, Synthetic)
    assert found.ask == 3_500
    assert found.most < 3_500 or found.resting(legs[0], improve=True) == 3_400


PRICES = st.integers(1, 98).map(lambda cents: cents * 100)


@st.composite
def markets(draw: st.DrawFn) -> list[LegMarket]:
    """Two to five outcomes with up to three offers a leg."""
    fees = draw(st.sampled_from([FEES, MAKER, FeeSchedule("quadratic", 500_000)]))
    legs = []
    for n in range(draw(st.integers(2, 5))):
        yes = draw(st.lists(st.tuples(PRICES, st.integers(1, 3_000)), max_size=3))
        best = max((price for price, _ in yes), default=0)
        most = (DOLLAR_PRICE - best) // 100 - 1
        no = [(draw(st.integers(1, most)) * 100, draw(st.integers(1, 3_000)))] if most >= 1 else []
        legs.append(leg(f"L{n}", yes, no, fees))
    return legs


@settings(max_examples=300, deadline=None)
@given(markets(), st.sampled_from(Side), st.integers(1, 2_000), st.integers(0, 50_000), st.data())
def test_it_is_the_highest_price_that_keeps_the_margin(
    legs: list[LegMarket], side: Side, count: int, margin: int, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(legs) - 1))
    states = listed_states([one.ticker for one in legs], certified=True)
    found = synthetic(legs, states, side, at, Count(count), margin)
    if isinstance(found, Refused):
        return
    pays = (len(legs) - 1 if side is Side.NO else 1) * DOLLAR_PRICE * count
    assert found.floor == pays
    assert found.margin_ppm(found.most, legs[at].fees) >= margin
    # any split of the resting fill, and the hedge level by level, costs no more than promised
    hedge = sum(sum(taker_cost(one.fees, _walk(one, side, count))) for n, one in enumerate(legs) if n != at)
    order, left = OrderFees(legs[at].fees), count
    while left:
        part = data.draw(st.integers(1, left)) if left < 40 else left // 2
        order.add(found.most, part, is_taker=False)
        left -= part
    assert (pays - hedge - order.paid - order.total) * PPM >= margin * (hedge + order.paid + order.total)
    above = Price(found.most + 100)
    if above < DOLLAR_PRICE:
        worse = found.hedge_cost + bid_cost(legs[at].fees, above, count)
        assert worse >= pays or (pays - worse) * PPM < margin * worse


def _walk(one: LegMarket, side: Side, count: int) -> list[tuple[int, int]]:
    walked = []
    for price, size in one.depth.asks(side):
        taken = min(size, count)
        walked.append((price, taken))
        count -= taken
        if not count:
            break
    return walked


def test_the_judgement_names_one_reason_or_the_best_leg() -> None:
    found = judge(game(), STATES, Side.NO, CONTRACT, 0)
    assert found.one == Refused(NoQuote.BEHIND, "A", 400)
    assert found.all_legs == (2_0000 - 5_500 - 6_200 - 7_600) * PPM // (5_500 + 6_200 + 7_600)
    wide = game()
    wide[0] = leg("A", [(4_000, 1_000)], [(4_000, 1_000)])
    found = judge(wide, STATES, Side.NO, CONTRACT, 0)
    assert isinstance(found.one, LegQuote)
    assert (found.one.synthetic.ticker, found.one.price, found.one.inside) == ("A", 4_100, True)
    joined = judge(wide, STATES, Side.NO, CONTRACT, 0, improve=False)
    assert isinstance(joined.one, LegQuote)
    assert (joined.one.price, joined.one.inside) == (4_000, False)
