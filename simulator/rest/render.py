"""Records as the wire's JSON objects."""

from __future__ import annotations

from typing import Any

from simulator.accounts.records import Fill, Order, Position, Settlement
from simulator.clock import iso, iso_seconds
from simulator.exchange import Exchange
from simulator.listing import terms
from simulator.listing.model import FINALIZED, Event, Market, Series
from simulator.matching.book import BID, Book
from simulator.units import ONE, count2, dollars4, dollars6
from simulator.ws.frames import number, price_ranges, strikes


def market(exchange: Exchange, m: Market) -> dict[str, Any]:
    """A ``Market`` with its present touch; a side exists if and only if its size is above zero (docs/kalshi-protocol.md 7)."""
    book = exchange.books[m.ticker]
    bid, ask = book.best_bid(), book.best_ask()
    yes_bid, yes_ask = bid or 0, ONE if ask is None else ask
    found: dict[str, Any] = {
        "ticker": m.ticker,
        "event_ticker": m.event_ticker,
        "market_type": "binary",
        "title": m.title,
        "yes_sub_title": m.yes_sub_title,
        "no_sub_title": m.no_sub_title,
        "created_time": iso(m.created_ms),
        "updated_time": iso(m.updated_ms),
        "open_time": iso_seconds(m.open_ms),
        "close_time": iso(m.close_ms),
        "expected_expiration_time": iso(m.expected_ms),
        "expiration_time": iso_seconds(m.latest_ms),
        "latest_expiration_time": iso_seconds(m.latest_ms),
        "settlement_timer_seconds": m.settlement_timer_s,
        "status": m.status,
        "yes_bid_dollars": dollars4(yes_bid),
        "yes_bid_size_fp": count2(book.size("bid", bid)),
        "yes_ask_dollars": dollars4(yes_ask),
        "yes_ask_size_fp": count2(book.size("ask", ask)),
        "no_bid_dollars": dollars4(ONE - yes_ask),
        "no_ask_dollars": dollars4(ONE - yes_bid),
        "last_price_dollars": dollars4(m.last_price),
        "volume_fp": count2(m.volume),
        "volume_24h_fp": count2(m.volume_24h),
        "result": m.result,
        "can_close_early": m.can_close_early,
        "open_interest_fp": count2(m.open_interest),
        "notional_value_dollars": "1.0000",
        "previous_yes_bid_dollars": dollars4(m.previous_bid),
        "previous_yes_ask_dollars": dollars4(m.previous_ask),
        "previous_price_dollars": dollars4(m.previous_price),
        "settlement_bounds_type": "default",
        "expiration_value": m.expiration_value,
        "rules_primary": m.rules_primary,
        "rules_secondary": m.rules_secondary,
        "price_level_structure": m.price_level_structure,
        "price_ranges": price_ranges(m),
        "strike_type": m.strike_type,
        "exchange_index": m.shard,
        "early_close_condition": m.early_close_condition,
        "occurrence_datetime": iso(m.expected_ms),
    }
    found |= strikes(m)
    if m.settlement_value is not None:
        found["settlement_value_dollars"] = dollars4(m.settlement_value)
    if m.status == FINALIZED and m.settled_ms is not None:
        found["settlement_ts"] = iso(m.settled_ms)
    return found


def event(exchange: Exchange, e: Event, markets: list[Market] | None) -> dict[str, Any]:
    """An ``EventData``, with its markets nested if they are given."""
    series_of = exchange.series[e.series_ticker]
    found: dict[str, Any] = {
        "event_ticker": e.ticker,
        "series_ticker": e.series_ticker,
        "title": e.title,
        "sub_title": e.sub_title,
        "collateral_return_type": e.collateral_return_type,
        "mutually_exclusive": e.mutually_exclusive,
        "category": e.category,
        "settlement_sources": series_of.settlement_sources,
        "last_updated_ts": iso(e.updated_ms),
        "exchange_index": e.shard,
    }
    if e.strike_ms is not None:
        found["strike_date"] = iso_seconds(e.strike_ms)
    if e.strike_period:
        found["strike_period"] = e.strike_period
    if e.fee_type_override is not None:
        found["fee_type_override"] = e.fee_type_override
    if e.fee_multiplier_override is not None:
        found["fee_multiplier_override"] = number(e.fee_multiplier_override)
    if markets is not None:
        found["markets"] = [market(exchange, m) for m in markets]
    return found


def series(exchange: Exchange, s: Series, volume: int | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ticker": s.ticker,
        "frequency": s.frequency,
        "title": s.title,
        "category": s.category,
        "categories": [s.category],
        "tags": s.tags or None,
        "settlement_sources": s.settlement_sources,
        "contract_url": f"https://kalshi-public-docs.s3.amazonaws.com/regulatory/product-certifications/{s.ticker}.pdf",
        "contract_terms_url": terms.url_of(exchange, s),
        "fee_type": s.fee_type,
        "fee_multiplier": number(s.fee_multiplier),
        "additional_prohibitions": None,
        "last_updated_ts": iso(s.updated_ms),
        "exchange_index": s.shard,
    }
    if volume is not None:
        found["volume_fp"] = count2(volume)
    return found


def orderbook(book: Book | None, depth: int = 0) -> dict[str, Any]:
    """Bids of both sides, ascending; an unknown market has an empty book (docs/kalshi-protocol.md 7)."""
    yes = book.yes_levels() if book else []
    no = book.no_levels() if book else []
    if depth:
        yes, no = yes[-depth:], no[-depth:]
    return {
        "yes_dollars": [[dollars4(p), count2(c)] for p, c in yes],
        "no_dollars": [[dollars4(p), count2(c)] for p, c in no],
    }


def trade(t: dict[str, Any]) -> dict[str, Any]:
    outcome = "yes" if t["taker_side"] == BID else "no"
    return {
        "trade_id": t["trade_id"],
        "ticker": t["ticker"],
        "count_fp": count2(t["count"]),
        "yes_price_dollars": dollars4(t["price"]),
        "no_price_dollars": dollars4(ONE - t["price"]),
        "taker_side": outcome,
        "taker_outcome_side": outcome,
        "taker_book_side": t["taker_side"],
        "created_time": iso(t["ms"]),
        "is_block_trade": False,
    }


def order(exchange: Exchange, o: Order) -> dict[str, Any]:
    outcome = "yes" if o.book_side == BID else "no"
    found: dict[str, Any] = {
        "order_id": o.order_id,
        "user_id": exchange.user_id,
        "client_order_id": o.client_order_id,
        "ticker": o.ticker,
        "side": outcome,
        "action": "buy",
        "outcome_side": outcome,
        "book_side": o.book_side,
        "type": "limit",
        "status": o.status,
        "yes_price_dollars": dollars4(o.price),
        "no_price_dollars": dollars4(ONE - o.price),
        "fill_count_fp": count2(o.filled),
        "remaining_count_fp": count2(o.remaining),
        "initial_count_fp": count2(o.initial),
        "taker_fill_cost_dollars": dollars6(o.taker_cost),
        "maker_fill_cost_dollars": dollars6(o.maker_cost),
        "taker_fees_dollars": dollars6(o.taker_fees),
        "maker_fees_dollars": dollars6(o.maker_fees),
        "expiration_time": iso_seconds(o.expiration_s * 1000) if o.expiration_s else None,
        "created_time": iso(o.created_ms),
        "last_update_time": iso(o.updated_ms),
        "self_trade_prevention_type": o.stp,
        "order_group_id": o.group_id or None,
        "cancel_order_on_pause": o.cancel_on_pause,
        "subaccount_number": o.subaccount,
        "exchange_index": o.shard,
    }
    return found


def fill(f: Fill) -> dict[str, Any]:
    outcome = "yes" if f.book_side == BID else "no"
    return {
        "fill_id": f.fill_id,
        "exchange_index": f.shard,
        "trade_id": f.fill_id,
        "order_id": f.order_id,
        "ticker": f.ticker,
        "market_ticker": f.ticker,
        "side": outcome,
        "action": "buy",
        "outcome_side": outcome,
        "book_side": f.book_side,
        "count_fp": count2(f.count),
        "yes_price_dollars": dollars4(f.price),
        "no_price_dollars": dollars4(ONE - f.price),
        "is_taker": f.is_taker,
        "created_time": iso(f.created_ms),
        "fee_cost": dollars6(f.fee),
        "subaccount_number": f.subaccount,
        "ts": f.created_ms // 1000,
    }


def position(p: Position) -> dict[str, Any]:
    return {
        "ticker": p.ticker,
        "exchange_index": p.shard,
        "total_traded_dollars": dollars6(p.traded),
        "position_fp": count2(p.count),
        "market_exposure_dollars": dollars6(p.cost),
        "realized_pnl_dollars": dollars6(p.realised),
        "fees_paid_dollars": dollars6(p.fees),
        "last_updated_ts": iso(p.updated_ms),
    }


def event_position(ticker: str, held: list[Position]) -> dict[str, Any]:
    return {
        "event_ticker": ticker,
        "total_cost_dollars": dollars6(sum(p.traded for p in held)),
        "total_cost_shares_fp": count2(sum(p.volume for p in held)),
        "event_exposure_dollars": dollars6(sum(p.cost for p in held)),
        "realized_pnl_dollars": dollars6(sum(p.realised for p in held)),
        "fees_paid_dollars": dollars6(sum(p.fees for p in held)),
    }


def settlement(s: Settlement) -> dict[str, Any]:
    return {
        "ticker": s.ticker,
        "exchange_index": s.shard,
        "event_ticker": s.event_ticker,
        "market_result": s.result,
        "yes_count_fp": count2(s.yes_count),
        "yes_total_cost_dollars": dollars6(s.yes_cost),
        "no_count_fp": count2(s.no_count),
        "no_total_cost_dollars": dollars6(s.no_cost),
        "revenue": s.revenue // 10_000,
        "settled_time": iso(s.settled_ms),
        "fee_cost": dollars6(s.fee),
        "value": s.value // 100,
    }
