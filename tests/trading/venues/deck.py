"""The deck of acceptance cards: what a venue must do before it is trusted with an order.

A card is a function that plays one case on a ``Ground``. Its number, its title and the venues that it does not apply to
(with the reason) are here; precondition, action and expectation are in ``docs/venue-cards.md``. ``test_page`` keeps the
two in step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from .ground import Ground

VENUES: Final = ("live", "paper", "demo")


@dataclass(frozen=True, slots=True)
class Card:
    """``absent``: venue -> why the card does not apply to it."""

    number: int
    title: str
    play: Callable[[Ground], None]
    absent: Mapping[str, str]


DECK: dict[int, Card] = {}


def card(number: int, title: str, **absent: str) -> Callable[[Callable[[Ground], None]], Callable[[Ground], None]]:
    """Put a function into the deck. Keywords: reasons why the card does not apply, by venue."""
    if number in DECK or not set(absent) <= set(VENUES):
        raise ValueError(f"card {number} is dealt twice or names an unknown venue")

    def deal(play: Callable[[Ground], None]) -> Callable[[Ground], None]:
        DECK[number] = Card(number, title, play, absent)
        return play

    return deal
