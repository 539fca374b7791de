"""How to leave: a least price for each leg, what buying instead of selling would leave, and what is better held by default."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kalbot.common.units import Count, Money
from markets.book import Depth, Side
from markets.fees import resolve
from strategies.dutch.payoff import settlement_states
from tests.triage.world import World, make_profile
from trading.closing import exit_prices
from trading.models import ExitRequest
from triage import advice, agent
from triage.assessment.assess import is_cheap_to_leave
from triage.assessment.case import Case, Holding, Thresholds
from triage.assessment.exit_plan import buy_missing, buy_opposite, least_prices, plan
from triage.assessment.leg_record import held_by_default, of_leg, of_side
from triage.assessment.price_signals import gain_signal
from triage.assessment.signals import EntryFacts, MarketFacts, Severity
from triage.assessment.valuation import HeldLeg, sell, still_possible
from triage.evidence.orphans import Orphan, kinds, orphans
from triage.models import Recommendation

FEES = resolve("quadratic", 1_000_000, None, None, Money(100))
CERTAIN = settlement_states(["A", "B", "C"], certified=True)
OPEN = settlement_states(["A", "B", "C"], certified=False)
YES_A, YES_B = HeldLeg("A", Side.YES, Count(1000)), HeldLeg("B", Side.YES, Count(1000))
NO_A = HeldLeg("A", Side.NO, Count(1000))
BOOKS = {
    "A": Depth.of([(4000, 5000)], [(5800, 5000)]),
    "B": Depth.of([(3500, 5000)], [(6300, 5000)]),
    "C": Depth.of([(1000, 5000)], [(8800, 5000)]),
}


def test_the_least_prices_keep_half_of_the_gain() -> None:
    sale = sell((YES_A, YES_B), BOOKS, FEES)
    hold = sale.proceeds - 1_000_000
    prices = least_prices(sale, FEES, hold=hold, gain=1_000_000, floor=0)
    assert prices.keys() == {("A", "yes"), ("B", "yes")}
    assert prices["A", "yes"] < 4000
    brings = sum(exit_prices.proceeds_at(price, 1000, FEES) for price in prices.values())
    assert brings >= hold + 500_000
    lower = {key: price - 1 for key, price in prices.items()}
    assert sum(exit_prices.proceeds_at(price, 1000, FEES) for price in lower.values()) < hold + 500_000


def test_without_a_gain_the_least_prices_are_the_bids_less_the_tolerance() -> None:
    sale = sell((YES_A,), BOOKS, FEES)
    assert least_prices(sale, FEES, hold=sale.proceeds + 5, gain=-5, floor=0) == {
        ("A", "yes"): 4000 - exit_prices.TOLERANCE
    }


def test_buying_the_opposite_nets_a_dollar_a_contract_less_its_asks_and_fees() -> None:
    found = buy_opposite(NO_A, BOOKS["A"], FEES)
    assert found is not None
    assert [(leg.ticker, leg.side, leg.count) for leg in found.legs] == [("A", Side.YES, 1000)]
    assert found.cost == 4200 * 1000
    assert found.nets == 10_000 * 1000 - found.cost - found.fees
    assert abs(found.nets - sell((NO_A,), BOOKS, FEES).proceeds) <= 20_000
    assert buy_opposite(HeldLeg("A", Side.NO, Count(9000)), BOOKS["A"], FEES) is None
    assert buy_opposite(NO_A, None, FEES) is None


def test_buying_the_missing_outcome_beats_the_bids_where_one_must_win() -> None:
    found = buy_missing((YES_A, YES_B), BOOKS, CERTAIN, FEES)
    assert found is not None
    assert [(leg.ticker, leg.count) for leg in found.legs] == [("C", 1000)]
    assert found.cost == 1200 * 1000
    assert found.nets == 10_000_000 - found.cost - found.fees
    sale = sell((YES_A, YES_B), BOOKS, FEES)
    assert found.nets > sale.proceeds
    made = plan(sale, FEES, BOOKS, CERTAIN, {})
    assert made["best"] == "buy_missing"
    assert made["missing"]["nets"] == found.nets


def test_the_missing_legs_even_out_unequal_counts() -> None:
    found = buy_missing((YES_A, HeldLeg("B", Side.YES, Count(400))), BOOKS, CERTAIN, FEES)
    assert found is not None
    assert [(leg.ticker, leg.count) for leg in found.legs] == [("B", 600), ("C", 1000)]


def test_what_has_lost_is_not_bought_and_what_was_held_of_it_asks_for_nothing() -> None:
    """C has lost: its book is gone, and A alone is missing B. Of a loser held any number is no reason to buy more of the others."""
    left = still_possible(settlement_states(["A", "B", "C"], certified=True), {"C": "no"})
    books = {"A": BOOKS["A"], "B": BOOKS["B"]}
    lost = HeldLeg("C", Side.YES, Count(5000))
    for legs in ((YES_A,), (YES_A, lost)):
        found = buy_missing(legs, books, left, FEES)
        assert found is not None
        assert [(leg.ticker, leg.count) for leg in found.legs] == [("B", 1000)]
        assert found.nets == 10_000_000 - found.cost - found.fees
    assert buy_missing((lost,), books, left, FEES) is None
    assert buy_missing((YES_A, YES_B), books, left, FEES) is None, "whole already"


def test_nothing_is_bought_in_a_market_that_does_not_trade() -> None:
    sale = sell((YES_A, YES_B), BOOKS, FEES)
    assert plan(sale, FEES, BOOKS, CERTAIN, {}, frozenset({"C"}))["missing"] is None
    made = plan(sale, FEES, BOOKS, CERTAIN, {}, frozenset({"A"}))
    assert [leg["opposite"] is None for leg in made["legs"]] == [True, False]
    assert made["missing"] is not None


@pytest.mark.parametrize(
    ("legs", "books", "states"),
    [
        ((YES_A, YES_B), BOOKS, OPEN),
        ((YES_A, NO_A), BOOKS, CERTAIN),
        ((YES_A, YES_B), BOOKS | {"C": Depth.of([], [(8800, 900)])}, CERTAIN),
        ((YES_A, YES_B), {"A": BOOKS["A"], "B": BOOKS["B"]}, CERTAIN),
        ((), BOOKS, CERTAIN),
    ],
)
def test_what_is_not_sure_or_not_offered_in_full_is_no_alternative(
    legs: tuple[HeldLeg, ...], books: dict[str, Depth], states: object
) -> None:
    assert buy_missing(legs, books, states, FEES) is None  # type: ignore[arg-type]


def test_no_legs_alone_are_not_left_at_a_cost_and_yes_legs_may_be() -> None:
    record = of_side(Side.NO)
    assert record is not None
    assert record.favours_holding
    assert record.events > 500
    no, yes = sell((NO_A,), BOOKS, FEES), sell((YES_A,), BOOKS, FEES)
    costly, free = (
        Holding("market", Money(6_000_000), 0.5, Money(-100_000)),
        Holding("market", Money(6_000_000), 0.5, Money(1)),
    )
    assert not is_cheap_to_leave(no, costly, Thresholds())
    assert is_cheap_to_leave(no, free, Thresholds())
    assert is_cheap_to_leave(yes, costly, Thresholds())
    assert held_by_default((NO_A, YES_B)) is None
    band = of_leg(Side.NO, 5800)
    assert band is not None
    assert (band.low, band.high) == (0.5, 0.9)
    assert "holding NO brought" in band.words()


def test_selling_no_has_to_bring_more_than_holding_it_did_on_the_record() -> None:
    """Ten contracts; a gain between the usual margin and the record is shown, and nothing is advised."""
    record = of_side(Side.NO)
    assert record is not None
    least = record.brought(NO_A.count)
    assert least == round(record.mean * 1_000_000 * NO_A.count / 100)
    facts = EntryFacts(frozenset()), MarketFacts(())
    no, yes = (Case((leg,), "all_no", Money(6_000_000), *facts, {}, FEES, 0) for leg in (NO_A, YES_A))
    below, above = (Holding("market", Money(6_000_000), 0.5, Money(gain)) for gain in (least - 1, least))
    assert [s.severity for s in gain_signal(no, below, "sell_beats_hold")] == [Severity.INFO]
    assert [s.severity for s in gain_signal(no, above, "sell_beats_hold")] == [Severity.EXIT]
    assert [s.severity for s in gain_signal(yes, below, "sell_beats_hold")] == [Severity.EXIT]
    assert "holding NO brought" in gain_signal(no, below, "sell_beats_hold")[0].detail


def test_kinds_of_legs_are_averaged_over_events_with_their_interval() -> None:
    made = [Orphan("no", 0.7, f"E{n // 2}", 0.1 if n % 2 else 0.0) for n in range(80)]
    whole, band = kinds(made)
    assert (whole.legs, whole.events, whole.mean, whole.half_width) == (80, 40, 0.05, 0.0)
    assert (band.low, band.high) == (0.5, 0.9)
    assert kinds(made[:20]) == []


@pytest.mark.shared
def test_the_stored_record_is_what_the_prints_say(shared: Path, tmp_path: Path) -> None:
    """One series of the recording: holding NO was better than selling it there too."""
    for kind, name in (
        ("events", "KXHIGHDEN.jsonl.gz"),
        ("trades/weather", "KXHIGHDEN_2024-12.csv.gz"),
        ("trades/weather", "KXHIGHDEN_2025-01.csv.gz"),
    ):
        (tmp_path / kind).mkdir(parents=True, exist_ok=True)
        (tmp_path / kind / name).symlink_to(shared / "recorded2" / kind / name)
    found = orphans([tmp_path])
    no = [one.difference for one in found if one.side == "no"]
    assert len(no) > 100
    assert sum(no) / len(no) > 0
    stored = json.loads((Path(advice.__file__).parent / "data" / "legs.json").read_text())
    assert {row["side"] for row in stored["legs"]} == {"no", "yes"}


def test_advice_to_exit_names_its_least_prices_and_accepting_it_requests_just_those(world: World) -> None:
    event = world.list_event()
    position = world.hold(
        make_profile(coverage_threshold_ppm=900_000), event, {"A": "yes", "B": "yes"}, kind="coverage", cost=7_800_000
    )
    world.books["A"], world.books["B"] = ([(4150, 5000)], [(5800, 5000)]), ([(3650, 5000)], [(6300, 5000)])
    world.books["C"] = ([(2100, 5000)], [(7800, 5000)])
    world.publish()
    agent.assess_positions([position.pk])
    row = Recommendation.objects.get()
    assert row.advice == "exit"
    named = {(leg["ticker"], leg["side"]): leg["least_price"] for leg in row.plan["legs"]}
    assert named == {(world.ticker("A"), "yes"): 3950, (world.ticker("B"), "yes"): 3450}
    assert row.plan["missing"]["legs"][0]["ticker"] == world.ticker("C")
    world.books["A"] = ([(2000, 5000)], [(7800, 5000)])
    world.publish()
    assert advice.accept(row.pk, actor="kim")
    requested = exit_prices.loaded(ExitRequest.objects.get().least_prices)
    assert requested == named
