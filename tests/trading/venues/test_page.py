"""``docs/venue-cards.md`` and the deck say the same."""

from __future__ import annotations

import re
from pathlib import Path

from . import batches, doubts, refusals, resting, selling, taking  # noqa: F401  (they deal the cards)
from .deck import DECK, VENUES

PAGE = Path(__file__).resolve().parents[3] / "docs" / "venue-cards.md"
ROW = re.compile(r"^\| (\d+) \|(.+)\|$", re.MULTILINE)


def _rows() -> dict[int, list[str]]:
    found = [(int(n), [cell.strip() for cell in rest.split("|")]) for n, rest in ROW.findall(PAGE.read_text("utf-8"))]
    assert len(dict(found)) == len(found), "a card is on the page twice"
    return dict(found)


def test_every_card_is_on_the_page_and_every_card_of_the_page_is_played() -> None:
    assert list(_rows()) == sorted(DECK) == list(range(1, len(DECK) + 1))


def test_titles_and_reasons_are_the_decks() -> None:
    for number, (title, *middle, absent) in _rows().items():
        card = DECK[number]
        assert title == card.title
        assert absent == "; ".join(f"{venue}: {reason}" for venue, reason in card.absent.items())
        assert len(middle) == 3, number
        assert all(middle), f"card {number} lacks a precondition, an action or an expectation"


def test_no_card_is_for_nobody() -> None:
    for card in DECK.values():
        assert len(card.absent) < len(VENUES), card
        assert all(card.absent.values()), card
