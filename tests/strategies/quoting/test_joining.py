"""Bids at the touch of every leg: whatever fills, and however the touches move, complete sets keep their margin."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kalbot.common.units import CONTRACT, DOLLAR_PRICE, Count, Price
from strategies.quoting.joining import Held, SetRule, bids
from strategies.quoting.refusal import NoQuote, Refused

RULE = SetRule(Price(2 * DOLLAR_PRICE), Price(300), Count(10 * CONTRACT))


def test_every_leg_rests_at_its_touch_while_the_margin_is_there() -> None:
    touch = {"A": Price(5_500), "B": Price(6_200), "C": Price(7_600)}
    assert bids(touch, Held(), RULE) == {"A": (5_500, 1_000), "B": (6_200, 1_000), "C": (7_600, 1_000)}
    touch["C"] = Price(8_100)
    assert bids(touch, Held(), RULE) == Refused(NoQuote.PAIR, "", 100)


def test_what_filled_below_its_touch_leaves_more_for_the_rest() -> None:
    held = Held()
    held.add("A", 1_000, 1_000 * 5_000)
    touch = {"A": Price(9_900), "B": Price(6_200), "C": Price(8_100)}
    assert bids(touch, held, RULE) == {"B": (6_200, 1_000), "C": (8_100, 1_000)}


def test_a_touch_that_is_not_known_rests_nothing() -> None:
    assert bids({"A": Price(5_500), "B": None}, Held(), RULE) == Refused(NoQuote.NO_TOUCH, "B")


@settings(max_examples=200, deadline=None)
@given(st.integers(2, 6), st.data())
def test_complete_sets_always_keep_their_margin(legs: int, data: st.DataObject) -> None:
    rule = SetRule(Price((legs - 1) * DOLLAR_PRICE), Price(300), Count(300))
    names, held = [f"L{n}" for n in range(legs)], Held()
    for _ in range(40):
        touch: dict[str, Price | None] = {
            name: Price(data.draw(st.integers(1, 99), label=name) * 100) for name in names
        }
        quotes = bids(touch, held, rule)
        if isinstance(quotes, Refused):
            continue
        # any subset of the resting bids fills before the bids are set again, each in part or whole
        for name, (price, wanted) in quotes.items():
            filled = data.draw(st.integers(0, wanted))
            if filled:
                held.add(name, filled, filled * price)
        assert all(held.counts.get(name, 0) <= rule.sets for name in names)
        if min(held.counts.get(name, 0) for name in names) == rule.sets:
            assert rule.sets * rule.pays - held.cost >= rule.sets * rule.margin
            return
