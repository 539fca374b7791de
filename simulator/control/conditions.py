"""Control actions that make the exchange a harsher place: jumping books, a second actor, ghost fills, restarts, announced pauses."""

from __future__ import annotations

from typing import Any

from simulator.accounts.records import Fill
from simulator.errors import ActionError
from simulator.exchange import Exchange
from simulator.flow import jumps, order_flow, second_actor
from simulator.units import parse_count, parse_price

from .exchange_actions import set_status


def _tickers(exchange: Exchange, body: dict[str, Any]) -> list[str]:
    """The markets meant: ``tickers``, ``ticker``, or all of ``event_ticker``."""
    event = exchange.events.get(str(body.get("event_ticker")))
    found = list(body.get("tickers") or ([body["ticker"]] if "ticker" in body else event.markets if event else []))
    if not found or any(ticker not in exchange.markets for ticker in found):
        raise ActionError("tickers, ticker or event_ticker names markets of this exchange")
    return found


def _jump(exchange: Exchange, body: dict[str, Any]) -> Any:
    """``{"tickers" | "ticker" | "event_ticker", "shape"?}``: books jump to a shape, or each to one that is drawn (``any``)."""
    shape = str(body.get("shape", "any"))
    if shape != "any" and shape not in jumps.SHAPES:
        raise ActionError(f"shape is any or one of {', '.join(sorted(jumps.SHAPES))}")
    rng = exchange.streams.stream("jumps")
    return {t: jumps.jump(exchange, exchange.markets[t], shape, rng) for t in _tickers(exchange, body)}


def _actor(exchange: Exchange, body: dict[str, Any]) -> Any:
    """``{"do", "tickers"...}``: somebody else acts on the account; prices and counts as strings of the wire."""
    what = str(body.get("do", "any"))
    if what != "any" and what not in second_actor.ACTS:
        raise ActionError(f"do is any or one of {', '.join(sorted(second_actor.ACTS))}")
    terms = dict(body)
    if what not in ("deposit", "withdraw"):
        terms["tickers"] = _tickers(exchange, body)
    if "price" in body:
        terms["price"] = parse_price(body["price"])
    if "count" in body:
        terms["count"] = parse_count(body["count"])
    return second_actor.act(exchange, what, terms, exchange.streams.stream("second actor"))


def _deposit(exchange: Exchange, body: dict[str, Any]) -> Any:
    """Change cash: ``{"shard", "subaccount"?, "amount"}`` in micro-dollars (negative: withdraw)."""
    amount = int(body["amount"])
    account = (int(body.get("subaccount", 0)), int(body.get("shard", 0)))
    if amount:
        second_actor.fund(exchange, "deposit" if amount > 0 else "withdrawal", account, abs(amount))
    return {"deposits": exchange.deposits}


def _ghost_fill(exchange: Exchange, body: dict[str, Any]) -> Any:
    """``{"order_id", "price"?, "count"?}``: the fill channel reports a fill that never happened; no read will ever show it."""
    order = exchange.ledger.orders.get(str(body.get("order_id")))
    if order is None:
        raise ActionError("order_id is no order of this exchange")
    price = parse_price(body["price"]) if "price" in body else order.price
    count = parse_count(body["count"]) if "count" in body else max(order.remaining, 1)
    held = exchange.ledger.position(order.subaccount, order.ticker)
    trade_id = exchange.streams.new_id("ghost")
    exchange.feed.fill(
        Fill(
            trade_id,
            order.order_id,
            order.client_order_id,
            order.ticker,
            order.event_ticker,
            order.shard,
            order.subaccount,
            order.book_side,
            price,
            count,
            True,
            0,
            0,
            0,
            held + (count if order.book_side == "bid" else -count),
            exchange.now(),
        )
    )
    return {"trade_id": trade_id}


def _restart(exchange: Exchange, body: dict[str, Any]) -> Any:
    """``{"for_ms"?}``: every connection is dropped, requests get 503 so long, market clocks and caches begin again."""
    exchange.down_until_ms = exchange.now() + int(body.get("for_ms", 0))
    exchange.cache.clear()
    for market in exchange.markets.values():
        market.clock = 0
    return {"closed": exchange.hub.disconnect(1011), "down_until_ms": exchange.down_until_ms}


def _maintenance(exchange: Exchange, body: dict[str, Any]) -> Any:
    """``{"in_ms", "for_ms", "exchange"?, "shard"?}``: an announced pause, listed in the exchange's schedule until it is over."""
    start = exchange.now() + int(body.get("in_ms", 0))
    length = int(body["for_ms"])
    paused = "exchange_paused" if body.get("exchange") else "trading_paused"
    status = {paused: True, "for_ms": length} | ({"shard": body["shard"]} if "shard" in body else {})
    exchange.state.announced.append((start, start + length))
    exchange.timers.at(start, lambda: set_status(exchange, status))
    return {"from_ms": start, "until_ms": start + length}


def _terms(exchange: Exchange, body: dict[str, Any]) -> Any:
    """``{"series_ticker", "contract_terms_url"}``: another document is the series' contract terms from now on."""
    series = exchange.series.get(str(body.get("series_ticker")))
    if series is None:
        raise ActionError("series_ticker is no series of this exchange")
    series.contract_terms_url, series.updated_ms = str(body["contract_terms_url"]), exchange.now()
    return {"series_ticker": series.ticker, "contract_terms_url": series.contract_terms_url}


def _incentive(exchange: Exchange, body: dict[str, Any]) -> Any:
    """``{"ticker", "period_reward", "in_ms"?, "for_ms", "target_size"?, "discount_factor_bps"?, "type"?}``; reward in 1/10,000 dollar."""
    market = exchange.markets[str(body["ticker"])]
    start = exchange.now() + int(body.get("in_ms", 0))
    program = {
        "id": exchange.streams.new_id("incentive"),
        "market_id": market.market_id,
        "market_ticker": market.ticker,
        "incentive_type": str(body.get("type", "liquidity")),
        "incentive_description": str(body.get("description", "for resting orders near the touch")),
        "start_ms": start,
        "end_ms": start + int(body["for_ms"]),
        "period_reward": int(body["period_reward"]),
        "paid_out": bool(body.get("paid_out", False)),
        "discount_factor_bps": body.get("discount_factor_bps"),
        "target_size": parse_count(body["target_size"]) if "target_size" in body else None,
        "max_reward_per_account": body.get("max_reward_per_account"),
    }
    exchange.incentives.append(program)
    return program


def _flow(exchange: Exchange, body: dict[str, Any]) -> Any:
    """``{"tickers"..., "kind": "benign" | "informed" | "thin" | "none"}``: single orders around a hidden fair value."""
    kind, fair = str(body.get("kind", "informed")), {}
    if kind != "none" and kind not in order_flow.KINDS:
        raise ActionError(f"kind is none or one of {', '.join(order_flow.KINDS)}")
    for ticker in _tickers(exchange, body):
        if kind == "none":
            order_flow.stop(exchange, ticker)
        else:
            fair[ticker] = order_flow.start(exchange, exchange.markets[ticker], kind).fair
    return {"fair": fair}


ACTIONS = {
    "flow": _flow,
    "incentive": _incentive,
    "jump": _jump,
    "actor": _actor,
    "deposit": _deposit,
    "ghost_fill": _ghost_fill,
    "restart": _restart,
    "maintenance": _maintenance,
    "series/terms": _terms,
}
