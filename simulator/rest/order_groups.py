"""Order groups (docs/kalshi-protocol.md 9.8)."""

from __future__ import annotations

from typing import Any

from simulator.accounts.records import Group
from simulator.errors import invalid, not_found
from simulator.matching import groups
from simulator.matching.order_requests import whole
from simulator.units import CONTRACT, count2, parse_count

from .context import Answer, Request


def _limit(body: dict[str, Any]) -> int:
    """``contracts_limit`` (whole) or ``contracts_limit_fp`` as a count, between 1 and 1,000,000 contracts."""
    number, fixed = whole(body, "contracts_limit"), body.get("contracts_limit_fp")
    try:
        limit = parse_count(fixed) if fixed is not None else (number or 0) * CONTRACT
    except ValueError:
        raise invalid("invalid parameters", "contracts_limit_fp must be a count") from None
    if number is not None and fixed is not None and limit != number * CONTRACT:
        raise invalid("invalid parameters", "contracts_limit and contracts_limit_fp differ")
    if not CONTRACT <= limit <= 1_000_000 * CONTRACT:
        raise invalid("invalid parameters", "the limit is between 1 and 1,000,000 contracts")
    return limit


def create_group(request: Request) -> Answer:
    body = request.object()
    subaccount = request.subaccount(whole(body, "subaccount"), 0) or 0
    shard = whole(body, "exchange_index") or 0
    if shard not in (0, 1, 2, 3):
        raise invalid("invalid parameters", "exchange_index is unknown")
    if subaccount not in request.exchange.ledger.subaccounts():
        raise invalid("invalid parameters", "subaccount does not exist")
    group = groups.create(request.exchange, shard, subaccount, _limit(body))
    return 201, {"order_group_id": group.group_id, "subaccount": subaccount, "exchange_index": shard}


def _group(request: Request, group_id: str) -> Group:
    subaccount = request.subaccount(request.query.whole("subaccount", 0), None)
    group = groups.find(request.exchange, group_id, request.query.whole("exchange_index"))
    if subaccount is not None and group.subaccount != subaccount:
        raise not_found("order group not found")
    return group


def list_groups(request: Request) -> Answer:
    subaccount = request.subaccount(request.query.whole("subaccount", 0), None)
    rows = [
        {
            "id": g.group_id,
            "contracts_limit_fp": count2(g.limit),
            "is_auto_cancel_enabled": True,
            "exchange_index": g.shard,
        }
        for g in request.exchange.ledger.groups.values()
        if not g.deleted and (subaccount is None or g.subaccount == subaccount)
    ]
    return 200, {"order_groups": rows}


def one_group(request: Request, group_id: str) -> Answer:
    group = _group(request, group_id)
    return 200, {
        "is_auto_cancel_enabled": True,
        "contracts_limit_fp": count2(group.limit),
        "orders": [o.order_id for o in groups.members(request.exchange, group)],
        "exchange_index": group.shard,
    }


def reset_group(request: Request, group_id: str) -> Answer:
    groups.reset(request.exchange, _group(request, group_id))
    return 200, {}


def trigger_group(request: Request, group_id: str) -> Answer:
    groups.trigger(request.exchange, _group(request, group_id))
    return 200, {}


def limit_group(request: Request, group_id: str) -> Answer:
    groups.set_limit(request.exchange, _group(request, group_id), _limit(request.object()))
    return 200, {}


def delete_group(request: Request, group_id: str) -> Answer:
    groups.delete(request.exchange, _group(request, group_id))
    return 200, {}
