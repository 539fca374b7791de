"""The search by example: each refusal has one binding constraint, and what it says is true."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import dutch_books
import dutch_recorded as recorded
import pytest

from kalbot.common.units import CONTRACT, Count, Money, Price, parse_money
from markets.book import Depth, Side
from markets.fees import FeeSchedule
from markets.terms.special_settlements import ORDINARY, SettlementTerms, residual
from markets.terms.states import State, any_no, floor, listed_states, none, several, split, void
from strategies.cycle.evaluation import basket_summary, verdict_of
from strategies.dutch.basket import Basket, Found, Kind, LegMarket, Limits, Outcome, Refused, Shape
from strategies.dutch.event import Event
from strategies.dutch.explain import explain
from strategies.dutch.refusal import dollars
from strategies.dutch.search import best_basket
from strategies.models import Profile
from strategies.reasons import Reason

FREE = FeeSchedule("quadratic", 0)
FEES = FeeSchedule()


def leg(ticker: str, bid: int | None, ask: int | None, count: int = 1_000, fees: FeeSchedule = FEES) -> LegMarket:
    depth = Depth.of([(bid, count)] if bid else [], [(10_000 - ask, count)] if ask else [])
    return LegMarket(ticker, depth, fees, name=f"Outcome {ticker}")


def legs(*asks: int, spread: int = 200, count: int = 1_000, fees: FeeSchedule = FEES) -> list[LegMarket]:
    return [leg(f"M{i}", max(100, ask - spread), ask, count, fees) for i, ask in enumerate(asks)]


CHEAP = legs(2000, 3000, 4000)
PRICEY = legs(2500, 3500, 4500)
RICH = legs(3000, 4200, 5000, spread=100)  # YES bids add up to 1.19


def search(
    markets: Sequence[LegMarket],
    *,
    exclusive: bool = True,
    certified: bool = True,
    terms: SettlementTerms = ORDINARY,
    **limits: Any,
) -> Outcome:
    return best_basket(markets, exclusive, certified, Limits(**limits), event_ticker="EVENT", terms=terms)


def bought(markets: Sequence[LegMarket], **limits: Any) -> Basket:
    outcome = search(markets, **limits)
    assert isinstance(outcome, Found), outcome
    return outcome.basket


def refused(markets: Sequence[LegMarket], **limits: Any) -> Refused:
    outcome = search(markets, **limits)
    assert isinstance(outcome, Refused)
    return outcome


def test_yes_on_all_of_a_certified_event_is_bought_as_deep_as_it_is_offered() -> None:
    outcome = search(CHEAP)
    assert isinstance(outcome, Found)
    basket = outcome.basket
    assert (basket.kind, basket.count, basket.guaranteed) == (Kind.ALL_YES, 1_000, True)
    assert {leg.ticker: leg.limit_price for leg in basket.legs} == {"M0": 2000, "M1": 3000, "M2": 4000}
    assert basket.floor == parse_money("10")
    assert basket.cost == basket.cost_at_limits == parse_money("9.427")
    assert basket.loss_states == ()


def test_no_on_outcomes_whose_bids_exceed_a_dollar_needs_no_certificate() -> None:
    outcome = search(RICH, certified=False)
    assert isinstance(outcome, Found)
    assert outcome.basket.kind is Kind.ALL_NO
    assert outcome.basket.guaranteed
    assert outcome.basket.floor == 2 * outcome.basket.count * 10_000


def test_only_the_legs_that_earn_their_place_are_in_a_no_basket() -> None:
    markets = [leg("A", 6000, 6200), leg("B", 5500, 5700), leg("C", None, 100), leg("D", 300, 500, count=100)]
    outcome = search(markets, certified=False)
    assert isinstance(outcome, Found)
    # C has no bid; D earns a little on the one contract that it offers, and cuts nothing of the others
    assert {x.ticker: x.count for x in outcome.basket.legs} == {"A": 1_000, "B": 1_000, "D": 100}


def test_counts_of_a_no_basket_differ_where_depth_does() -> None:
    markets = [leg("A", 6000, None, 3_000), leg("B", 6000, None, 3_000), leg("C", 3000, None, 1_000)]
    basket = bought(markets)
    assert {x.ticker: x.count for x in basket.legs} == {"A": 3_000, "B": 3_000, "C": 1_000}
    assert (basket.profit, basket.gap, basket.count) == (parse_money("7.845"), 0, 3_000)
    assert basket.floor == parse_money("40")  # 30 + 30 + 10 less the largest
    won = {state.among[0]: pays for state, pays in basket.payoff if state.among}
    assert won == {"A": parse_money("40"), "B": parse_money("40"), "C": parse_money("60")}


def test_no_more_legs_are_bought_than_orders_can_be_sent() -> None:
    many = [leg(f"M{i}", 2500, 2700) for i in range(9)]
    assert len(bought(many, kinds=frozenset({Kind.ALL_NO})).legs) == 9
    few = bought(many, kinds=frozenset({Kind.ALL_NO}), max_legs=6)
    assert len(few.legs) == 6
    cheap = legs(900, 900, 900, 900, 900, 900, 900, 900, 900)
    outcome = refused(cheap, kinds=frozenset({Kind.ALL_YES}), max_legs=8)
    assert (outcome.constraint, outcome.value, outcome.limit) == (Reason.MAX_LEGS, 9, 8)


REFUSALS = [
    ("no_legs", [], {}),
    ("too_few_legs", CHEAP[:1], {}),
    ("duplicate_leg", [*CHEAP, CHEAP[0]], {}),
    ("not_exclusive", CHEAP, {"exclusive": False}),
    ("not_certified", CHEAP, {"certified": False, "kinds": frozenset({Kind.ALL_YES})}),
    ("no_ask", [*CHEAP[:2], leg("M2", 3800, None)], {"kinds": frozenset({Kind.ALL_YES})}),
    ("price", PRICEY, {}),
    ("depth", legs(2000, 3000, 4000, count=50), {}),
    ("depth", CHEAP, {"min_count": Count(100 * CONTRACT)}),
    ("max_count", CHEAP, {"max_count": Count(50)}),
    ("max_cost", CHEAP, {"max_cost": parse_money("0.90")}),
    ("max_cost_per_leg", CHEAP, {"max_cost_per_leg": parse_money("0.30")}),
    ("min_profit", CHEAP, {"min_profit": parse_money("0.60")}),
    ("min_margin", CHEAP, {"min_margin_ppm": 70_000}),
    ("min_annualised", CHEAP, {"min_annualised_ppm": 1_000_000, "days_to_settlement": 365.0}),
    ("min_annualised", CHEAP, {"min_annualised_ppm": 1}),
    ("void", CHEAP, {"terms": SettlementTerms(void=True)}),
    ("no_kinds", CHEAP, {"kinds": frozenset()}),
    ("coverage", [leg("A", 4000, 4100), leg("B", 5800, None)], {"kinds": frozenset({Kind.COVERAGE})}),
    ("no_price", [leg("A", 4000, 4100), leg("B", None, None)], {"kinds": frozenset({Kind.COVERAGE})}),
    ("min_expected_margin", PRICEY, {"kinds": frozenset({Kind.COVERAGE}), "coverage_threshold": 0.6}),
]


@pytest.mark.parametrize("code, markets, limits", REFUSALS, ids=[f"{i}-{r[0]}" for i, r in enumerate(REFUSALS)])
def test_each_refusal_names_the_constraint_that_binds(
    code: str, markets: list[LegMarket], limits: dict[str, Any]
) -> None:
    outcome = refused(markets, **limits)
    assert outcome.constraint == code, outcome.sentence
    assert outcome.sentence.endswith(".")
    if outcome.unit != "flag":
        assert outcome.distance == pytest.approx(abs(outcome.value - outcome.limit))
        assert outcome.distance > 0
    assert explain(outcome)


def test_a_void_named_by_the_rules_is_in_the_floor_and_refuses_the_basket() -> None:
    void = SettlementTerms(void=True)
    outcome = refused(CHEAP, terms=void)
    assert outcome.constraint is Reason.VOID
    basket = outcome.nearest
    assert basket is not None
    assert (basket.floor, basket.guaranteed) == (0, False)
    assert basket.profit == bought(CHEAP).profit
    words = "\n".join(explain(outcome))
    assert "Conditional" in words
    assert "void" in words


@pytest.mark.parametrize(
    "markets, others, code",
    [
        (CHEAP, [none("no figure is published")], Reason.SETTLEMENT_STATE),  # all may resolve No
        (CHEAP, [any_no(1, "per strike")], Reason.SETTLEMENT_STATE),
        (CHEAP, [void(3, "last fair price")], Reason.VOID),
        (CHEAP, [several(3, "each of the tied nominees")], None),  # YES on all pays more, not less
        (RICH, [several(3, "each of the tied nominees")], Reason.SETTLEMENT_STATE),
        (RICH, [split(3, "all markets resolve to 50/50", Price(5_000))], Reason.SETTLEMENT_STATE),
        (RICH, [split(2, "a tie")], None),
    ],
)
def test_the_floor_counts_every_state_of_the_certificate(
    markets: list[LegMarket], others: list[State], code: Reason | None
) -> None:
    kinds = frozenset({Kind.ALL_YES if markets is CHEAP else Kind.ALL_NO})
    listed = listed_states([m.ticker for m in markets], certified=True, others=others)
    outcome = best_basket(markets, True, True, Limits(kinds=kinds), states=listed)
    if code is None:
        assert isinstance(outcome, Found)
        legs = [(x.ticker, x.side, int(x.count)) for x in outcome.basket.legs]
        assert outcome.basket.floor == floor(legs, listed) > outcome.basket.cost
        return
    assert isinstance(outcome, Refused)
    assert outcome.constraint is code
    assert outcome.nearest is not None
    assert outcome.nearest.floor < outcome.nearest.cost < outcome.nearest.pays


def test_a_basket_is_explained_with_its_arithmetic_and_its_residual_risk() -> None:
    words = "\n".join(explain(search(CHEAP, days_to_settlement=2.0)))
    assert "Cost: $9.00 + fees $0.4270 = $9.4270" in words
    assert "floor $10.00 - cost $9.4270 = +$0.5730" in words
    assert "buy 10.00 YES Outcome M1 (M1) at 0.3000 or better: $3.00 + fees $0.147" in words
    assert "a year" in words
    assert residual("") in words
    assert residual("").endswith("How often that happens: unknown.")
    assert "8 daily temperature markets" in residual("KXHIGHNY-26JUL16")


def test_a_basket_that_settles_within_hours_names_them_and_no_rate_a_year() -> None:
    words = "\n".join(explain(search(CHEAP, days_to_settlement=0.25)))
    assert "Locked for 6.0 hours" in words
    assert "a year" not in words


def test_limits_on_money_hold_even_at_limit_prices() -> None:
    deep = [
        LegMarket(f"M{i}", Depth.of([], [(10_000 - price, 300), (9_900 - price, 5_000)]), FEES)
        for i, price in enumerate((1500, 2500, 3500))
    ]
    outcome = search(deep, max_cost=parse_money("7"), max_cost_per_leg=parse_money("3.2"))
    assert isinstance(outcome, Found)
    basket = outcome.basket
    assert basket.cost_at_limits <= parse_money("7")
    assert all(leg.limit_price * leg.count <= parse_money("3.2") for leg in basket.legs)
    more = search(
        deep, max_cost=parse_money("7"), max_cost_per_leg=parse_money("3.2"), min_count=Count(basket.count + 100)
    )
    assert isinstance(more, Refused)


def test_the_margin_holds_if_every_leg_fills_at_its_limit() -> None:
    steps = [
        LegMarket(f"M{i}", Depth.of([], [(10_000 - price - 100 * k, 200) for k in range(6)]), FEES)
        for i, price in enumerate((2000, 2800, 3500))
    ]
    free = bought(steps)
    strict = bought(steps, min_margin_ppm=50_000)
    assert strict.count < free.count
    assert strict.margin_at_limits_ppm >= 50_000
    assert free.profit >= strict.profit


def test_a_yearly_return_shrinks_the_size_to_where_it_holds() -> None:
    steps = [
        LegMarket(f"M{i}", Depth.of([], [(10_000 - price - 100 * k, 200) for k in range(6)]), FEES)
        for i, price in enumerate((2000, 2800, 3500))
    ]
    basket = bought(steps, days_to_settlement=73.0, min_annualised_ppm=250_000)
    assert basket.margin_at_limits_ppm >= 50_000
    assert (basket.annualised_ppm or 0) >= 250_000


def test_a_near_miss_names_a_price_move_that_really_turns_it() -> None:
    markets = legs(2000, 3000, 4600, spread=600)
    outcome = refused(markets)
    assert outcome.constraint == "price"
    assert outcome.nearest is not None
    flip = outcome.flip
    assert flip is not None
    assert flip.to is not None
    assert flip.price is not None
    moved = [
        replace(m, depth=Depth.of(m.depth.yes_bids, [(10_000 - flip.to, 1_000)])) if m.ticker == flip.ticker else m
        for m in markets
    ]
    assert isinstance(search(moved), Found)
    half_way = [
        replace(m, depth=Depth.of(m.depth.yes_bids, [(9_900 - flip.to, 1_000)])) if m.ticker == flip.ticker else m
        for m in markets
    ]
    assert isinstance(search(half_way), Refused)
    assert f"{flip.to / 10_000:.4f} instead of {flip.price / 10_000:.4f}" in "\n".join(explain(outcome))


def test_a_far_miss_costs_no_search_for_a_move() -> None:
    assert refused(legs(4000, 4000, 4000), kinds=frozenset({Kind.ALL_YES})).flip is None


def test_a_coverage_basket_leaves_out_the_tail_that_only_raises_coverage() -> None:
    # A and B are offered below their fair share; C is overpriced, and not needed for the threshold.
    markets = [leg("A", 5500, 5600, fees=FREE), leg("B", 3300, 3400, fees=FREE), leg("C", 100, 900, fees=FREE)]
    outcome = search(markets, kinds=frozenset({Kind.COVERAGE}), coverage_threshold=0.9, min_expected_margin_ppm=1_000)
    assert isinstance(outcome, Found)
    basket = outcome.basket
    assert {leg.ticker for leg in basket.legs} == {"A", "B"}
    assert basket.coverage == pytest.approx((0.555 + 0.335) / (0.555 + 0.335 + 0.05))
    assert basket.conditional > basket.cost
    assert not basket.guaranteed
    assert basket.floor == 0
    assert [state.words() for state, _ in basket.loss_states] == ["C wins"]
    assert "if a covered outcome wins" in "\n".join(explain(outcome))


def test_guaranteed_comes_before_a_higher_profit_that_is_not() -> None:
    outcome = search(CHEAP, kinds=frozenset(Kind), coverage_threshold=0.5, min_expected_margin_ppm=-500_000)
    assert isinstance(outcome, Found)
    assert outcome.basket.guaranteed


def test_shapes_spend_sure_profit_on_extra_contracts_and_keep_the_floor() -> None:
    flat = bought(CHEAP, max_count=Count(500))
    deep = legs(2000, 3000, 4000, count=100_000)
    limits = {"min_profit": Money(100_000), "max_cost": parse_money("9")}
    equal = bought(deep, **limits)
    likely = bought(deep, shape=Shape.PROPORTIONAL, **{**limits, "max_cost": parse_money("12")})
    assert {leg.count for leg in flat.legs} == {500}
    assert {leg.count for leg in equal.legs} == {equal.count}
    assert likely.guaranteed
    assert likely.floor - likely.cost >= 100_000
    assert likely.cost_at_limits <= parse_money("12")
    ordered = [leg.count for leg in sorted(likely.legs, key=lambda leg: leg.ticker)]
    assert ordered == sorted(ordered)
    assert ordered[0] < ordered[-1]
    won = {state.among[0]: pays for state, pays in likely.payoff}
    assert won["M2"] > won["M0"] == likely.floor


def test_legs_are_matched_by_ticker_not_by_place() -> None:
    event, books = next((e, b) for e, b in recorded.fixture() if e.event_ticker == "KXHIGHTDC-26JUL20")
    markets = [LegMarket(m.ticker, books[m.ticker], FEES) for m in event.markets]
    forward, backward = bought(markets), bought(markets[::-1])
    assert {x.ticker: (x.count, x.limit_price) for x in forward.legs} == {
        x.ticker: (x.count, x.limit_price) for x in backward.legs
    }
    for whole in forward.legs:
        assert whole.limit_price == books[whole.ticker].best_ask(Side.YES)


def test_the_basket_of_a_miss_is_built_once_and_only_for_who_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Kind] = []
    build = Event.basket

    def counted(self: Event, kind: Kind, *args: Any) -> Basket:
        built.append(kind)
        return build(self, kind, *args)

    monkeypatch.setattr(Event, "basket", counted)
    outcome = refused(PRICEY)
    verdict = verdict_of(outcome, Profile())
    assert verdict.constraint is Reason.PRICE
    assert not built, "to say by how much it misses takes no basket"
    assert outcome.nearest is not None
    assert verdict.summary == basket_summary(outcome.nearest)
    assert [leg["ticker"] for leg in verdict.summary["legs"]] == ["M0", "M1", "M2"]
    assert built == [Kind.ALL_NO]
    assert verdict_of(refused(PRICEY, min_count=Count(10**9)), Profile()).summary == {}, "no leg is so deep"


def test_a_fault_in_the_basket_of_a_miss_leaves_the_verdict(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(self: Event, *args: object) -> Basket:
        raise ZeroDivisionError

    monkeypatch.setattr(Event, "basket", fails)
    verdict = verdict_of(refused(PRICEY), Profile())
    assert (dict(verdict.summary), verdict.constraint) == ({}, Reason.PRICE)
    assert "cannot be worked out" in caplog.text


def test_a_limit_for_one_leg_names_the_leg_that_costs_most_and_what_it_costs() -> None:
    """Of a basket whose legs have different counts, not that of the contract with the highest price."""
    markets = [leg("A", 6000, None, 3_000), leg("B", 6000, None, 3_000), leg("C", 3000, None, 1_000)]
    whole = bought(markets)
    costs = {one.ticker: max(one.cost, one.limit_price * one.count) for one in whole.legs}
    assert max(costs, key=costs.__getitem__) == "A"
    by_leg = refused(markets, max_cost_per_leg=parse_money("1"), min_profit=parse_money("7"))
    assert by_leg.constraint == Reason.MAX_COST_PER_LEG
    assert ("A" in by_leg.sentence, by_leg.value) == (True, costs["A"])
    both = refused(markets, max_cost_per_leg=parse_money("1"), max_cost=parse_money("50"), min_profit=parse_money("7"))
    assert both.constraint == Reason.MAX_COST_PER_LEG
    in_all = refused(markets, max_cost=parse_money("2"), min_profit=parse_money("7"))
    assert (in_all.constraint, in_all.value) == (Reason.MAX_COST, whole.cost_at_limits)


def test_only_the_outcome_that_is_listed_twice_is_named() -> None:
    assert refused([*CHEAP, CHEAP[1]]).tickers == ("M1",)


def test_what_only_the_fee_bound_refuses_is_judged_by_the_most_that_fees_can_be() -> None:
    """Two contracts would earn more, but not after every fee that their fills may cost at the second level; one earns after all."""
    offers = [[(3_220, 100), (3_250, 100)], [(750, 100), (790, 100)], [(5_500, 100), (5_540, 100)]]
    markets = dutch_books.markets(offers, "all_yes", FEES)
    basket = bought(markets, kinds=frozenset({Kind.ALL_YES}), count_step=100, min_profit=1)
    assert (basket.count, basket.profit, basket.guaranteed) == (100, 15_400, True)


def test_a_move_that_turns_a_miss_of_no_legs_is_one_of_the_no_side() -> None:
    markets = [leg("A", 3300, 4200), leg("B", 3400, 4300), leg("C", 3600, 4500)]
    outcome = refused(markets, kinds=frozenset({Kind.ALL_NO}))
    assert outcome.kind is Kind.ALL_NO
    flip = outcome.flip
    assert flip is not None
    assert flip.ticker is not None
    assert (flip.side, flip.price) == (
        Side.NO,
        10_000 - next(m for m in markets if m.ticker == flip.ticker).depth.bids(Side.YES)[0][0],
    )


def test_a_cover_of_as_many_legs_as_may_be_bought_is_judged_by_its_price() -> None:
    markets = [leg("A", 4000, 4600), leg("B", 3000, 3600), leg("C", 2000, 2600)]
    limits = {"kinds": frozenset({Kind.COVERAGE}), "coverage_threshold": 0.6, "min_expected_margin_ppm": 500_000}
    needs = refused(markets, **limits)
    assert needs.constraint == Reason.MIN_EXPECTED_MARGIN
    assert refused(markets, **limits, max_legs=2).constraint == Reason.MIN_EXPECTED_MARGIN
    assert refused(markets, **limits, max_legs=1).constraint == Reason.MAX_LEGS


@pytest.mark.parametrize(
    "certified, state",
    [(False, None), (True, none("q")), (True, any_no(1, "q")), (True, split(3, "q", Price(1_000)))],
    ids=["nothing certifies it", "none wins", "one resolves no", "shared out"],
)
def test_a_basket_that_another_state_than_a_void_breaks_is_not_said_to_pay_unless_it_is_voided(
    certified: bool, state: State | None
) -> None:
    others = [] if state is None else [state]
    states = listed_states(["M0", "M1", "M2"], certified=certified, others=others)
    limits = Limits(kinds=frozenset({Kind.ALL_YES}))
    outcome = best_basket(CHEAP, True, certified, limits, event_ticker="EVENT", states=states)
    assert isinstance(outcome, Refused)
    words = "\n".join(explain(outcome))
    assert "Conditional: it pays $10.00 where one outcome alone wins" in words
    assert "unless it is voided" not in words
    assert "At worst it loses $" in words


def test_a_basket_that_only_its_fee_bound_refuses_says_what_the_highest_fees_leave() -> None:
    behind_a_firm = FeeSchedule(grid=Money(10_000))
    outcome = search(legs(3080, 3080, 3080, fees=behind_a_firm), kinds=frozenset({Kind.ALL_YES}))
    assert isinstance(outcome, Refused)
    assert outcome.constraint is Reason.FEE_BOUND
    basket = outcome.nearest
    assert basket is not None
    short = basket.cost + basket.fee_bound - basket.floor
    assert short > 0
    words = "\n".join(explain(outcome))
    assert f"At worst it loses {dollars(short)}: fees are the highest that they can be." in words
    assert "loses -" not in words
    assert "unless it is voided" not in words
