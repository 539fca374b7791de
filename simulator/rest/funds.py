"""Subaccounts, cash between shards, and target allocations (docs/kalshi-protocol.md 6 and 9.9)."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from simulator.accounts import transfers
from simulator.accounts.records import Transfer
from simulator.config import SHARDS
from simulator.errors import ApiError, invalid, not_found
from simulator.matching.order_requests import text, whole
from simulator.units import CENT, CENTICENT

from .context import Answer, Request
from .portfolio import cash_text
from .query import page


def _advanced(request: Request) -> None:
    if request.exchange.limits.tier == "basic":
        raise ApiError(403, "forbidden", "subaccounts need the advanced tier")


def create_subaccount(request: Request) -> Answer:
    _advanced(request)
    ledger = request.exchange.ledger
    number = max(ledger.subaccounts(), default=0) + 1
    if number > 63:
        raise invalid("invalid parameters", "no more than 63 subaccounts")
    for shard in SHARDS:
        ledger.credit((number, shard), 0)
    return 201, {"subaccount_number": number}


def _uuid(body: dict[str, Any], required: bool) -> str:
    raw = text(body, "client_transfer_id", required)
    try:
        return str(UUID(raw)) if raw else ""
    except ValueError:
        raise invalid("invalid parameters", "client_transfer_id must be a UUID") from None


def _amount(body: dict[str, Any], name: str) -> int:
    found = whole(body, name)
    if found is None or found <= 0 or found > 2**53:
        raise invalid("invalid parameters", f"{name} must be an integer above zero")
    return found


def subaccount_transfer(request: Request) -> Answer:
    body = request.object()
    source, target = whole(body, "from_subaccount"), whole(body, "to_subaccount")
    if source is None or target is None:
        raise invalid("invalid parameters", "from_subaccount and to_subaccount are required")
    _advanced(request)
    request.subaccount(source, None)
    transfers.between_subaccounts(
        request.exchange,
        _uuid(body, True),
        _amount(body, "amount_cents") * CENT,
        whole(body, "exchange_index") or 0,
        source,
        target,
    )
    return 200, {}


def subaccount_transfers(request: Request) -> Answer:
    rows = [t for t in reversed(list(request.exchange.ledger.transfers.values())) if t.kind == "subaccount"]
    shown, cursor = page(request.query, rows, lambda t: t.transfer_id, 100, 500)
    return 200, {
        "transfers": [
            {
                "transfer_id": t.transfer_id,
                "from_subaccount": t.source[0],
                "to_subaccount": t.destination[0],
                "amount_cents": t.amount // CENT,
                "created_ts": t.created_ms // 1000,
                "exchange_index": t.source[1],
            }
            for t in shown
        ],
        "cursor": cursor,
    }


def subaccount_balances(request: Request) -> Answer:
    ledger, now = request.reads, request.exchange.now() // 1000
    return 200, {
        "subaccount_balances": [
            {
                "subaccount_number": sub,
                "exchange_index": shard,
                "balance": cash_text(ledger.available((sub, shard))),
                "updated_ts": now,
            }
            for sub, shard in sorted(ledger.cash)
        ]
    }


def netting(request: Request) -> Answer:
    ledger, default = request.exchange.ledger, "1" if request.exchange.config.netting_default else "0"
    return 200, {
        "netting_configs": [
            {
                "subaccount_number": sub,
                "enabled": ledger.options.get(f"netting:{sub}", default) == "1",
                "exchange_index": shard,
            }
            for sub, shard in sorted(ledger.cash)
        ]
    }


def set_netting(request: Request) -> Answer:
    """It counts for positions opened from now on (``simulator.accounts.collateral``)."""
    body = request.object()
    number, enabled = whole(body, "subaccount_number"), body.get("enabled")
    if number is None or number not in request.exchange.ledger.subaccounts() or not isinstance(enabled, bool):
        raise invalid("invalid parameters", "subaccount_number and enabled are required")
    request.exchange.ledger.set_option(f"netting:{number}", "1" if enabled else "0")
    return 200, {}


# ---- shards


def shard_transfer(request: Request) -> Answer:
    body = request.object()
    instances = (text(body, "source", True), text(body, "destination", True))
    if any(name not in ("event_contract", "margined") for name in instances):
        raise invalid("invalid parameters", "source and destination are event_contract or margined")
    if "margined" in instances:
        raise ApiError(403, "forbidden", "the margined exchange is not available to this account")
    source = (whole(body, "source_subaccount") or 0, whole(body, "source_exchange_shard") or 0)
    target = (whole(body, "destination_subaccount") or 0, whole(body, "destination_exchange_shard") or 0)
    request.subaccount(source[0], None)
    amount = _amount(body, "amount") * CENTICENT
    moved = transfers.between_shards(request.exchange, _uuid(body, False), amount, source, target)
    return 200, {"transfer_id": moved.transfer_id}


def _shard_transfer(t: Transfer) -> dict[str, Any]:
    found = {
        "transfer_id": t.transfer_id,
        "source": "event_contract",
        "destination": "event_contract",
        "source_exchange_shard": t.source[1],
        "destination_exchange_shard": t.destination[1],
        "amount": cash_text(t.amount),
        "status": t.status,
        "created_ts": t.created_ms // 1000,
    }
    return found | {"client_transfer_id": t.client_id} if t.client_id else found


def shard_transfers(request: Request) -> Answer:
    rows = [t for t in reversed(list(request.exchange.ledger.transfers.values())) if t.kind == "shard"]
    shown, cursor = page(request.query, rows, lambda t: t.transfer_id, 100, 500)
    return 200, {"transfers": [_shard_transfer(t) for t in shown], "cursor": cursor}


def one_shard_transfer(request: Request, transfer_id: str) -> Answer:
    found = request.exchange.ledger.transfers.get(transfer_id)
    if found is None or found.kind != "shard":
        raise not_found("transfer not found")
    return 200, {"transfer": _shard_transfer(found)}


def allocation(request: Request) -> Answer:
    stored = json.loads(request.exchange.ledger.options.get("allocation", "{}"))
    return 200, {
        "allocations": [
            {"exchange_index": int(i), "percent": p} for i, p in sorted(stored.get("percents", {}).items())
        ],
        "resting_margin_reservation": stored.get("reservation", "sum"),
    }


def set_allocation(request: Request) -> Answer:
    """Percentages that sum to 100; an empty list switches the automatic rebalancing off."""
    body = request.object()
    rows, mode = body.get("allocations"), body.get("resting_margin_reservation", "sum")
    if not isinstance(rows, list) or mode not in ("none", "max", "sum"):
        raise invalid("invalid parameters", "allocations and resting_margin_reservation")
    percents: dict[int, int] = {}
    for row in rows:
        index, percent = (
            (whole(row, "exchange_index"), whole(row, "percent")) if isinstance(row, dict) else (None, None)
        )
        if index not in SHARDS or percent is None or not 0 <= percent <= 100 or index in percents:
            raise invalid("invalid parameters", "an allocation has an exchange_index and a percent")
        percents[index] = percent
    if percents and sum(percents.values()) != 100:
        raise invalid("invalid parameters", "percentages must sum to 100")
    request.exchange.ledger.set_option(
        "allocation", json.dumps({"percents": percents, "reservation": mode}) if percents else "{}"
    )
    return 200, {}
