"""Message bodies as JSON bytes, built once and shared by every subscription that gets them."""

from __future__ import annotations

from typing import Any

import msgspec

from simulator.accounts.records import Fill, Group, Order, Position
from simulator.clock import iso
from simulator.core import ExchangeCore
from simulator.listing.model import Event, Market
from simulator.matching.book import BID, Book
from simulator.units import DOLLAR, ONE, count2, dollars4, dollars6

encode = msgspec.json.encode


def ticker(market: Market, book: Book, now: int) -> bytes:
    """The ``ticker`` message. A side without a level has size 0.00; its price is the usual sentinel."""
    bid, ask = book.best_bid(), book.best_ask()
    return (
        f'{{"market_ticker":"{market.ticker}","market_id":"{market.market_id}","price_dollars":"{dollars4(market.last_price)}",'
        f'"yes_bid_dollars":"{dollars4(bid or 0)}","yes_ask_dollars":"{dollars4(ONE if ask is None else ask)}",'
        f'"yes_bid_size_fp":"{count2(book.size("bid", bid))}","yes_ask_size_fp":"{count2(book.size("ask", ask))}",'
        f'"last_trade_size_fp":"{count2(market.last_trade_size)}","volume_fp":"{count2(market.volume)}",'
        f'"open_interest_fp":"{count2(market.open_interest)}","dollar_volume":{market.dollar_volume // DOLLAR},'
        f'"dollar_open_interest":{market.open_interest * market.last_price // DOLLAR},"ts":{now // 1000},"ts_ms":{now},'
        f'"time":"{iso(now)}"}}'
    ).encode()


def snapshot(market: Market, book: Book, yes_price: bool) -> bytes:
    """The ``orderbook_snapshot`` message; an empty side is an absent key."""
    body: dict[str, Any] = {"market_ticker": market.ticker, "market_id": market.market_id, "clock": market.clock}
    yes, no = book.yes_levels(), book.no_levels()
    if yes_price:
        no = sorted((ONE - price, count) for price, count in no)
    if yes:
        body["yes_dollars_fp"] = [(dollars4(p), count2(c)) for p, c in yes]
    if no:
        body["no_dollars_fp"] = [(dollars4(p), count2(c)) for p, c in no]
    return encode(body)


def delta(market: Market, side: str, price: int, change: int, yes_price: bool, order: object, now: int) -> bytes:
    """The ``orderbook_delta`` message; a change by an own order carries its client id."""
    shown = price if side == BID or yes_price else ONE - price
    own = (
        f',"client_order_id":"{order.client_order_id}","subaccount":{order.subaccount}'
        if isinstance(order, Order)
        else ""
    )
    return (
        f'{{"market_ticker":"{market.ticker}","market_id":"{market.market_id}","clock":{market.clock},'
        f'"price_dollars":"{dollars4(shown)}","delta_fp":"{count2(change)}","side":"{"yes" if side == BID else "no"}",'
        f'"ts":"{iso(now)}","ts_ms":{now}{own}}}'
    ).encode()


def trade(market: Market, trade_id: str, price: int, count: int, taker_side: str, now: int) -> bytes:
    outcome = "yes" if taker_side == BID else "no"
    return encode(
        {
            "trade_id": trade_id,
            "market_ticker": market.ticker,
            "yes_price_dollars": dollars4(price),
            "no_price_dollars": dollars4(ONE - price),
            "count_fp": count2(count),
            "taker_side": outcome,
            "taker_outcome_side": outcome,
            "taker_book_side": taker_side,
            "is_block_trade": False,
            "ts": now // 1000,
            "ts_ms": now,
        }
    )


def fill(record: Fill) -> bytes:
    outcome = "yes" if record.book_side == BID else "no"
    return encode(
        {
            "trade_id": record.fill_id,
            "order_id": record.order_id,
            "client_order_id": record.client_order_id,
            "market_ticker": record.ticker,
            "exchange_index": record.shard,
            "is_taker": record.is_taker,
            "side": outcome,
            "action": "buy",
            "purchased_side": outcome,
            "outcome_side": outcome,
            "book_side": record.book_side,
            "yes_price_dollars": dollars4(record.price),
            "count_fp": count2(record.count),
            "fee_cost": dollars6(record.fee),
            "post_position_fp": count2(record.post_position),
            "ts": record.created_ms // 1000,
            "ts_ms": record.created_ms,
            "subaccount": record.subaccount,
        }
    )


def order(exchange: ExchangeCore, record: Order) -> bytes:
    outcome = "yes" if record.book_side == BID else "no"
    body = {
        "order_id": record.order_id,
        "user_id": exchange.user_id,
        "ticker": record.ticker,
        "exchange_index": record.shard,
        "status": record.status,
        "side": outcome,
        "is_yes": outcome == "yes",
        "outcome_side": outcome,
        "book_side": record.book_side,
        "yes_price_dollars": dollars4(record.price),
        "initial_count_fp": count2(record.initial),
        "fill_count_fp": count2(record.filled),
        "remaining_count_fp": count2(record.remaining),
        "taker_fill_cost_dollars": dollars6(record.taker_cost),
        "maker_fill_cost_dollars": dollars6(record.maker_cost),
        "taker_fees_dollars": dollars6(record.taker_fees),
        "maker_fees_dollars": dollars6(record.maker_fees),
        "client_order_id": record.client_order_id,
        "self_trade_prevention_type": record.stp,
        "created_time": iso(record.created_ms),
        "created_ts_ms": record.created_ms,
        "last_update_time": iso(record.updated_ms),
        "last_updated_ts_ms": record.updated_ms,
        "subaccount_number": record.subaccount,
    }
    if record.group_id:
        body["order_group_id"] = record.group_id
    if record.reason:
        body["last_update_reason"] = record.reason
    if record.expiration_s:
        body["expiration_time"] = iso(record.expiration_s * 1000)
        body["expiration_ts_ms"] = record.expiration_s * 1000
    return encode(body)


def position(exchange: ExchangeCore, record: Position) -> bytes:
    return encode(
        {
            "user_id": exchange.user_id,
            "market_ticker": record.ticker,
            "position_fp": count2(record.count),
            "position_cost_dollars": dollars6(record.cost),
            "realized_pnl_dollars": dollars6(record.realised),
            "fees_paid_dollars": dollars6(record.fees),
            "position_fee_cost_dollars": dollars6(record.open_fees),
            "volume_fp": count2(record.volume),
            "subaccount": record.subaccount,
        }
    )


def lifecycle(market: Market, kind: str) -> bytes:
    """A ``market_lifecycle_v2`` message; instants in seconds."""
    body: dict[str, Any] = {"market_ticker": market.ticker, "event_type": kind}
    if kind == "created":
        body |= {
            "exchange_index": market.shard,
            "open_ts": market.open_ms // 1000,
            "close_ts": market.close_ms // 1000,
            "price_level_structure": market.price_level_structure,
            "additional_metadata": _metadata(market),
        }
    elif kind == "close_date_updated":
        body["close_ts"] = market.close_ms // 1000
    elif kind == "determined":
        body |= {
            "determination_ts": (market.determined_ms or 0) // 1000,
            "result": market.result,
            "settlement_value": dollars4(market.settlement_value or 0),
        }
    elif kind == "settled":
        body["settled_ts"] = (market.settled_ms or 0) // 1000
    elif kind in ("deactivated", "activated"):
        body["is_deactivated"] = kind == "deactivated"
    elif kind == "price_level_structure_updated":
        body |= {"price_level_structure": market.price_level_structure, "price_ranges": price_ranges(market)}
    elif kind == "metadata_updated":
        body |= {"yes_sub_title": market.yes_sub_title, "strike_type": market.strike_type} | strikes(market)
    return encode(body)


def price_ranges(market: Market) -> list[dict[str, str]]:
    return [{"start": dollars4(a), "end": dollars4(b), "step": dollars4(s)} for a, b, s in market.ranges]


def strikes(market: Market) -> dict[str, Any]:
    found = {
        "floor_strike": market.floor_strike,
        "cap_strike": market.cap_strike,
        "custom_strike": market.custom_strike,
    }
    return {name: value for name, value in found.items() if value is not None}


def _metadata(market: Market) -> dict[str, Any]:
    return {
        "name": market.yes_sub_title,
        "title": market.title,
        "yes_sub_title": market.yes_sub_title,
        "no_sub_title": market.no_sub_title,
        "rules_primary": market.rules_primary,
        "rules_secondary": market.rules_secondary,
        "can_close_early": market.can_close_early,
        "event_ticker": market.event_ticker,
        "expected_expiration_ts": market.expected_ms // 1000,
        "strike_type": market.strike_type,
    } | strikes(market)


def event(record: Event) -> bytes:
    body: dict[str, Any] = {
        "event_ticker": record.ticker,
        "exchange_index": record.shard,
        "title": record.title,
        "subtitle": record.sub_title,
        "collateral_return_type": record.collateral_return_type,
        "series_ticker": record.series_ticker,
    }
    if record.strike_ms is not None:
        body["strike_date"] = record.strike_ms // 1000
    return encode(body)


def event_fee(record: Event) -> bytes:
    multiplier = record.fee_multiplier_override
    return encode(
        {
            "event_ticker": record.ticker,
            "fee_type_override": record.fee_type_override,
            "fee_multiplier_override": None if multiplier is None else number(multiplier),
        }
    )


def number(ten_thousandths: int) -> int | float:
    """A multiplier as a JSON number."""
    return ten_thousandths // 10_000 if ten_thousandths % 10_000 == 0 else ten_thousandths / 10_000


def group(record: Group, kind: str, now: int) -> bytes:
    body: dict[str, Any] = {"event_type": kind, "order_group_id": record.group_id, "ts_ms": now}
    if kind in ("created", "limit_updated"):
        body["contracts_limit_fp"] = count2(record.limit)
    return encode(body)
