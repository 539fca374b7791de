"""A small exchange in rows and in Redis, for the tests of this package: events with quotes, and live books."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from kalbot.common import cache, clock
from markets.models import Certificate, Event, Market, Scan, Series
from markets.prices import EVENT_KEY, LEASE_KEY, QUOTE_KEY, EventRecord, Lease, MarketRecord, Quote
from markets.terms import certificates
from markets.terms.exhaustiveness import CERTIFICATE_VERSION
from markets.terms.grades import Grade
from markets.terms.states import listed_states
from strategies.models import DOLLAR, Profile

EPOCH = "epoch-1"
Levels = Sequence[tuple[int, int]]


def add_scan(**columns: Any) -> Scan:
    """A finished scan."""
    return Scan.objects.create(started_at=clock.now(), finished_at=clock.now(), status=Scan.Status.DONE, **columns)


def add_event(
    ticker: str,
    quotes: Sequence[tuple[int | None, int | None]],
    *,
    series: str = "KXTEST",
    certified: bool = False,
    size: int = 10_000,
    market: Mapping[str, Any] | None = None,
    **columns: Any,
) -> Event:
    """An open exclusive event with one market a (yes bid, yes ask). Its certificate says that at most one wins, ``certified``: that
    one must."""
    Series.objects.get_or_create(ticker=series, defaults={"category": "Sports", "fee_type": "quadratic"})
    closes = clock.now() + timedelta(days=2)
    defaults = {
        "series_id": series,
        "title": ticker,
        "category": "Sports",
        "mutually_exclusive": True,
        "close_time": closes,
        "market_count": len(quotes),
        "collateral_return_type": "MECNET",
    }
    event = Event.objects.create(ticker=ticker, **(defaults | columns))
    Market.objects.bulk_create(
        Market(
            **{
                "ticker": f"{ticker}-{number}",
                "event": event,
                "status": "active",
                "yes_sub_title": f"Outcome {number}",
                "close_time": columns.get("close_time", closes),
                "price_bands": [[0, 10_000, 100]],
                "yes_bid": bid,
                "yes_bid_size": size if bid else 0,
                "yes_ask": ask,
                "yes_ask_size": size if ask else 0,
            }
            | dict(market or {})
        )
        for number, (bid, ask) in enumerate(quotes)
    )
    certificates.refresh([ticker])
    event.refresh_from_db()
    if event.mutually_exclusive:
        Certificate.objects.filter(event=event).delete()
        certify(event, one_must_win=certified)
    return event


def certify(event: Event, *, one_must_win: bool) -> Certificate:
    """A certificate for the event as it is, as if its rules had been read."""
    tickers = list(event.markets.order_by("ticker").values_list("ticker", flat=True))
    return Certificate.objects.create(
        event=event,
        status=Certificate.Status.GRANTED,
        kind="reviewed" if one_must_win else "exclusive",
        evidence=["for the test"],
        rules_hash=event.rules_hash,
        states=listed_states(tickers, certified=one_must_win).to_json(),
        grade=Grade.GUARANTEED.value,
        one_must_win=one_must_win,
        reading=CERTIFICATE_VERSION,
    )


def add_profile(name: str = "careful", **columns: Any) -> Profile:
    """An active paper profile for guaranteed baskets."""
    defaults = {
        "kinds": ["all_yes", "all_no"],
        "min_profit": DOLLAR // 100,
        "cooldown_seconds": 0,
        "min_margin_ppm": 0,
        "plausible_margin_ppm": 1_000_000,
    }
    return Profile.objects.create(name=name, **(defaults | columns))


def publish(
    ticker: str,
    books: Mapping[str, tuple[Levels, Levels]],
    *,
    epoch: str = EPOCH,
    lease: str | None = EPOCH,
    age_ms: int = 0,
    suspect: Sequence[str] = (),
    status: Mapping[str, str] | None = None,
) -> None:
    """Live books (YES bids, NO bids; best first) of one event, and the lease of the epoch that lives (None = none)."""
    at = clock.now_ms() - age_ms
    record = EventRecord(
        epoch,
        tuple(
            MarketRecord(
                market,
                (status or {}).get(market, "active"),
                yes[0][0] if yes else None,
                10_000 - no[0][0] if no else None,
                1,
                1,
                at,
                at,
                market in suspect,
                True,
                tuple(yes),
                tuple(no),
            )
            for market, (yes, no) in books.items()
        ),
    )
    client = cache.prices()
    client.set(EVENT_KEY + ticker, msgspec.msgpack.encode(record))
    client.delete(LEASE_KEY + "0")
    if lease is not None:
        client.set(LEASE_KEY + "0", msgspec.msgpack.encode(Lease(lease, at, "token")))


def publish_quotes(quotes: Mapping[str, tuple[int | None, int | None]], size: int = 10_000) -> None:
    """Live ticker quotes (yes bid, yes ask) by market, and a living lease."""
    client, at = cache.prices(), clock.now_ms()
    client.set(LEASE_KEY + "0", msgspec.msgpack.encode(Lease(EPOCH, at, "token")))
    for market, (bid, ask) in quotes.items():
        quote = Quote(EPOCH, bid, ask, size if bid else 0, size if ask else 0, None, at, at)
        client.set(QUOTE_KEY + market, msgspec.msgpack.encode(quote))


def books_of(ticker: str, quotes: Sequence[tuple[int, int]], size: int = 10_000) -> dict[str, tuple[Levels, Levels]]:
    """One level a side at each (yes bid, yes ask), for the markets that ``add_event`` made."""
    return {f"{ticker}-{n}": (((bid, size),), ((10_000 - ask, size),)) for n, (bid, ask) in enumerate(quotes)}
