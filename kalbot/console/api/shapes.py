"""What the API says and takes. Money is a decimal string in dollars, counts are contracts, moments are ISO 8601 with their zone."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

from ninja import Field, Schema


class Problem(Schema):
    """Why a request was refused."""

    detail: str


class PartOut(Schema):
    name: str
    state: str = Field(description="ok, warn or bad")
    sentence: str


class StatusOut(Schema):
    state: str = Field(description="ok, warn or bad")
    trading: str
    parts: list[PartOut]


class ProfileOut(Schema):
    name: str
    mode: str
    active: bool
    trading: str
    capital: Decimal
    open_positions: int
    cost: Decimal
    realised: Decimal


class LegOut(Schema):
    id: int
    market: str
    side: str
    held: Decimal
    cost: Decimal


class PositionOut(Schema):
    id: int
    event: str
    title: str
    profile: str
    mode: str
    kind: str
    status: str
    cost: Decimal
    fees: Decimal
    realised: Decimal
    residual: str
    created_at: datetime
    ended_at: datetime | None


class PositionDetail(PositionOut):
    legs: list[LegOut]
    history: list[str]


class WhyOut(Schema):
    event: str
    profile: str
    lines: list[str]


class NearMissOut(Schema):
    event: str
    profile: str
    reason: str
    sentence: str
    distance_percent: Decimal | None
    since: datetime


class RecommendationOut(Schema):
    id: int
    position: int
    event: str
    advice: str
    reason: str
    detail: str
    gain: Decimal | None
    opened_at: datetime


class PnlOut(Schema):
    profile: str
    mode: str
    ended: int
    realised: Decimal
    fees: Decimal
    open_cost: Decimal


class Because(Schema):
    """Every write says why; the reason is kept in the audit log."""

    reason: str = Field(min_length=3, max_length=300)


class HaltIn(Because):
    level: Literal["reducing", "halted"] = "reducing"
    profile: str | None = None


class ResumeIn(Because):
    profile: str | None = None


class ExitIn(Because):
    least_price: Decimal = Field(
        description="No contract of any leg is sold below this price, in dollars.",
        gt=0,
        lt=1,
        max_digits=5,
        decimal_places=4,
    )
    least_prices: dict[str, Decimal] = Field(
        default_factory=dict,
        description='Other prices by leg, such as {"yes KXHIGHNY-26NOV24-B82": "0.41"}.',
    )
    below_floor: str = Field(
        default="",
        max_length=300,
        description="Only for a guaranteed basket: why less than it is sure to pay is accepted.",
    )


class Done(Schema):
    """What came of a write. ``repeated``: the same Idempotency-Key was used before; nothing was done again."""

    result: str
    repeated: bool = False
