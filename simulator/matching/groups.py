"""Order groups: a limit on contracts filled in a rolling 15 s, which cancels the whole group when it is reached."""

from __future__ import annotations

from simulator.accounts.records import Group, Order
from simulator.core import ExchangeCore
from simulator.errors import ApiError, invalid, not_found

from .resting import cancel_order

WINDOW_MS = 15_000


def create(exchange: ExchangeCore, shard: int, subaccount: int, limit: int) -> Group:
    """A new group; ``limit`` in 1/100 contract. A user has ``group_maximum`` of them at most."""
    if sum(not group.deleted for group in exchange.ledger.groups.values()) >= exchange.config.group_maximum:
        raise invalid("invalid parameters", "too many order groups")
    group = Group(exchange.streams.new_id("group"), shard, subaccount, limit, window=[])
    exchange.ledger.add_group(group)
    exchange.feed.group(group, "created")
    return group


def find(exchange: ExchangeCore, group_id: str, shard: int | None = None) -> Group:
    """A living group (404 otherwise; also if it is on another shard than the one named)."""
    group = exchange.ledger.groups.get(group_id)
    if group is None or group.deleted or (shard is not None and shard >= 0 and group.shard != shard):
        raise not_found("order group not found")
    return group


def check(exchange: ExchangeCore, group_id: str, shard: int) -> None:
    """Whether a new order may join: the group exists on the order's shard and has not been triggered."""
    group = find(exchange, group_id)
    if group.shard != shard:
        raise not_found("order group not found")
    if group.triggered:
        raise ApiError(400, "invalid_order", "order group has been triggered", "reset the order group first")


def count_fill(exchange: ExchangeCore, group_id: str, count: int) -> None:
    """Count contracts filled; trigger the group when its window holds more than the limit allows."""
    group = exchange.ledger.groups[group_id]
    now = exchange.now()
    group.window = [(at, c) for at, c in group.window if now - at < WINDOW_MS] + [(now, count)]
    exchange.ledger.touch("groups", group_id)
    if not group.triggered and sum(c for _, c in group.window) >= group.limit:
        trigger(exchange, group)


def trigger(exchange: ExchangeCore, group: Group) -> None:
    """Cancel all orders of the group and refuse new ones until it is reset."""
    group.triggered = True
    exchange.ledger.touch("groups", group.group_id)
    for order in members(exchange, group):
        cancel_order(exchange, order, "")
    exchange.feed.group(group, "triggered")


def reset(exchange: ExchangeCore, group: Group) -> None:
    group.triggered, group.window = False, []
    exchange.ledger.touch("groups", group.group_id)
    exchange.feed.group(group, "reset")


def set_limit(exchange: ExchangeCore, group: Group, limit: int) -> None:
    """A new limit; one that the running window already exceeds triggers at once."""
    group.limit = limit
    exchange.ledger.touch("groups", group.group_id)
    exchange.feed.group(group, "limit_updated")
    now = exchange.now()
    if not group.triggered and sum(c for at, c in group.window if now - at < WINDOW_MS) >= limit:
        trigger(exchange, group)


def delete(exchange: ExchangeCore, group: Group) -> None:
    """Cancel the group's orders and forget it."""
    group.deleted = True
    exchange.ledger.touch("groups", group.group_id)
    for order in members(exchange, group):
        cancel_order(exchange, order, "")
    exchange.feed.group(group, "deleted")


def members(exchange: ExchangeCore, group: Group) -> list[Order]:
    """Resting orders of a group."""
    return [order for order in exchange.ledger.all_open() if order.group_id == group.group_id]
