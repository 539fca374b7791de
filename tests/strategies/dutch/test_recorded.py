"""Recorded full books: accepted is exactly what exact arithmetic allows."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import dutch_recorded as recorded
import pytest

from kalbot.common.units import CONTRACT, Count, Money, parse_money
from markets.book import Depth, Side
from markets.fees import CENT_GRID, FeeSchedule
from strategies.dutch.basket import Basket, Found, Kind, LegMarket, Limits, Outcome, Refused
from strategies.dutch.search import best_basket
from strategies.reasons import Reason

K = TypeVar("K")
Key = tuple[str, str]
Paid = dict[Key, tuple[str, int, int, bool]]
"""(pass, event) -> kind, count, profit, accepted."""

DIRECT, CENT = FeeSchedule(), FeeSchedule(grid=CENT_GRID)
PAYING = "KXHIGHTDC-26JUL20"

shared = pytest.mark.skipif(not recorded.SHARED.exists(), reason="the large recordings are not beside this checkout")


def money_of(found: Mapping[K, Found]) -> dict[K, tuple[str, int, int]]:
    return {t: (f.basket.kind.value, f.basket.count, f.basket.profit) for t, f in found.items()}


def pays_unsplit(outcome: Outcome) -> Basket | None:
    """The basket that pays if each level is one fill; it is bought only if it pays however its levels are split."""
    if isinstance(outcome, Found):
        return outcome.basket
    return outcome.nearest if outcome.constraint is Reason.FEE_BOUND else None


def test_the_one_paying_event_of_the_fixture_is_found_and_nothing_else() -> None:
    found = recorded.accepted(recorded.fixture(), DIRECT)
    assert money_of(found) == {PAYING: ("all_yes", 500, parse_money("0.0385"))}
    basket = found[PAYING].basket
    assert len(basket.legs) == 6
    assert basket.guaranteed
    assert (basket.floor, basket.cost) == (parse_money("5.00"), parse_money("4.9615"))


def test_hundredths_of_a_contract_change_nothing_there() -> None:
    assert money_of(recorded.accepted(recorded.fixture(), DIRECT, count_step=Count(1))) == {
        PAYING: ("all_yes", 500, parse_money("0.0385"))
    }


def test_on_the_cent_grid_five_contracts_earn_nothing_and_four_earn_a_cent() -> None:
    """By hand: 4 sets at 0.94 are 3.76; fees 0.0414 0.0588 0.0496 0.0183 0.0230 0.0183, each rounded up to a cent, are
    0.23; 4.00 - 3.99 = 0.01. Five sets: 4.70 + 0.30 = 5.00. So a least profit of two cents refuses it."""

    def unsplit(**limits: Any) -> dict[str, tuple[str, int, int]]:
        outcomes = {e.event_ticker: recorded.search(e, b, CENT, **limits) for e, b in recorded.fixture()}
        baskets = {t: pays_unsplit(outcome) for t, outcome in outcomes.items()}
        return {t: (b.kind.value, b.count, b.profit) for t, b in baskets.items() if b is not None}

    assert unsplit() == {PAYING: ("all_yes", 400, parse_money("0.01"))}
    assert unsplit(min_profit=parse_money("0.02")) == {}
    assert unsplit(min_count=Count(500)) == {}


def test_on_the_cent_grid_crumbs_could_cost_a_cent_each_and_nothing_is_accepted() -> None:
    assert recorded.accepted(recorded.fixture(), CENT) == {}


def test_nothing_pays_at_a_hundred_contracts_a_leg() -> None:
    assert recorded.accepted(recorded.fixture(), DIRECT, min_count=Count(100 * CONTRACT)) == {}


def improved(books: dict[str, Depth], ticker: str, price: int, count: int) -> dict[str, Depth]:
    """The same books with ``count`` more YES of one market offered at ``price``."""
    book = books[ticker]
    return {**books, ticker: Depth.of(book.yes_bids, [*book.no_bids, (10_000 - price, count)])}


def test_a_planted_improvement_is_found_at_its_size() -> None:
    """The highest-temperature event of New York, one leg offered so low that the set costs about 0.93 with fees."""
    events = recorded.fixture()
    target = "KXHIGHNY-26JUL20"
    event, books = next((e, b) for e, b in events if e.event_ticker == target)
    asks = {m.ticker: books[m.ticker].best_ask(Side.YES) for m in event.markets}
    costliest = max(asks, key=lambda t: asks[t] or 0)
    others = sum(asks[t] * (1 + 0.07 * (1 - asks[t] / 10_000)) for t in asks if t != costliest)
    planted = int((9_300 - others) / 1.07 // 100 * 100)
    assert 0 < planted < asks[costliest]
    planted_events = [(e, improved(b, costliest, planted, 300) if e.event_ticker == target else b) for e, b in events]
    found = recorded.accepted(planted_events, DIRECT)
    assert set(found) == {PAYING, target}
    basket = found[target].basket
    assert basket.guaranteed
    assert basket.count == 300  # beyond the planted offer the set costs more than it pays
    assert {leg.ticker: leg.limit_price for leg in basket.legs}[costliest] == planted


def test_a_leg_without_an_ask_makes_the_basket_infeasible() -> None:
    event, books = next((e, b) for e, b in recorded.fixture() if e.event_ticker == PAYING)
    gone = event.markets[0].ticker
    books = {**books, gone: Depth(books[gone].yes_bids, ())}
    outcome = recorded.search(event, books, DIRECT, kinds=frozenset({Kind.ALL_YES}))
    assert isinstance(outcome, Refused)
    assert (outcome.constraint, outcome.tickers) == ("no_ask", (gone,))


def test_a_leg_that_is_not_listed_any_more_voids_the_certificate_and_the_basket() -> None:
    event, books = next((e, b) for e, b in recorded.fixture() if e.event_ticker == PAYING)
    outcome = recorded.search(replace(event, markets=event.markets[1:]), books, DIRECT)
    assert isinstance(outcome, Refused)


def test_ladders_are_never_treated_as_exclusive() -> None:
    ladders = [(e, b) for e, b in recorded.fixture() if e.collateral_return_type == "DIRECNET"]
    assert ladders
    for event, books in ladders:
        outcome = recorded.search(event, books, DIRECT, kinds=frozenset(Kind))
        assert isinstance(outcome, Refused)
        assert outcome.constraint == "not_exclusive"


@shared
def test_all_four_passes_hold_exactly_one_guaranteed_basket() -> None:
    exclusive = 0
    found: dict[Key, Found] = {}
    for name in recorded.PASSES:
        events = list(recorded.snapshot(name))
        exclusive += sum(e.mutually_exclusive for e, _ in events)
        found |= {(name, t): f for t, f in recorded.accepted(events, DIRECT).items()}
    assert exclusive == 1_264
    assert money_of(found) == {("20260719T155529Z", PAYING): ("all_yes", 500, parse_money("0.0385"))}


@shared
def test_even_if_every_exclusive_event_had_a_certain_winner_there_is_no_second_one() -> None:
    for name in recorded.PASSES:
        for event, books in recorded.snapshot(name):
            if event.mutually_exclusive and event.event_ticker != PAYING:
                legs = [LegMarket(m.ticker, books.get(m.ticker, Depth()), DIRECT) for m in event.markets]
                assert isinstance(best_basket(legs, True, True, Limits(near_ppm=0)), Refused)


# What ``books`` holds, each checked by hand in docs/mathematics.md: pass, event -> kind, count, profit, accepted.
ATLANTA, DENVER = "KXLOWTATL-26JUL18", "KXHIGHDEN-26JUL18"
WHOLE = {
    ("20260718T002754Z", ATLANTA): ("all_no", 200, 700, False),
    ("20260718T010325Z", ATLANTA): ("all_no", 200, 700, False),
    ("20260718T012812Z", ATLANTA): ("all_no", 200, 700, False),
    ("20260719T160038Z", PAYING): ("all_yes", 500, 38_500, True),
}
HUNDREDTHS = {
    ("20260718T002754Z", ATLANTA): ("all_no", 196, 900, True),
    ("20260718T010325Z", ATLANTA): ("all_no", 196, 900, True),
    ("20260718T012812Z", ATLANTA): ("all_no", 196, 900, True),
    ("20260718T010325Z", DENVER): ("all_no", 76, 300, True),
    ("20260718T012812Z", DENVER): ("all_no", 76, 300, True),
    ("20260719T160038Z", PAYING): ("all_yes", 500, 38_500, True),
}
CENTS_WHOLE = {("20260719T160038Z", PAYING): ("all_yes", 400, 10_000, False)}
CENTS_HUNDREDTHS = {("20260719T160038Z", PAYING): ("all_yes", 495, 20_000, False)}
GRIDS = [(DIRECT, 100, WHOLE), (DIRECT, 1, HUNDREDTHS), (CENT, 100, CENTS_WHOLE), (CENT, 1, CENTS_HUNDREDTHS)]


def all_captures(names: list[str]) -> Iterator[tuple[Key, dict[str, Depth]]]:
    """(pass, event) -> books, for events of which at least two outcomes were recorded; legs missing in a pass are empty."""
    for name in names:
        passes = recorded.captures(name)
        legs: dict[str, set[str]] = defaultdict(set)
        for (_, event), books in passes.items():
            legs[event] |= set(books)
        for (moment, event), books in passes.items():
            if not event.startswith("KXTEMP") and len(legs[event]) > 1:  # hourly temperatures are ladders
                yield (moment, event), {t: books.get(t, Depth()) for t in sorted(legs[event])}


def paying(names: list[str], fees: FeeSchedule, step: int) -> Paid:
    """What would pay in whole fills if each of these events had a certain winner, and whether it is accepted: whether it pays
    however its levels are split."""
    limits = Limits(count_step=Count(step), min_profit=Money(1), near_ppm=0)
    outcomes = (
        (key, best_basket([LegMarket(t, b, fees) for t, b in books.items()], True, True, limits))
        for key, books in all_captures(names)
    )
    found = {key: (pays_unsplit(outcome), isinstance(outcome, Found)) for key, outcome in outcomes}
    return {key: (b.kind.value, b.count, b.profit, accepted) for key, (b, accepted) in found.items() if b is not None}


@shared
@pytest.mark.parametrize("fees, step, wanted", GRIDS)
def test_full_books_of_two_weather_days_pay_exactly_what_was_checked_by_hand(
    fees: FeeSchedule, step: int, wanted: Paid
) -> None:
    names = ["weather_2026-07-18.jsonl.gz", "weather_2026-07-19.jsonl.gz"]
    assert paying(names, fees, step) == wanted


@shared
@pytest.mark.slow
@pytest.mark.parametrize("fees, step, wanted", GRIDS)
def test_all_recorded_full_books_pay_exactly_what_was_checked_by_hand(
    fees: FeeSchedule, step: int, wanted: Paid
) -> None:
    names = sorted(path.name for path in (recorded.SHARED / "books").iterdir())
    assert paying(names, fees, step) == wanted
