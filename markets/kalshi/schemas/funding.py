"""Deposits and withdrawals of the account."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from kalbot.common.units import Money, UnitError

from ..scalars import moment_from_seconds, money_from_cents
from ..sizes import Cents, Identifier, Seconds, Word
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
