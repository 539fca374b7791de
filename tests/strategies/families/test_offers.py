"""The best prices of all legs are those of their curves, which are made when somebody asks."""

from __future__ import annotations

import random

import pytest

from kalbot.common.units import CONTRACT, DOLLAR_PRICE
from markets.book import Side
from strategies.dutch.curve import E14, WorstCurve
from strategies.families.limits import MONEY_E14, Key
from strategies.families.offers import Offers
from tests.strategies.families.test_counts import some_family


def test_what_is_offered_is_what_curves_of_all_legs_say() -> None:
    for seed in range(200):
        atoms, legs = some_family(random.Random(seed))
        members = [*atoms.spans, "STRANGER"]
        offers = Offers(legs, members)
        every = {(t, side): WorstCurve(legs[t], side) for t in atoms.spans for side in Side}
        offered = {key: c for key, c in every.items() if c.bids and 0 < c.touch_e14 < DOLLAR_PRICE * E14}
        assert list(offers) == list(offered)
        assert offers.prices == {key: c.touch_e14 * CONTRACT / MONEY_E14 for key, c in offered.items()}
        for key, curve in offered.items():
            assert offers[key].cost(curve.total) == curve.cost(curve.total)
            assert offers[key] is offers[key]
        missing: Key = next(iter(every.keys() - offered.keys()), ("STRANGER", Side.YES))
        assert missing not in offers
        with pytest.raises(KeyError):
            offers[missing]
