"""What surrounds an event: its metadata, and programmes that pay for resting orders or volume in a market."""

from __future__ import annotations

from datetime import datetime

import msgspec

from kalbot.common.units import Count, Money, UnitError

from ..scalars import moment, optional_count
from ..sizes import Centicents, Duration, Identifier, MarketTicker, Word
from .boundary import decoder_of
from .series import SettlementSource, SourceWire, build_sources

CENTICENT = 100
"""1/10,000 dollar in Money: the unit of rewards."""


class MetadataWire(msgspec.Struct, kw_only=True):
    settlement_sources: list[SourceWire] | None
    competition: str | None = None
    competition_scope: str | None = None


class EventMetadata(msgspec.Struct, frozen=True):
    """An event's own settlement sources, and the competition that it belongs to ("" for none)."""

    settlement_sources: tuple[SettlementSource, ...]
    competition: str
    competition_scope: str


class ProgrammeWire(msgspec.Struct, kw_only=True):
    id: Identifier
    market_ticker: MarketTicker
    incentive_type: Word
    incentive_description: str
    start_date: str
    end_date: str
    period_reward: Centicents
    paid_out: bool
    discount_factor_bps: Duration | None = None
    target_size_fp: str | None = None
    max_reward_per_account: Centicents | None = None


class Programme(msgspec.Struct, frozen=True, kw_only=True):
    """A reward for a market from ``start`` to ``end``, shared among those who earn it. ``kind`` is the raw word.

    ``reward`` is the whole period's, ``most`` what one account can get (None: no limit). ``target_size`` (0: none) is the
    resting count that earns in full, ``discount_bps`` what a tick away from the touch costs.
    """

    id: str
    market_ticker: str
    kind: str
    description: str
    start: datetime
    end: datetime
    reward: Money
    paid_out: bool
    discount_bps: int | None
    target_size: Count
    most: Money | None


def build_metadata(w: MetadataWire) -> EventMetadata:
    """Wire to ours."""
    return EventMetadata(build_sources(w.settlement_sources), w.competition or "", w.competition_scope or "")


def build_programme(w: ProgrammeWire) -> Programme:
    """Wire to ours; refuses one without a time, or with a negative reward."""
    start, end = moment(w.start_date), moment(w.end_date)
    most = w.max_reward_per_account
    if start is None or end is None or w.period_reward < 0 or (most or 0) < 0:
        raise UnitError(f"programme {w.id} from {w.start_date} to {w.end_date} pays {w.period_reward}")
    return Programme(
        id=w.id,
        market_ticker=w.market_ticker,
        kind=w.incentive_type,
        description=w.incentive_description,
        start=start,
        end=end,
        reward=Money(w.period_reward * CENTICENT),
        paid_out=w.paid_out,
        discount_bps=w.discount_factor_bps,
        target_size=optional_count(w.target_size_fp),
        most=None if most is None else Money(most * CENTICENT),
    )


METADATA = decoder_of(MetadataWire)
PROGRAMME = decoder_of(ProgrammeWire)
