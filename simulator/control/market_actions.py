"""Admin actions on one market or event: the whole lifecycle by hand, its book, its grid, its rules."""

from __future__ import annotations

import copy
from typing import Any

from simulator.errors import ActionError
from simulator.exchange import Exchange
from simulator.flow import jumps
from simulator.listing import lifecycle
from simulator.listing.model import FINALIZED, STRUCTURES, Event, Market
from simulator.matching.book import ASK, BID
from simulator.matching.engine import execute_market_maker
from simulator.randomness import named_id
from simulator.units import ONE, count2, dollars4, parse_count, parse_price
from simulator.ws.frames import number


def _shown(market: Market) -> dict[str, Any]:
    return {
        "ticker": market.ticker,
        "status": market.status,
        "close_ms": market.close_ms,
        "result": market.result,
        "settlement_value": market.settlement_value,
    }


def _pause(exchange: Exchange, market: Market, body: dict[str, Any]) -> Any:
    """Pause; with ``for_ms`` it resumes by itself, which cancels all resting orders."""
    lifecycle.pause(exchange, market)
    if "for_ms" in body:
        exchange.timers.at(exchange.now() + int(body["for_ms"]), lambda: lifecycle.resume(exchange, market))
    return _shown(market)


def _resume(exchange: Exchange, market: Market, body: dict[str, Any]) -> Any:
    lifecycle.resume(exchange, market)
    return _shown(market)


def _close(exchange: Exchange, market: Market, body: dict[str, Any]) -> Any:
    """Close now, or in ``in_ms``."""
    lifecycle.set_close(exchange, market, exchange.now() + int(body.get("in_ms", 0)))
    exchange.advance()
    return _shown(market)


def _reopen(exchange: Exchange, market: Market, body: dict[str, Any]) -> Any:
    """Trade again for ``for_ms`` (default one hour)."""
    if market.status == FINALIZED:
        raise ActionError("a finalised market does not reopen")
    lifecycle.reopen(exchange, market, exchange.now() + int(body.get("for_ms", 3_600_000)))
    return _shown(market)


def _determine(exchange: Exchange, market: Market, body: dict[str, Any]) -> Any:
    """``{"result": "yes"|"no"|"scalar", "value"?}``; on a determined or disputed market this amends it."""
    result = body.get("result")
    if result not in ("yes", "no", "scalar") or market.status == FINALIZED:
        raise ActionError("result is yes, no or scalar, on a market that is not finalised")
    value = {"yes": ONE, "no": 0}.get(result)
    if value is None:
        value = parse_price(body.get("value", "0.5000"))
        if value > ONE:
            raise ActionError("a settlement value lies between 0 and 1")
    market.on_hold = bool(body.get("hold", False))
    lifecycle.determine(exchange, market, result, value)
    return _shown(market)


def _hold(exchange: Exchange, market: Market, body: dict[str, Any]) -> Any:
    """Take a market off the settlement timers: it is determined and finalised only by hand."""
    market.on_hold = bool(body.get("held", True))
    return _shown(market)


def _dispute(exchange: Exchange, market: Market, body: dict[str, Any]) -> Any:
    if market.status not in ("determined", "amended"):
        raise ActionError("only a determined market can be disputed")
    lifecycle.dispute(exchange, market)
    return _shown(market)


def _finalize(exchange: Exchange, market: Market, body: dict[str, Any]) -> Any:
    if market.settlement_value is None or market.status == FINALIZED:
        raise ActionError("determine the market first")
    lifecycle.finalize(exchange, market)
    return _shown(market)


def _structure(exchange: Exchange, market: Market, body: dict[str, Any]) -> Any:
    """``{"structure"}``: another price grid, published as price_level_structure_updated; market makers leave what is off it."""
    name = body.get("structure", "deci_cent")
    if name not in STRUCTURES:
        raise ActionError(f"structure is one of {', '.join(STRUCTURES)}")
    market.price_level_structure = name
    market.ranges = [list(band) for band in STRUCTURES[name]]
    jumps.leave_off_grid(exchange, market)
    _changed(exchange, market, "price_level_structure_updated")
    return {"ticker": market.ticker, "structure": name}


def _book(exchange: Exchange, market: Market, body: dict[str, Any]) -> Any:
    """``{"yes": [[price, count]...], "no": [...]}``: replace the market makers' orders with exactly these levels (bids of each side)."""
    levels = [(BID, parse_price(p), parse_count(c)) for p, c in body.get("yes", [])]
    levels += [(ASK, ONE - parse_price(p), parse_count(c)) for p, c in body.get("no", [])]
    jumps.replace_levels(exchange, market, levels)
    book = exchange.books[market.ticker]
    if body.get("freeze", True):
        market.quoted = False
    return {
        "ticker": market.ticker,
        "yes": [(dollars4(p), count2(c)) for p, c in book.yes_levels()],
        "no": [(dollars4(p), count2(c)) for p, c in book.no_levels()],
    }


def _trade(exchange: Exchange, market: Market, body: dict[str, Any]) -> Any:
    """``{"side", "price", "count", "rest"?}``: one order of a market maker, so that resting orders of the account fill."""
    side = body.get("side")
    if side not in (BID, ASK):
        raise ActionError("side is bid or ask")
    execute_market_maker(
        exchange,
        market,
        side,
        parse_price(body["price"]),
        parse_count(body["count"]),
        rest=bool(body.get("rest", False)),
    )
    return {"ticker": market.ticker, "volume": market.volume}


def _rules(exchange: Exchange, market: Market, body: dict[str, Any]) -> Any:
    """``{"rules_primary"?, "rules_secondary"?, "yes_sub_title"?, "floor_strike"?, "cap_strike"?}``."""
    for name in ("rules_primary", "rules_secondary", "yes_sub_title", "floor_strike", "cap_strike"):
        if name in body:
            setattr(market, name, body[name])
    _changed(exchange, market, "metadata_updated")
    return {"ticker": market.ticker, "rules_primary": market.rules_primary}


def _changed(exchange: Exchange, market: Market, kind: str) -> None:
    market.updated_ms = exchange.now()
    exchange.relisted.add(market.ticker)
    exchange.hub.lifecycle(market, kind)


def _remove(exchange: Exchange, market: Market, body: dict[str, Any]) -> Any:
    """An outcome disappears from its event's listing, as an early-settled one does."""
    event = exchange.events[market.event_ticker]
    event.markets.remove(market.ticker)
    exchange.relisted.add(event.ticker)
    return {"event_ticker": event.ticker, "markets": event.markets}


ACTIONS = {
    "pause": _pause,
    "resume": _resume,
    "close": _close,
    "reopen": _reopen,
    "determine": _determine,
    "hold": _hold,
    "dispute": _dispute,
    "finalize": _finalize,
    "structure": _structure,
    "book": _book,
    "trade": _trade,
    "rules": _rules,
    "remove": _remove,
}


def _event(exchange: Exchange, body: dict[str, Any]) -> Event:
    event = exchange.events.get(str(body.get("event_ticker")))
    if event is None:
        raise ActionError("event_ticker is no event of this exchange")
    return event


def _set_outcome(exchange: Exchange, body: dict[str, Any]) -> Any:
    """``{"event_ticker", "outcome"}``: a market's ticker, "void", or "" for none of the listed."""
    event = _event(exchange, body)
    outcome = body.get("outcome", "")
    if outcome not in ("", "void", *event.markets):
        raise ActionError('outcome is a market of the event, "void" or ""')
    event.outcome = outcome
    exchange.relisted.add(event.ticker)
    return {"event_ticker": event.ticker, "outcome": outcome}


def _add_outcome(exchange: Exchange, body: dict[str, Any]) -> Any:
    """``{"event_ticker", "suffix", "yes_sub_title"?}``: one more market, after the last one's model, with an empty book."""
    event = _event(exchange, body)
    model = exchange.markets[event.markets[-1]]
    ticker = f"{event.ticker}-{body['suffix']}"
    if ticker in exchange.markets:
        raise ActionError("this market exists already")
    market = copy.deepcopy(model)
    market.ticker, market.market_id, market.strike_type = ticker, named_id("market", ticker), "custom"
    market.yes_sub_title = market.no_sub_title = str(body.get("yes_sub_title", body["suffix"]))
    market.floor_strike = market.cap_strike = None
    market.created_ms = market.updated_ms = market.open_ms = exchange.now()
    market.quoted, market.clock, market.anchor, market.volume, market.open_interest = False, 0, 0.0005, 0, 0
    exchange.add_market(market, [], [])
    event.markets.append(ticker)
    event.updated_ms = exchange.now()
    exchange.hub.lifecycle(market, "created")
    lifecycle.schedule_close(exchange, market)
    return {"event_ticker": event.ticker, "markets": event.markets}


def _set_event_fees(exchange: Exchange, body: dict[str, Any]) -> Any:
    """``{"event_ticker", "fee_type", "fee_multiplier", "in_ms"?}``; null clears the override."""
    event = _event(exchange, body)
    multiplier = body.get("fee_multiplier")
    units = None if multiplier is None else round(float(multiplier) * 10_000)

    def apply() -> None:
        event.fee_type_override, event.fee_multiplier_override = body.get("fee_type"), units
        event.updated_ms = exchange.now()
        exchange.relisted.add(event.ticker)
        exchange.hub.event_fee(event)

    exchange.fee_changes.append(
        {
            "id": exchange.streams.new_id("fee_change"),
            "event_ticker": event.ticker,
            "series_ticker": event.series_ticker,
            "fee_type_override": body.get("fee_type"),
            "fee_multiplier_override": None if units is None else number(units),
            "at_ms": _when(exchange, body, apply),
        }
    )
    return {"event_ticker": event.ticker}


def _set_series_fees(exchange: Exchange, body: dict[str, Any]) -> Any:
    """``{"series_ticker", "fee_type", "fee_multiplier", "in_ms"?}``."""
    series = exchange.series.get(str(body.get("series_ticker")))
    if series is None:
        raise ActionError("series_ticker is no series of this exchange")
    kind, units = str(body["fee_type"]), round(float(body["fee_multiplier"]) * 10_000)

    def apply() -> None:
        series.fee_type, series.fee_multiplier, series.updated_ms = kind, units, exchange.now()

    exchange.fee_changes.append(
        {
            "id": exchange.streams.new_id("fee_change"),
            "series_ticker": series.ticker,
            "fee_type": kind,
            "fee_multiplier": number(units),
            "at_ms": _when(exchange, body, apply),
        }
    )
    return {"series_ticker": series.ticker}


def _when(exchange: Exchange, body: dict[str, Any], apply: Any) -> int:
    """Apply now, or in ``in_ms``; returns the instant."""
    delay = int(body.get("in_ms", 0))
    if delay <= 0:
        apply()
    else:
        exchange.timers.at(exchange.now() + delay, apply)
    return exchange.now() + max(delay, 0)


EVENT_ACTIONS = {
    "event/outcome": _set_outcome,
    "event/add_market": _add_outcome,
    "event/fees": _set_event_fees,
    "series/fees": _set_series_fees,
}
