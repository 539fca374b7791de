"""The price grid of one market, read again from the exchange."""

from __future__ import annotations

from kalbot.common import clock
from markets.catalogue.rows import market_row
from markets.kalshi.rest.client import KalshiClient
from markets.models import Market

COLUMNS = ("price_level_structure", "price_bands")


def read_again(client: KalshiClient, ticker: str) -> list[list[int]]:
    """Store the grid of the market as the exchange lists it now; returns it as it is stored: [start, end, step] in 1/10,000 dollar. Raises
    KalshiError."""
    row = market_row(client.catalogue.market(ticker))
    columns = {name: row[name] for name in COLUMNS}
    Market.objects.filter(ticker=ticker).exclude(**columns).update(**columns, content_hash="", updated_at=clock.now())
    found: list[list[int]] = row["price_bands"]
    return found
