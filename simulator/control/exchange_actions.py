"""Control actions on the exchange as a whole: pauses, settings, connections, sequences, planted edges, keys, tier."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from simulator.config import SHARDS, SimulatorConfig
from simulator.errors import ActionError
from simulator.exchange import Exchange
from simulator.flow import edges
from simulator.listing import lifecycle, maintenance

_LIVE_SETTINGS = {
    "read_delay_ms",
    "stale_cache_ms",
    "stale_books_ms",
    "markets_historical_ms",
    "account_historical_ms",
    "stale_account_ms",
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


def set_status(exchange: Exchange, body: dict[str, Any]) -> Any:
    """Pauses: ``{"exchange_paused", "trading_paused", "maintenance", "weekly", "resume_in_s"}`` and, with ``shard``, of one shard.

    With ``for_ms`` what was paused resumes by itself.
    """
    state, shard = exchange.state, body.get("shard")
    if shard is not None and shard not in SHARDS:
        raise ActionError("shard is 0, 1, 2 or 3")
    if "for_ms" in body:
        undo = {name: False for name in ("exchange_paused", "trading_paused", "maintenance") if body.get(name)}
        again = undo if shard is None else undo | {"shard": shard}
        exchange.timers.at(exchange.now() + int(body["for_ms"]), lambda: set_status(exchange, again))
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
            raise ActionError(f"{name} {'is fixed while the simulator runs' if name in known else 'is no setting'}")
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
        raise ActionError(f"kind is one of {', '.join(edges.KINDS)}")
    rng = exchange.streams.stream("edges")
    names = [body["event_ticker"]] if "event_ticker" in body else exchange.live_events()
    if "event_ticker" not in body:
        rng.shuffle(names)
    for name in names:
        if name in exchange.events:
            edge = edges.plant(exchange, exchange.events[name], kind, hold, rng, turning)
            if edge is not None:
                return asdict(edge)
    raise ActionError("no event suits this kind of edge now")


def _key(exchange: Exchange, body: dict[str, Any]) -> Any:
    """Change the keys: ``{"scopes"?, "subaccount"?, "region_expiration_s"?}`` on every key."""
    ring = exchange.keys
    if ring is None:
        raise ActionError("this simulator checks no keys")
    for key in ring.keys.values():
        key.scopes = tuple(body.get("scopes", key.scopes))
        key.subaccount = body.get("subaccount", key.subaccount)
    ring.region_expiration_s = body.get("region_expiration_s", ring.region_expiration_s)
    return {"keys": [{"key_id": k.key_id, "scopes": k.scopes, "subaccount": k.subaccount} for k in ring.keys.values()]}


def _tier(exchange: Exchange, body: dict[str, Any]) -> Any:
    exchange.limits.set_tier(body["tier"])
    exchange.ledger.set_option("tier", body["tier"])
    return {"tier": exchange.limits.tier}


ACTIONS = {
    "status": set_status,
    "settings": _settings,
    "disconnect": _disconnect,
    "overflow": _overflow,
    "gap": _gap,
    "edge": _edge,
    "key": _key,
    "tier": _tier,
}
