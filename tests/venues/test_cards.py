"""Every card of ``docs/venue-cards.md``, played on every venue that it applies to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from tests.trading import world
from trading import pace

from . import doubts, refusals, resting, selling, taking  # noqa: F401  (they deal the cards)
from .deck import DECK, Card
from .own_ground import LiveGround, PaperGround


def cards(venue: str) -> list[Any]:
    """The cards that apply to a venue."""
    return [pytest.param(c, id=f"{n:02d}-{c.play.__name__}") for n, c in sorted(DECK.items()) if venue not in c.absent]


@pytest.fixture(autouse=True)
def _world(redis_db: object, db: None, monkeypatch: pytest.MonkeyPatch, settings: object) -> None:
    settings.PAPER_LATENCY_MS = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(pace, "wait", lambda seconds: None)
    world.active()


@pytest.fixture
def traveller() -> Iterator[Any]:
    with time_machine.travel(clock.now(), tick=True) as moved:
        yield moved


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("key")


@pytest.mark.parametrize("card", cards("live"))
def test_live_venue_on_the_simulated_exchange(card: Card, credentials: Path, traveller: Any) -> None:
    card.play(LiveGround(credentials, traveller))


@pytest.mark.parametrize("card", cards("paper"))
def test_paper_venue(card: Card, traveller: Any) -> None:
    card.play(PaperGround(traveller))
