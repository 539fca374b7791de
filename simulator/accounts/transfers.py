"""Cash between shards and subaccounts. A shard transfer lands a little later; a subaccount transfer at once."""

from __future__ import annotations

from simulator.config import SHARDS
from simulator.core import ExchangeCore
from simulator.errors import ApiError, invalid

from .records import Transfer

LANDING_MS = 1_500
"""Shard transfers landed in under 4 s when measured (docs/kalshi-protocol.md 6)."""


def _used(exchange: ExchangeCore, client_id: str) -> bool:
    return bool(client_id) and any(t.client_id == client_id for t in exchange.ledger.transfers.values())


def _take(exchange: ExchangeCore, account: tuple[int, int], amount: int) -> None:
    if amount <= 0:
        raise invalid("invalid parameters", "the amount must be above zero")
    if account[0] not in exchange.ledger.subaccounts():
        raise invalid("invalid parameters", "subaccount does not exist")
    if exchange.ledger.available(account) < amount:
        raise ApiError(400, exchange.config.insufficient_balance_code, "insufficient balance")
    exchange.ledger.credit(account, -amount)


def between_shards(
    exchange: ExchangeCore, client_id: str, amount: int, source: tuple[int, int], target: tuple[int, int]
) -> Transfer:
    """Move cash between (subaccount, shard) cash accounts; 409 if the client id was used before."""
    if source[1] not in SHARDS or target[1] not in SHARDS or source == target:
        raise invalid("invalid parameters", "source and destination must be two existing shards")
    if target[0] not in exchange.ledger.subaccounts():
        raise invalid("invalid parameters", "subaccount does not exist")
    if _used(exchange, client_id):
        raise ApiError(409, "transfer_already_exists", "a transfer with this client_transfer_id exists")
    if not (exchange.state.exchange_active(source[1]) and exchange.state.exchange_active(target[1])):
        raise ApiError(409, "exchange_is_paused", "exchange is paused")
    _take(exchange, source, amount)
    now = exchange.now()
    transfer = Transfer(
        exchange.streams.new_id("transfer"),
        client_id,
        "shard",
        amount,
        source,
        target,
        now,
        now + LANDING_MS,
        "pending",
    )
    exchange.ledger.add_transfer(transfer)
    schedule(exchange, transfer)
    return transfer


def schedule(exchange: ExchangeCore, transfer: Transfer) -> None:
    """Let a pending transfer land when it is due (also after a restart)."""

    def land() -> None:
        if transfer.status == "pending":
            transfer.status = "complete"
            exchange.ledger.credit(transfer.destination, transfer.amount)
            exchange.ledger.touch("transfers", transfer.transfer_id)

    exchange.timers.at(transfer.due_ms, land)


def between_subaccounts(
    exchange: ExchangeCore, client_id: str, amount: int, shard: int, source: int, target: int
) -> Transfer:
    """Move cash between subaccounts on one shard at once; 409 if the client id was used before."""
    if _used(exchange, client_id):
        raise ApiError(409, "transfer_already_exists", "a transfer with this client_transfer_id exists")
    if source == target or target not in exchange.ledger.subaccounts() or shard not in SHARDS:
        raise invalid("invalid parameters", "source and destination must be two existing subaccounts")
    _take(exchange, (source, shard), amount)
    exchange.ledger.credit((target, shard), amount)
    now = exchange.now()
    transfer = Transfer(
        exchange.streams.new_id("transfer"), client_id, "subaccount", amount, (source, shard), (target, shard), now, now
    )
    exchange.ledger.add_transfer(transfer)
    return transfer


def allocate(exchange: ExchangeCore, percents: dict[int, int]) -> None:
    """Move the primary subaccount's free cash towards target percentages (docs/kalshi-protocol.md 6)."""
    ledger = exchange.ledger
    free = {shard: max(0, ledger.available((0, shard))) for shard in SHARDS}
    total = sum(free.values())
    targets = {shard: total * percents.get(shard, 0) // 100 // 100 * 100 for shard in SHARDS}
    first = max(percents, key=lambda shard: percents[shard])
    targets[first] += total - sum(targets.values())
    for shard in SHARDS:
        if targets[shard] != free[shard]:
            ledger.credit((0, shard), targets[shard] - free[shard])
