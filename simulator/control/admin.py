"""``/twin/...``: what a test does to the exchange. Loopback only, unsigned, no part of Kalshi's surface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

from simulator.config import SHARDS, SimulatorConfig
from simulator.exchange import Exchange
from simulator.faults.schedule import FaultError
from simulator.flow import edges
from simulator.listing import lifecycle, maintenance
from simulator.listing.model import Market

from . import admin_markets
from .internal_state import internal_state

Answer = tuple[int, Any]


class AdminError(Exception):
    """A wrong admin request; the message is one sentence."""


_LIVE_SETTINGS = {
    "read_delay_ms",
    "stale_cache_ms",
    "latency_ms",
    "rate_limits",
    "determination_delay_ms",
    "settlement_timer_s",
    "roll",
    "flow_events_per_step",
    "taker_chance",
    "buffer_limit_bytes",
    "subscription_market_cap",
    "batch_maximum",
    "fee_grid",
    "market_inactive_status",
    "use_yes_price_default",
    "insufficient_balance_code",
    "wrong_shard_cancel_404",
    "cancel_all_lingers",
    "reserve_fee_for_resting",
    "rebate_at_step",
    "ping_interval_s",
    "scalar_rate",
    "rate_limit_text_body",
    "created_hidden_ms",
    "auth_window_ms",
}


def handle(exchange: Exchange, method: str, name: str, query: dict[str, str], body: Any) -> Answer:
    """Answer ``/twin/<name>``: (status, JSON). Everything takes effect before the answer."""
    if not isinstance(body, dict):
        return 400, {"error": "a JSON object is required"}
    exchange.advance()
    try:
        found = _ACTIONS.get((method, name))
        if found is None:
            return 404, {"error": f"no such action; there are: {', '.join(sorted({f'{m} {n}' for m, n in _ACTIONS}))}"}
        answer = found(exchange, query | body if method == "GET" else body)
    except (AdminError, admin_markets.MarketActionError, FaultError) as error:
        return 400, {"error": str(error)}
    except (KeyError, TypeError, ValueError) as error:
        return 400, {"error": f"the request cannot be used: {error!r}"}
    finally:
        exchange.commit()
    return 200, answer


def _truth(exchange: Exchange, body: dict[str, Any]) -> Any:
    return internal_state(exchange, set(filter(None, str(body.get("sections", "")).split(","))))


def _add_fault(exchange: Exchange, body: dict[str, Any]) -> Any:
    delay = body.pop("in_ms", 0)
    if delay:
        body["not_before_ms"] = exchange.now() + int(delay)
    return asdict(exchange.faults.add(**body))


def _faults(exchange: Exchange, body: dict[str, Any]) -> Any:
    return {"faults": exchange.faults.listing(), "fired": exchange.faults.fired}


def _clear_faults(exchange: Exchange, body: dict[str, Any]) -> Any:
    exchange.faults.clear()
    return {"faults": []}


def _clock(exchange: Exchange, body: dict[str, Any]) -> Any:
    """Move a manual clock: ``{"advance_ms"}`` or ``{"to_ms"}``."""
    if not exchange.clock.manual:
        raise AdminError("the clock is the real one; start the simulator with --manual-clock")
    exchange.advance(int(body["to_ms"]) if "to_ms" in body else exchange.now() + int(body.get("advance_ms", 0)))
    return {"now_ms": exchange.now()}


def _now(exchange: Exchange, body: dict[str, Any]) -> Any:
    return {"now_ms": exchange.now(), "manual": exchange.clock.manual}


def _status(exchange: Exchange, body: dict[str, Any]) -> Any:
    """Pauses: ``{"exchange_paused", "trading_paused", "maintenance", "weekly", "resume_in_s"}`` and, with ``shard``, of one shard."""
    state, shard = exchange.state, body.get("shard")
    if shard is not None and shard not in SHARDS:
        raise AdminError("shard is 0, 1, 2 or 3")
    for name, whole, per_shard in (
        ("exchange_paused", "exchange_paused", state.exchange_shards),
        ("trading_paused", "trading_paused", state.trading_shards),
    ):
        if name not in body:
            continue
        value = bool(body[name])
        if shard is None:
            setattr(state, whole, value)
        else:
            per_shard.add(shard) if value else per_shard.discard(shard)
        if value:
            lifecycle.cancel_on_pause(exchange, lambda order: shard is None or order.shard == shard)
    for name in ("maintenance", "weekly"):
        if name in body:
            setattr(state, name, bool(body[name]))
    if body.get("maintenance"):
        maintenance.begin(exchange)
    resume = body.get("resume_in_s")
    state.resume_ms = exchange.now() + round(float(resume) * 1000) if resume is not None else None
    return asdict(state) | {
        "exchange_shards": sorted(state.exchange_shards),
        "trading_shards": sorted(state.trading_shards),
    }


def _settings(exchange: Exchange, body: dict[str, Any]) -> Any:
    """Change settings of a running simulator; see ``SimulatorConfig``."""
    known = {f.name for f in fields(SimulatorConfig)}
    for name, value in body.items():
        if name not in _LIVE_SETTINGS:
            raise AdminError(f"{name} {'is fixed while the simulator runs' if name in known else 'is no setting'}")
        setattr(exchange.config, name, type(getattr(exchange.config, name))(value))
    return asdict(exchange.config)


def _disconnect(exchange: Exchange, body: dict[str, Any]) -> Any:
    """Drop every WebSocket connection, without a close frame when ``abrupt``."""
    return {"closed": exchange.hub.disconnect(1011 if body.get("abrupt", True) else 1001)}


def _overflow(exchange: Exchange, body: dict[str, Any]) -> Any:
    """Error 25 on every subscription of a channel."""
    channel, count = body.get("channel", "orderbook_delta"), 0
    for session in list(exchange.hub.sessions):
        for subscription in list(session.subscriptions.values()):
            if subscription.channel == channel:
                session.overflow(subscription)
                count += 1
    return {"overflowed": count}


def _gap(exchange: Exchange, body: dict[str, Any]) -> Any:
    """Jump the sequence of every subscription of a channel, as if frames had been lost."""
    channel, by, count = body.get("channel", "orderbook_delta"), int(body.get("by", 3)), 0
    for session in exchange.hub.sessions:
        for subscription in session.subscriptions.values():
            if subscription.channel == channel:
                subscription.seq += by
                count += 1
    return {"gaps": count}


def _edge(exchange: Exchange, body: dict[str, Any]) -> Any:
    """Plant an edge now: ``{"kind", "event_ticker"?, "hold_ms"?, "turns"?}``; without an event a random one that suits."""
    kind, hold = body.get("kind", "all_no"), int(body.get("hold_ms", 15_000))
    turning = kind == "coverage" and bool(body.get("turns", False))
    if kind not in edges.KINDS:
        raise AdminError(f"kind is one of {', '.join(edges.KINDS)}")
    rng = exchange.streams.stream("edges")
    names = [body["event_ticker"]] if "event_ticker" in body else exchange.live_events()
    if "event_ticker" not in body:
        rng.shuffle(names)
    for name in names:
        if name in exchange.events:
            edge = edges.plant(exchange, exchange.events[name], kind, hold, rng, turning)
            if edge is not None:
                return asdict(edge)
    raise AdminError("no event suits this kind of edge now")


def _key(exchange: Exchange, body: dict[str, Any]) -> Any:
    """Change the keys: ``{"scopes"?, "subaccount"?, "region_expiration_s"?}`` on every key."""
    ring = exchange.keys
    if ring is None:
        raise AdminError("this simulator checks no keys")
    for key in ring.keys.values():
        key.scopes = tuple(body.get("scopes", key.scopes))
        key.subaccount = body.get("subaccount", key.subaccount)
    ring.region_expiration_s = body.get("region_expiration_s", ring.region_expiration_s)
    return {"keys": [{"key_id": k.key_id, "scopes": k.scopes, "subaccount": k.subaccount} for k in ring.keys.values()]}


def _tier(exchange: Exchange, body: dict[str, Any]) -> Any:
    exchange.limits.set_tier(body["tier"])
    exchange.ledger.set_option("tier", body["tier"])
    return {"tier": exchange.limits.tier}


def _deposit(exchange: Exchange, body: dict[str, Any]) -> Any:
    """Change cash: ``{"shard", "subaccount"?, "amount"}`` in micro-dollars (negative: withdraw)."""
    amount = int(body["amount"])
    exchange.ledger.credit((int(body.get("subaccount", 0)), int(body.get("shard", 0))), amount)
    exchange.deposits += amount
    return {"deposits": exchange.deposits}


def _market_action(
    action: Callable[[Exchange, Market, dict[str, Any]], Any],
) -> Callable[[Exchange, dict[str, Any]], Any]:
    def act(exchange: Exchange, body: dict[str, Any]) -> Any:
        market = exchange.markets.get(str(body.get("ticker")))
        if market is None:
            raise AdminError("ticker is no market of this exchange")
        return action(exchange, market, body)

    return act


_ACTIONS: dict[tuple[str, str], Callable[[Exchange, dict[str, Any]], Any]] = {
    ("GET", "truth"): _truth,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "clock"): _now,
    ("POST", "clock"): _clock,
    ("POST", "status"): _status,
    ("POST", "settings"): _settings,
    ("POST", "disconnect"): _disconnect,
    ("POST", "overflow"): _overflow,
    ("POST", "gap"): _gap,
    ("POST", "edge"): _edge,
    ("POST", "key"): _key,
    ("POST", "tier"): _tier,
    ("POST", "deposit"): _deposit,
    ("POST", "event/fees"): admin_markets.set_event_fees,
    ("POST", "series/fees"): admin_markets.set_series_fees,
    ("POST", "event/outcome"): admin_markets.set_outcome,
    ("POST", "event/add_market"): admin_markets.add_outcome,
    **{("POST", f"market/{name}"): _market_action(action) for name, action in admin_markets.ACTIONS.items()},
}
