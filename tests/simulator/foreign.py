"""Run by ``test_foreign_client``: a public Kalshi client (pykalshi) trades on a simulator. Prints one JSON line."""

from __future__ import annotations

import json
import sys

from pykalshi import KalshiClient
from pykalshi.enums import Action, Side

key_id, key_file, base = sys.argv[1:4]
client = KalshiClient(api_key_id=key_id, private_key_path=key_file, api_base=base)
events = client.get_events(limit=200, fetch_all=True)
markets = client.get_markets(limit=1000)
market = next(m for m in markets if m.ticker == "KXHIGHNY-26JUL20-B82.5")
book = market.get_orderbook().orderbook
bought = client.portfolio.place_order(market.ticker, Action.BUY, Side.YES, count_fp="5", yes_price_dollars="0.42")
resting = client.portfolio.place_order(market.ticker, Action.BUY, Side.YES, count_fp="3", yes_price_dollars="0.10")
cancelled = client.portfolio.cancel_order(resting.order_id)
print(
    json.dumps(
        {
            "events": len(events),
            "markets": len(markets),
            "best_yes": list(book.yes_dollars[-1]),
            "balance": client.portfolio.get_balance().balance,
            "statuses": [bought.status.value, resting.status.value, cancelled.status.value],
            "orders": sorted(order.status.value for order in client.portfolio.get_orders()),
            "positions": [(p.ticker, p.position_fp) for p in client.portfolio.get_positions()],
            "fills": [(f.count_fp, f.yes_price_dollars, f.fee_cost_dollars) for f in client.portfolio.get_fills()],
        }
    )
)
