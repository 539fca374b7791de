"""What the account and its keys may do: limits, costs, scopes."""

from __future__ import annotations

from markets.kalshi.schemas.account import (
    ENDPOINT_COSTS,
    KEYS,
    LIMITS,
    ApiKeys,
    ApiLimits,
    EndpointCosts,
    build_keys,
    build_limits,
)
from markets.kalshi.schemas.boundary import decode, parse

from .transport import Transport


class Account:
    """Reads about the account. KalshiClient.learn_limits puts the answers to use."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def limits(self) -> ApiLimits:
        """Tier and token buckets."""
        return parse(LIMITS, build_limits, self._transport.read("/account/limits", private=True))

    def endpoint_costs(self) -> EndpointCosts:
        """Token costs that differ from the default. Public."""
        return decode(ENDPOINT_COSTS, self._transport.read("/account/endpoint_costs"))

    def api_keys(self) -> ApiKeys:
        """The account's keys with their scopes, and when the region attestation lapses."""
        return parse(KEYS, build_keys, self._transport.read("/api_keys", private=True))

    def upgrade_tier(self) -> None:
        """Request the Advanced tier (docs/kalshi-protocol.md 3).

        Forbidden without a recent order made through the API.
        """
        self._transport.write("POST", "/account/api_usage_level/upgrade")
