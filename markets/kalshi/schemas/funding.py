"""Deposits and withdrawals of the account, and money moved between its subaccounts."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from kalbot.common.units import Money, UnitError

from ..scalars import moment_from_seconds, money_from_cents
from ..sizes import Cents, Identifier, Seconds, Shard, Subaccount, Word
from .boundary import decoder_of
from .listing import Listing


class FundingStatus(StrEnum):
    PENDING = "pending"
    APPLIED = "applied"
    """The balance shows it."""
    FAILED = "failed"
    RETURNED = "returned"


class FundingWire(msgspec.Struct, kw_only=True):
    id: Identifier
    status: str
    type: Word
    amount_cents: Cents
    fee_cents: Cents
    created_ts: Seconds
    finalized_ts: Seconds | None = None


class Funding(msgspec.Struct, frozen=True, kw_only=True):
    """One deposit or withdrawal; which of the two is known by the listing it came from. ``kind`` is the raw word (ach, wire, ...)."""

    id: str
    status: FundingStatus
    kind: str
    amount: Money
    fee: Money
    created: datetime | None
    finalised: datetime | None


def build_funding(w: FundingWire) -> Funding:
    """Wire to ours; refuses an unknown status and amounts below zero."""
    if w.amount_cents < 0 or w.fee_cents < 0:
        raise UnitError(f"funding {w.id} of {w.amount_cents} cents with a fee of {w.fee_cents}")
    return Funding(
        id=w.id,
        status=FundingStatus(w.status),
        kind=w.type,
        amount=money_from_cents(w.amount_cents),
        fee=money_from_cents(w.fee_cents),
        created=moment_from_seconds(w.created_ts),
        finalised=moment_from_seconds(w.finalized_ts),
    )


FUNDING = decoder_of(FundingWire)
DEPOSITS = Listing("deposits", FUNDING, build_funding)
WITHDRAWALS = Listing("withdrawals", FUNDING, build_funding)


class TransferWire(msgspec.Struct, kw_only=True):
    transfer_id: Identifier
    from_subaccount: Subaccount
    to_subaccount: Subaccount
    amount_cents: Cents
    created_ts: Seconds
    exchange_index: Shard


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """Money moved from one subaccount (``source``; 0 is the primary) to another on one shard."""

    id: str
    source: int
    destination: int
    amount: Money
    shard: int
    created: datetime | None


def build_transfer(w: TransferWire) -> Transfer:
    """Wire to ours; refuses amounts below zero."""
    if w.amount_cents < 0:
        raise UnitError(f"transfer {w.transfer_id} of {w.amount_cents} cents")
    return Transfer(
        id=w.transfer_id,
        source=w.from_subaccount,
        destination=w.to_subaccount,
        amount=money_from_cents(w.amount_cents),
        shard=w.exchange_index,
        created=moment_from_seconds(w.created_ts),
    )


TRANSFERS = Listing("transfers", decoder_of(TransferWire), build_transfer)
