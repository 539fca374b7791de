"""What the API says and takes. Money is a decimal string in dollars, counts are contracts, moments are ISO 8601 with their zone."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final, Literal

from ninja import Field, Schema
from pydantic import StringConstraints

from kalbot.console.auth import audit

Number = Annotated[Decimal, Field(max_digits=18)]
"""Written out, so that nobody's exponent fills the memory."""


class Problem(Schema):
    """Why a request was refused."""

    detail: str


PROBLEMS: Final = {400: Problem, 401: Problem, 403: Problem, 404: Problem, 409: Problem}
"""The refusals of an operation by status."""


class PartOut(Schema):
    name: str
    state: str = Field(description="ok, warn or bad")
    sentence: str


class StopOut(Schema):
    """One thing that stops new baskets."""

    code: str
    title: str
    why: str
    who: str = Field(description="How it ends, or who may lift it.")
    until: datetime | None = Field(description="Null while nobody knows.")
    profile: str = Field(description="Empty: it stops every profile.")


class StatusOut(Schema):
    state: str = Field(description="ok, warn or bad")
    trading: str
    stops: list[StopOut] = Field(description="What stops new baskets: first of every profile, then of each active one.")
    parts: list[PartOut]


class ProfileOut(Schema):
    name: str
    mode: str
    active: bool
    trading: str
    stops: list[StopOut] = Field(description="What stops its new baskets now, what stops everything first.")
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
    cost: Decimal = Field(description="Of what is held now, fees included.")
    floor: Decimal | None = Field(
        description="The least that what is held now pays; null while nothing is held, or nothing is known of it."
    )
    grade: str = Field(description="How sure that is, by what is held now; empty while nothing is held.")
    opened_as: str = Field(description="The grade when it was opened; history.")
    at_discretion: str = Field(description="What the exchange may do that is in no grade, and how often it did.")
    naked: bool = Field(description="Whether legs are held that no whole basket needs.")
    fees: Decimal = Field(description="All that were paid.")
    realised: Decimal
    residual: str
    waits_for: str = Field(description="What an open position waits for; empty when it has ended.")
    waits_since: datetime | None
    next_try: datetime | None = Field(description="When it is stepped again; null where nothing is tried.")
    created_at: datetime
    ended_at: datetime | None


class PositionDetail(PositionOut):
    legs: list[LegOut]
    history: list[str]


class WhyOut(Schema):
    event: str
    profile: str
    stops: list[StopOut] = Field(description="What stops the profile's new baskets now, whatever the event.")
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


class ResultOut(Schema):
    """One profile in a time; the columns of the results page's CSV, amounts in dollars, shares in per cent."""

    profile: str
    mode: str
    since: datetime | None
    until: datetime
    realised: Decimal
    unrealised: Decimal | None = Field(description="Of what is open now, at the live bids; null without any.")
    not_priced: int
    fees: Decimal
    baskets: int
    won: int
    win_rate_percent: Decimal | None
    on_capital_percent: Decimal | None
    capital_days: Decimal
    on_capital_days_percent: Decimal | None
    drawdown: Decimal
    best: Decimal | None
    best_position: int | None
    worst: Decimal | None
    worst_position: int | None


class EquityOut(Schema):
    """What a profile was worth at one moment of an hour, in dollars."""

    profile: str
    mode: str
    at: datetime
    capital: Decimal
    realised: Decimal
    unrealised: Decimal = Field(description="Of what was open, at the live bids; what had none counts at its cost.")
    not_priced: int
    equity: Decimal


class Because(Schema):
    """Every write says why; the reason is kept in the audit log."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=audit.LEAST_WORDS, max_length=300)]


class HaltIn(Because):
    level: Literal["reducing", "halted"] = "reducing"
    profile: str | None = None


class ResumeIn(Because):
    level: Literal["active", "reducing"] = "active"
    profile: str | None = Field(
        default=None, min_length=1, description="Without one, all: an empty name is a mistake, and resumes nothing."
    )


class Part(Because):
    """How much of a position is sold."""

    share: Decimal = Field(
        default=Decimal(100),
        description="Per cent of every leg, rounded down to whole steps of the profile's sizes.",
        gt=0,
        le=100,
        max_digits=7,
        decimal_places=4,
    )
    below_floor: str = Field(
        default="",
        max_length=300,
        description="Only for a basket whose floor is above its cost: why less than the floor, or other than equal shares, is accepted.",
    )


class ExitIn(Part):
    counts: dict[str, Number] = Field(
        default_factory=dict,
        description='Contracts of single legs instead of a share, such as {"yes KXHIGHNY-26NOV24-B82": "4"}; other legs are kept.',
    )
    least_price: Decimal = Field(
        description="No contract of any leg is sold below this price, in dollars.",
        gt=0,
        lt=1,
        max_digits=5,
        decimal_places=4,
    )
    least_prices: dict[str, Number] = Field(
        default_factory=dict,
        description='Other prices by leg, such as {"yes KXHIGHNY-26NOV24-B82": "0.41"}.',
    )


class ExitManyIn(Part):
    positions: list[Annotated[int, Field(gt=0, lt=2**63)]] = Field(
        min_length=1, max_length=200, description="Of one mode."
    )
    least_price: Decimal | None = Field(
        default=None,
        description="No contract is sold below this price, in dollars; without it the bids of now less two cents.",
        gt=0,
        lt=1,
        max_digits=5,
        decimal_places=4,
    )


class Done(Schema):
    """What came of a write. ``repeated``: the same Idempotency-Key was used before; nothing was done again."""

    result: str
    repeated: bool = False
