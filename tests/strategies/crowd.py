"""Many events at once: a catalogue of thousands and books for them, for tests and measurements of speed."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from kalbot.common import clock
from markets.models import Certificate, Event, Market, Series
from markets.terms.exhaustiveness import CERTIFICATE_VERSION
from markets.terms.grades import Grade
from markets.terms.states import listed_states
from tests.strategies.world import publish

LEGS = 8


def catalogue(rng: random.Random, size: int, *, certified: bool = False) -> None:
    """``size`` events of 2 to 14 outcomes, half of them exclusive, with asks that sum to 1.01 to 1.3."""
    closes = clock.now() + timedelta(days=3)
    Series.objects.create(ticker="KXTEST", category="Sports", fee_type="quadratic")
    events, markets = [], []
    for number in range(size):
        category = rng.choice(["Climate and Weather", "Sports", "Politics"])
        event = Event(
            ticker=f"E{number}",
            series_id="KXTEST",
            title="t",
            category=category,
            mutually_exclusive=rng.random() < 0.5 or certified,
            collateral_return_type="MECNET",
            close_time=closes,
            volume=1000,
            open_interest=1000,
            rules_hash="h",
        )
        events.append(event)
        legs = rng.randint(2, 2 * LEGS - 2)
        for leg in range(legs):
            middle = 10_000 // legs
            markets.append(
                Market(
                    ticker=f"E{number}-{leg}",
                    event=event,
                    status="active",
                    yes_sub_title=f"o{leg}",
                    close_time=closes,
                    yes_bid=max(100, middle - rng.randint(1, 6) * 100),
                    yes_ask=middle + rng.randint(1, 6) * 100,
                    yes_bid_size=1000,
                    yes_ask_size=1000,
                    rules_primary="rule " * 60,
                    price_bands=[[0, 10_000, 100]],
                )
            )
    Event.objects.bulk_create(events, batch_size=2000)
    Market.objects.bulk_create(markets, batch_size=2000)
    if certified:
        of_event: dict[str, list[str]] = {}
        for market in markets:
            of_event.setdefault(market.event_id, []).append(market.ticker)
        Certificate.objects.bulk_create(
            (_certificate(event, of_event[event.ticker]) for event in events), batch_size=2000
        )


def _certificate(event: Event, tickers: list[str]) -> Certificate:
    """One that says that one of the listed outcomes must win."""
    return Certificate(
        event=event,
        status=Certificate.Status.GRANTED,
        kind="reviewed",
        evidence=["for the test"],
        rules_hash=event.rules_hash,
        states=listed_states(tickers, certified=True).to_json(),
        grade=Grade.GUARANTEED.value,
        one_must_win=True,
        reading=CERTIFICATE_VERSION,
    )


def _books(rng: random.Random, ticker: str, legs: list[tuple[int, int]]) -> dict[str, Any]:
    def levels(best: int) -> tuple[tuple[int, int], ...]:
        return tuple((best - 100 * n, rng.randint(100, 100_000)) for n in range(10) if best - 100 * n > 0)

    return {f"{ticker}-{n}": (levels(bid), levels(10_000 - ask)) for n, (bid, ask) in enumerate(legs)}


def publish_all(rng: random.Random, tickers: list[str]) -> None:
    """Books of ten levels a side around the quotes of these events."""
    for ticker in tickers:
        legs = list(
            Market.objects.filter(event_id=ticker).order_by("ticker").values_list("ticker", "yes_bid", "yes_ask")
        )
        books = _books(rng, ticker, [(bid or 0, ask or 0) for _, bid, ask in legs])
        publish(ticker, dict(zip([name for name, _, _ in legs], books.values(), strict=True)))
