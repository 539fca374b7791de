"""Messages about the lives of markets and events into frames; see ``parser``."""

from __future__ import annotations

from markets.kalshi.schemas.market import build_bands

from ..scalars import decimal, kept_object, moment_from_seconds, optional_multiplier, optional_price
from ..vocabulary import LifecycleEvent, MarketResult
from .lifecycle_frames import EventFeeFrame, EventLifecycleFrame, LifecycleFrame, MarketMetadata
from .lifecycle_wire import LifecycleMsg
from .wire import EventFee, EventLifecycle, Lifecycle


def lifecycle(wire: Lifecycle) -> LifecycleFrame:
    """A market's change of state. An unknown result is refused, an unknown event is carried."""
    m = wire.msg
    return LifecycleFrame(
        sid=wire.sid,
        seq=wire.seq,
        market_ticker=m.market_ticker,
        event_type=LifecycleEvent(m.event_type),
        exchange_index=m.exchange_index,
        open_time=moment_from_seconds(m.open_ts),
        close_time=moment_from_seconds(m.close_ts),
        determination_time=moment_from_seconds(m.determination_ts),
        settled_time=moment_from_seconds(m.settled_ts),
        result=MarketResult(m.result or ""),
        settlement_value=optional_price(m.settlement_value),
        is_deactivated=m.is_deactivated,
        price_level_structure=m.price_level_structure,
        price_bands=None if m.price_ranges is None else build_bands(m.price_ranges),
        metadata=_metadata(m),
    )


def _metadata(m: LifecycleMsg) -> MarketMetadata | None:
    """``created`` nests what it says about the market, ``metadata_updated`` has it at the top."""
    a = m.additional_metadata
    if a is None:
        if m.event_type != "metadata_updated":
            return None
        return MarketMetadata(
            yes_sub_title=m.yes_sub_title,
            strike_type=m.strike_type,
            floor_strike=decimal(m.floor_strike),
            cap_strike=decimal(m.cap_strike),
            custom_strike=kept_object(m.custom_strike),
        )
    return MarketMetadata(
        event_ticker=a.event_ticker,
        name=a.name,
        title=a.title,
        yes_sub_title=a.yes_sub_title,
        no_sub_title=a.no_sub_title,
        rules_primary=a.rules_primary,
        rules_secondary=a.rules_secondary,
        can_close_early=a.can_close_early,
        expected_expiration=moment_from_seconds(a.expected_expiration_ts),
        strike_type=a.strike_type,
        floor_strike=decimal(a.floor_strike),
        cap_strike=decimal(a.cap_strike),
        custom_strike=kept_object(a.custom_strike),
    )


def event_lifecycle(wire: EventLifecycle) -> EventLifecycleFrame:
    """A new event."""
    m = wire.msg
    return EventLifecycleFrame(
        sid=wire.sid,
        seq=wire.seq,
        event_ticker=m.event_ticker,
        series_ticker=m.series_ticker,
        exchange_index=m.exchange_index,
        title=m.title,
        sub_title=m.subtitle,
        collateral_return_type=m.collateral_return_type,
        strike_date=moment_from_seconds(m.strike_date),
        strike_period=m.strike_period,
    )


def event_fee(wire: EventFee) -> EventFeeFrame:
    """A fee override, raw."""
    m = wire.msg
    multiplier = optional_multiplier(m.fee_multiplier_override)
    return EventFeeFrame(wire.sid, wire.seq, m.event_ticker, m.fee_type_override or None, multiplier)
