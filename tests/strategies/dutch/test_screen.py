"""The screen never drops an event that pays, and drops nearly everything that does not."""

import random

import dutch_recorded as recorded
import numpy as np
import pytest
from dutch_books import TENTHS

from kalbot.common.units import Count, Money
from markets.book import Depth
from markets.fees import CENT_GRID, FeeSchedule
from markets.terms.exhaustiveness import Certificate, certify
from strategies.dutch.basket import Found, Kind, LegMarket, Limits
from strategies.dutch.coverage import Devig
from strategies.dutch.screen import NO_PRICE, Facts, Fixed, all_in_by_bid, facts_of, pack, screen, tops_of
from strategies.dutch.search import best_basket
from strategies.reasons import Reason


def random_event(rng: random.Random) -> tuple[list[LegMarket], bool, bool]:
    """Two-sided books around fair shares, with gaps, odd fees and sometimes a bargain."""
    legs = rng.randint(1, 7)
    cuts = sorted(rng.random() for _ in range(legs - 1))
    shares = [b - a for a, b in zip([0.0, *cuts], [*cuts, 1.0], strict=True)]
    fees = FeeSchedule("quadratic", rng.choice((0, 500_000, 1_000_000)), rng.choice((Money(100), CENT_GRID)))
    skew = rng.choice((-400, -150, 0, 0, 100, 300))
    markets = []
    for i, share in enumerate(shares):
        middle = int(share * 10_000) + skew // max(1, legs) + rng.randint(-100, 100)
        bid, ask = middle - rng.randint(10, 200), middle + rng.randint(10, 200)
        yes = [(bid // 10 * 10, rng.randint(1, 2_000))] if 10 < bid < 9_990 and rng.random() > 0.05 else []
        no = [(10_000 - ask // 10 * 10, rng.randint(1, 2_000))] if 10 < ask < 9_990 and rng.random() > 0.05 else []
        markets.append(LegMarket(f"T{i}", Depth.of(yes, no), fees, TENTHS))
    return markets, rng.random() < 0.9, rng.random() < 0.5


def limits(rng: random.Random) -> Limits:
    return Limits(
        kinds=frozenset(rng.sample(list(Kind), rng.randint(1, 3))),
        min_profit=Money(rng.choice((1, 5_000))),
        max_legs=rng.choice((None, None, 2, 4)),
        min_margin_ppm=rng.choice((0, 0, 3_333, 20_000)),
        count_step=Count(rng.choice((1, 100))),
        coverage_threshold=rng.choice((0.5, 0.8)),
        min_expected_margin_ppm=rng.choice((0, 5_000, -20_000)),
        devig=rng.choice(list(Devig)),
        near_ppm=0,
    )


def compare(seed: int, count: int) -> tuple[int, int]:
    """(events that pay, events kept) of ``count`` random events under random limits."""
    rng = random.Random(seed)
    events, rules = [random_event(rng) for _ in range(count)], limits(rng)
    kept = set(screen(pack(events), rules).survivors())
    paying = {
        i
        for i, (legs, exclusive, certified) in enumerate(events)
        if isinstance(best_basket(legs, exclusive, certified, rules), Found)
    }
    assert paying <= kept, f"seed {seed}: dropped {sorted(paying - kept)}"
    return len(paying), len(kept)


def test_the_screen_never_drops_a_payer() -> None:
    paying = sum(compare(seed, 40)[0] for seed in range(50))
    assert paying > 100


def test_the_screen_keeps_little_but_payers() -> None:
    rng = random.Random(7)
    events = [random_event(rng) for _ in range(2_000)]
    rules = Limits(near_ppm=0)
    kept = screen(pack(events), rules).survivors()
    outcomes = {i: best_basket(*events[i], rules) for i in kept}
    paying = [i for i, o in outcomes.items() if isinstance(o, Found) or o.constraint is Reason.FEE_BOUND]
    assert len(kept) < len(events) / 2
    assert len(paying) > len(kept) / 2


def test_near_misses_are_kept_on_request() -> None:
    rng = random.Random(11)
    universe = pack([random_event(rng) for _ in range(500)])
    rules = Limits(near_ppm=20_000)
    assert set(screen(universe, rules).survivors()) < set(screen(universe, rules, near=True).survivors())


@pytest.mark.parametrize("multiplier", [0, 500_000, 1_000_000, 1_234_567])
def test_the_table_is_the_exact_all_in_price_rounded_down(multiplier: int) -> None:
    fees = FeeSchedule("quadratic", multiplier)
    table = all_in_by_bid((fees.rate_e10(),))[0]
    assert table[0] == NO_PRICE
    for bid in range(1, 10_001, 7):
        price = 10_000 - bid
        exact = price * 10**14 + fees.rate_e10() * price * bid
        assert int(table[bid]) == exact // 10**8


def test_the_recorded_pass_leaves_one_event() -> None:
    events = recorded.fixture()
    packed = pack(
        [
            (
                [LegMarket(m.ticker, books.get(m.ticker, Depth()), FeeSchedule()) for m in event.markets],
                event.collateral_return_type == "MECNET",
                isinstance(found := certify(recorded.worded(event)), Certificate) and found.one_must_win,
            )
            for event, books in events
        ]
    )
    kept = screen(packed, Limits()).survivors()
    assert [events[i][0].event_ticker for i in kept] == ["KXHIGHTDC-26JUL20"]
    assert packed.starts.dtype == np.int64


def test_what_is_fixed_is_made_once_and_prices_come_packed_in_the_same_order() -> None:
    rng = random.Random(3)
    events = [random_event(rng) for _ in range(300)]
    rules = Limits(kinds=frozenset({Kind.ALL_YES, Kind.ALL_NO}), near_ppm=0)
    fixed = Fixed.of([facts_of(*event) for event in events])
    tops = [tops_of(leg.depth for leg in legs) for legs, _, _ in events]
    assert screen(fixed.at(tops), rules).survivors() == screen(pack(events), rules).survivors()
    one_rate = Fixed.of([Facts(len(legs), (legs[0].fees.taker_e10,), *flags) for legs, *flags in events])
    assert screen(one_rate.at(tops), rules).survivors() == screen(pack(events), rules).survivors()
    with pytest.raises(ValueError, match="without a leg"):
        Fixed.of([Facts(0, (1,), True, True)])
