"""Families whose events are charged differently: each leg by its own schedule, from the screen to the basket, against every basket of small
families counted one by one, with the simulated exchange's own fees."""

from __future__ import annotations

import random
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from kalbot.common.units import CONTRACT, Count
from markets.book import Depth, Side
from markets.catalogue import families
from markets.fees import RATES, FeeError, FeeSchedule, MixedFees, model_fee
from markets.models import Event
from markets.terms.atoms import Atoms
from markets.terms.reading.strikes import Interval, at_least, at_most, greater, less
from strategies.catalogue import universe
from strategies.cycle import event_cache
from strategies.cycle.evaluation import legs_of
from strategies.dutch.basket import LegMarket
from strategies.families.basket import Family, FamilyBasket
from strategies.families.limits import Sizes
from strategies.screening.price_screen import family_legs
from tests.strategies.families import coins
from tests.strategies.families.ladder import settlements
from tests.strategies.families.test_counts import charged

MOST = 3
"""Contracts of a leg."""


def some_family(draw: random.Random) -> tuple[Atoms, dict[str, LegMarket]]:
    """Three or four members on a few strikes, each with a fee of its own and few contracts, whose prices nearly agree."""
    members: dict[str, Interval] = {}
    for n in range(draw.choice((3, 3, 4))):
        strike, make = Decimal(draw.randint(0, 2)), draw.choice((greater, at_least, less, at_most))
        members[f"M{n}"] = (
            make(strike) if draw.random() < 0.6 else Interval(strike, True, strike + 1, draw.random() < 0.5)
        )
    atoms = Atoms.of(members, nobody=draw.random() < 0.3)
    weights = [draw.random() for _ in range(len(atoms))]
    legs = {}
    for ticker, (low, high) in atoms.spans.items():
        middle = sum(weights[low:high]) / sum(weights) * 100 + draw.uniform(-9, 9)
        bid = min(98, max(0, int(middle) - draw.randint(0, 2)))
        no = min(99 - bid, max(0, int(100 - middle) - draw.randint(0, 2)))
        depth = Depth.of(
            [(p * 100, draw.randint(1, 2) * CONTRACT) for p in (bid, bid - 1) if p > 0],
            [(p * 100, draw.randint(1, 2) * CONTRACT) for p in (no, no - 1) if p > 0],
        )
        fees = FeeSchedule(draw.choice(sorted(RATES)), draw.choice((0, 500_000, 1_000_000, 2_000_000)))
        legs[ticker] = LegMarket(ticker, depth, fees)
    return atoms, legs


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_no_basket_that_pays_is_missed_and_none_costs_more_than_was_said(first: int) -> None:
    """Every basket of whole contracts, by its worst settlement and by the exchange's fees of each order."""
    found = mixed = 0
    for seed in range(first, first + 100):
        draw = random.Random(f"mixed {seed}")
        atoms, legs = some_family(draw)
        family = Family(atoms)
        curves = family.curves(legs)
        exact = {
            (key, n): charged(curve, n * CONTRACT, draw, 10**9)
            for key, curve in curves.items()
            for n in range(1, min(MOST, curve.total // CONTRACT) + 1)
        }
        most = {(key, n): sum(curves[key].cost(n * CONTRACT)) for key, n in exact}
        rows = settlements(atoms)
        best = 0
        for chosen in product(*([None, *[one for one in exact if one[0][0] == ticker]] for ticker in atoms.spans)):
            held = [one for one in chosen if one is not None]
            pays = min(sum(n for (t, side), n in held if (t in row) is (side is Side.YES)) for row in rows)
            earns = pays * 1_000_000 - sum(most[one] for one in held)
            best = max(best, earns)
        outcome = family.best(legs, Sizes(step=Count(CONTRACT)))
        if not isinstance(outcome, FamilyBasket):
            assert best <= 0, (seed, best)
            continue
        held = [((leg.ticker, leg.side), leg.count // CONTRACT) for leg in outcome.legs]
        pays = min(sum(n for (t, side), n in held if (t in row) is (side is Side.YES)) for row in rows)
        assert outcome.floor == pays * 1_000_000
        for pieces in (10**9, 30):
            assert sum(charged(curves[key], n * CONTRACT, draw, pieces) for key, n in held) <= outcome.cost
        if max(n for _, n in held) <= MOST:
            assert best - 100 * len(held) <= outcome.profit, (
                seed,
                "a hundredth of a cent an order, by which it is rounded",
            )
        found += 1
        mixed += len({legs[ticker].fees for (ticker, _), _ in held}) > 1
    assert found > 10
    assert mixed > 8


def test_of_a_market_that_is_not_among_them_no_fee_is_known() -> None:
    fees = MixedFees({"A": FeeSchedule()})
    assert fees.of("A") == FeeSchedule().of("A") == FeeSchedule()
    with pytest.raises(FeeError):
        fees.of("B")


@pytest.mark.django_db
def test_the_events_of_a_family_keep_their_own_fees(settings: Any) -> None:
    settings.KALSHI_REST_URL = "http://127.0.0.1:9/trade-api/v2"
    settings.KALSHI_WS_URL = "ws://127.0.0.1:9/trade-api/ws/v2"
    event_cache.forget()
    coins.add_coins()
    Event.objects.filter(pk="KXBTCD-1").update(
        fee_type_override="quadratic_with_maker_fees", fee_multiplier_override_e6=500_000
    )
    assert families.refresh().families == [coins.FAMILY]
    view = universe.load(deep=True)[coins.FAMILY]
    assert view.fee_known
    assert view.fee_types == "quadratic, quadratic_with_maker_fees"
    own = {
        True: FeeSchedule("quadratic_with_maker_fees", 500_000),
        False: FeeSchedule(),
    }
    assert {leg.fees == own[leg.ticker.startswith("KXBTCD-")] for leg in legs_of(view, {})} == {True}
    quoted = family_legs(view)
    assert len(quoted) == 14
    for (ticker, _), leg in quoted.items():
        assert leg.cost == leg.price * 100 + model_fee(own[ticker.startswith("KXBTCD-")], leg.price, CONTRACT)
