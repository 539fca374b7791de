"""The channels of the WebSocket and their kinds (docs/kalshi-protocol.md 12.5)."""

BY_MARKET = ("orderbook_delta", "ticker", "trade")
PRIVATE = ("fill", "user_orders", "market_positions")
OTHERS = ("market_lifecycle_v2", "multivariate_market_lifecycle", "order_group_updates")
CHANNELS = BY_MARKET + PRIVATE + OTHERS
FILTERED = BY_MARKET + PRIVATE
"""Channels that take a list of markets."""
SEQUENCED = frozenset({"orderbook_delta", "trade", *OTHERS})
