"""Sample weather events with books in Redis and a price history."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from kalbot.common import cache, clock
from kalbot.console.ops import price_history
from markets import prices
from markets.models import Event, Market, Scan, Series

DEGREES = ["78° or below", "79° to 80°", "81° to 82°", "83° to 84°", "85° to 86°", "87° or above"]
BIDS = [400, 1_100, 2_900, 3_600, 1_300, 300]
CITIES = {
    "NY": "New York City",
    "CHI": "Chicago",
    "MIA": "Miami",
    "AUS": "Austin",
    "DEN": "Denver",
    "PHIL": "Philadelphia",
}
DAY = "26NOV24"
"""The day of an event by default."""


def scan(minutes_ago: int = 1) -> Scan:
    """A finished scan of the size of the real exchange."""
    began = clock.now() - timedelta(minutes=minutes_ago)
    return Scan.objects.create(
        started_at=began,
        finished_at=began + timedelta(seconds=9),
        status=Scan.Status.DONE,
        pages=63,
        events=12_552,
        markets=103_449,
        combos_left_out=418,
        events_written=310,
        markets_written=5_120,
        duration_ms=9_240,
    )


def series(
    ticker: str = "KXHIGHNY", title: str = "Highest temperature in New York City", category: str = "Climate and Weather"
) -> Series:
    """A series with the usual quadratic fee."""
    found, _ = Series.objects.get_or_create(
        ticker=ticker, defaults={"title": title, "category": category, "frequency": "daily", "fee_type": "quadratic"}
    )
    return found


def weather_event(city: str = "NY", day: str = DAY, *, hours: float = 9) -> Event:
    """Six temperature ranges that tile the line, with quotes."""
    family = series(f"KXHIGH{city}", f"Highest temperature in {CITIES[city]}")
    event = Event.objects.create(
        ticker=f"{family.ticker}-{day}",
        series=family,
        category=family.category,
        mutually_exclusive=True,
        collateral_return_type="MECNET",
        market_count=6,
        title=f"Highest temperature in {CITIES[city]} on Nov 24?",
        close_time=clock.now() + timedelta(hours=hours),
        volume=18_240_00,
        open_interest=9_310_00,
        rules_hash="a1" * 16,
    )
    for place, (name, bid) in enumerate(zip(DEGREES, BIDS, strict=True)):
        Market.objects.create(
            ticker=f"{event.ticker}-B{78 + 2 * place}",
            event=event,
            status="active",
            yes_sub_title=name,
            yes_bid=bid,
            yes_ask=bid + 200,
            yes_bid_size=35_000,
            yes_ask_size=21_000,
            last_price=bid + 100,
            volume=304_000,
            volume_24h=51_000,
            open_interest=155_100,
            close_time=event.close_time,
            rules_primary=f"If the highest temperature is {name}, the market resolves to Yes.",
            strike_type="between",
            price_bands=[[0, 10_000, 100]],
        )
    return event


def publish(event: Event, epoch: str = "epoch-1") -> None:
    """The event's books in Redis, as the stream writes them."""
    now = clock.now_ms()
    records = []
    for market in event.markets.order_by("ticker"):
        bid, ask = market.yes_bid or 0, market.yes_ask or 10_000
        yes = tuple((bid - 100 * step, 20_000 + 9_000 * step) for step in range(4) if bid > 100 * step)
        no = tuple((10_000 - ask - 100 * step, 15_000 + 8_000 * step) for step in range(4))
        records.append(
            prices.MarketRecord(
                market.ticker,
                "active",
                yes[0][0] if yes else None,
                market.yes_ask,
                7,
                1,
                now,
                now,
                False,
                True,
                yes,
                no,
            )
        )
    client = cache.prices()
    client.set(f"{prices.EVENT_KEY}{event.ticker}", msgspec.msgpack.encode(prices.EventRecord(epoch, tuple(records))))
    client.set(f"{prices.LEASE_KEY}0", msgspec.msgpack.encode(prices.Lease(epoch, now, "1")), px=600_000)
    figures = {
        "per_second": 1_240.0,
        "messages": 812_400,
        "gaps": 3,
        "lag_ms": 12,
        "applied": 812_001,
        "ignored": 399,
        "rejected": 0,
    }
    client.set(f"{prices.METRICS_KEY}0", msgspec.json.encode(figures))


def walk(event: Event, points: int = 60) -> None:
    """A price history that wanders to where the books are now, as the sampler would have kept it."""
    markets = list(event.markets.order_by("ticker"))
    client, now = cache.prices(), clock.now_ms()
    for step in range(points):
        quotes: dict[str, tuple[int | None, int | None]] = {}
        for place, market in enumerate(markets):
            away = (points - 1 - step) * (7 * (place % 3) - 6) // 3 * 3 + 100 * ((step * (place + 2)) % 5 < 2)
            bid = max(100, (market.yes_bid or 0) + (away if step < points - 1 else 0))
            quotes[market.ticker] = (bid, min(9_900, bid + 200))
        point = price_history.Point(now - (points - 1 - step) * 120_000, quotes)
        client.rpush(f"{price_history.KEY}{event.ticker}", msgspec.msgpack.encode(point))
