"""Limits, tier, costs and keys of the account (docs/kalshi-protocol.md 2 and 3)."""

from __future__ import annotations

from typing import Any

from simulator.accounts.rate_limits import COSTS, DEFAULT_COST
from simulator.errors import ApiError

from .context import Answer, Request


def limits(request: Request) -> Answer:
    buckets = request.exchange.limits
    grants = (
        [{"exchange_instance": "event_contract", "level": buckets.tier, "source": "manual"}]
        if buckets.tier != "basic"
        else []
    )
    return 200, {
        "usage_tier": buckets.tier,
        "read": {"refill_rate": buckets.read.rate, "bucket_capacity": buckets.read.capacity},
        "write": {"refill_rate": buckets.write.rate, "bucket_capacity": buckets.write.capacity},
        "grants": grants,
    }


def upgrade(request: Request) -> Answer:
    """Basic to Advanced; refused unless an order was made through the API."""
    if not request.exchange.ledger.orders:
        raise ApiError(403, "forbidden", "make an order through the API first")
    buckets = request.exchange.limits
    if buckets.tier == "basic":
        buckets.set_tier("advanced")
        request.exchange.ledger.set_option("tier", "advanced")
    return 201, {}


def endpoint_costs(request: Request) -> Answer:
    return 200, {
        "default_cost": DEFAULT_COST,
        "endpoint_costs": [{"method": m, "path": f"/trade-api/v2{p}", "cost": c} for m, p, c in COSTS],
    }


def api_keys(request: Request) -> Answer:
    ring = request.exchange.keys
    keys = ring.keys.values() if ring else ()
    answer: dict[str, Any] = {
        "api_keys": [
            {"api_key_id": k.key_id, "name": k.name, "scopes": list(k.scopes)}
            | ({} if k.subaccount is None else {"subaccount": k.subaccount})
            for k in keys
        ]
    }
    if ring and ring.region_expiration_s is not None:
        answer["api_key_region_expiration_ts"] = ring.region_expiration_s
    return 200, answer
