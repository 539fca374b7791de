"""Commands of docs/kalshi-protocol.md 12.2, each checked before anything changes."""

from __future__ import annotations

from typing import Any

import msgspec

from . import frames
from .channels import CHANNELS, FILTERED
from .session import Session, Subscription


class CommandError(Exception):
    """A command that is refused, with the code of docs/kalshi-protocol.md 12.3."""

    def __init__(self, code: int, message: str, tickers: list[str] | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.tickers = code, message, tickers


def receive(session: Session, text: str | bytes) -> None:
    """Carry out one command; an unreadable one is answered with an error of docs/kalshi-protocol.md 12.3."""
    command_id: int | None = None
    try:
        _check_rate(session)
        command = _decode(text)
        number = command.get("id")
        if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 0):
            raise CommandError(1, "Unable to process message")
        command_id = number or None
        _run(session, command, command_id)
    except CommandError as error:
        session.error(error.code, error.message, command_id, error.tickers)


def _check_rate(session: Session) -> None:
    """Refuse a command that is more than ``commands_per_second`` allows."""
    now, times = session.exchange.now(), session.command_times
    while times and now - times[0] >= 1000:
        times.popleft()
    times.append(now)
    if len(times) > session.exchange.config.commands_per_second:
        raise CommandError(27, "Too many requests")


def _decode(text: str | bytes) -> dict[str, Any]:
    try:
        command = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CommandError(1, "Unable to process message") from None
    if not isinstance(command, dict):
        raise CommandError(1, "Unable to process message")
    return command


def _run(session: Session, command: dict[str, Any], command_id: int | None) -> None:
    """Carry out one decoded command."""
    name = command.get("cmd")
    if name == "list_subscriptions":
        listed = [{"channel": s.channel, "sid": s.sid} for s in session.subscriptions.values()]
        session.reply(_with_id({"type": "ok", "msg": listed}, command_id))
        return
    action = {"subscribe": subscribe, "update_subscription": update, "unsubscribe": unsubscribe}.get(str(name))
    if action is None:
        raise CommandError(5, "Unknown command")
    params = command.get("params")
    if not isinstance(params, dict):
        raise CommandError(2, "Params required")
    action(session, params, command_id)


def _with_id(body: dict[str, Any], command_id: int | None) -> dict[str, Any]:
    return body | {"id": command_id} if command_id else body


def _tickers(session: Session, params: dict[str, Any]) -> list[str] | None:
    """The markets a command names, in order and once; None if it names none."""
    one, many = params.get("market_ticker"), params.get("market_tickers")
    ids = params.get("market_ids") or ([params["market_id"]] if params.get("market_id") else None)
    if one is not None and many is not None:
        raise CommandError(11, "Only one of market_ticker and market_tickers")
    if ids is not None:
        if not isinstance(ids, list):
            raise CommandError(11, "market_ids must be a list")
        by_id = {market.market_id: ticker for ticker, market in session.exchange.markets.items()}
        return list(dict.fromkeys(by_id[i] for i in ids if i in by_id))
    if one is None and many is None:
        return None
    found = [one] if many is None else many
    if not isinstance(found, list) or not all(isinstance(t, str) and t for t in found):
        raise CommandError(11, "Market tickers must be strings")
    return list(dict.fromkeys(found)) or None


def subscribe(session: Session, params: dict[str, Any], command_id: int | None) -> None:
    """One subscription per channel; a channel that is there already is extended (docs/kalshi-protocol.md 12.2)."""
    channels = params.get("channels")
    if not isinstance(channels, list) or not channels:
        raise CommandError(3, "Channels required")
    if any(channel not in CHANNELS for channel in channels):
        raise CommandError(8, "Unknown channel name")
    tickers = _tickers(session, params)
    if "orderbook_delta" in channels:
        if tickers is None:
            raise CommandError(14, "Market ticker required")
        if params.get("market_id") or params.get("market_ids"):
            raise CommandError(11, "Market ids are not supported for this channel")
    if tickers is not None:
        _check_cap(session, None, tickers)
    for channel in dict.fromkeys(channels):
        _subscribe_one(session, channel, tickers if channel in FILTERED else None, params, command_id)


def _subscribe_one(
    session: Session, channel: str, tickers: list[str] | None, params: dict[str, Any], command_id: int | None
) -> None:
    known = next((s for s in session.subscriptions.values() if s.channel == channel), None)
    if known is not None:
        _extend(session, known, tickers, params, command_id)
        return
    subscription = session.open(channel, tickers)
    subscription.skip_ack = bool(params.get("skip_ticker_ack"))
    wanted = params.get("use_yes_price")
    subscription.yes_price = session.exchange.config.use_yes_price_default if wanted is None else bool(wanted)
    body = {"type": "subscribed", "msg": {"channel": channel, "sid": subscription.sid}}
    session.reply(_with_id(body, command_id))
    _initial(session, subscription, tickers or [], params)


def _initial(session: Session, subscription: Subscription, tickers: list[str], params: dict[str, Any]) -> None:
    exchange = session.exchange
    if subscription.channel == "orderbook_delta":
        for ticker in tickers:
            subscription.send_snapshot(ticker)
    elif subscription.channel == "ticker" and params.get("send_initial_snapshot"):
        for ticker in tickers:
            if ticker in exchange.markets:
                body = frames.ticker(exchange.markets[ticker], exchange.books[ticker], exchange.now())
                subscription.send("ticker", body, ticker)


def _extend(
    session: Session, known: Subscription, tickers: list[str] | None, params: dict[str, Any], command_id: int | None
) -> None:
    fresh: list[str] = []
    if known.tickers is not None and tickers is not None:
        fresh = [ticker for ticker in tickers if ticker not in known.tickers]
        _check_cap(session, known, fresh)
        known.tickers.update(dict.fromkeys(fresh))
        session.hub.join(known, fresh)
    elif known.tickers is not None:
        session.hub.leave(known, list(known.tickers))
        known.tickers = None
        session.hub.join(known, [])
    session.reply(_with_id({"type": "subscribed", "msg": {"channel": known.channel, "sid": known.sid}}, command_id))
    _initial(session, known, fresh, params)


def _check_cap(session: Session, known: Subscription | None, fresh: list[str]) -> None:
    there = len(known.tickers) if known is not None and known.tickers is not None else 0
    if there + len(fresh) > session.exchange.config.subscription_market_cap:
        raise CommandError(26, "Subscription market limit exceeded")


def _one_sid(session: Session, params: dict[str, Any]) -> Subscription:
    sid, sids = params.get("sid"), params.get("sids")
    if sid is None and sids is None:
        raise CommandError(12, "Exactly one subscription ID is required")
    if sids is not None and (sid is not None or not isinstance(sids, list) or len(sids) != 1):
        raise CommandError(12, "Exactly one subscription ID is required")
    wanted = sid if sids is None else sids[0]
    found = session.subscriptions.get(wanted) if isinstance(wanted, int) else None
    if found is None:
        raise CommandError(7, "Unknown subscription ID")
    return found


def update(session: Session, params: dict[str, Any], command_id: int | None) -> None:
    """add_markets, delete_markets or get_snapshot on one subscription."""
    subscription = _one_sid(session, params)
    action = params.get("action")
    if not action:
        raise CommandError(15, "Action required")
    if action not in ("add_markets", "delete_markets", "get_snapshot") or subscription.channel not in FILTERED:
        raise CommandError(13, "Unsupported action")
    if action == "get_snapshot" and subscription.channel != "orderbook_delta":
        raise CommandError(13, "Unsupported action")
    tickers = _tickers(session, params)
    if tickers is None:
        raise CommandError(14, "Market ticker required")
    if action == "get_snapshot":
        for ticker in tickers:
            if ticker not in (subscription.tickers or {}):
                raise CommandError(11, "Market is not part of the subscription", [ticker])
        for ticker in tickers:
            subscription.send_snapshot(ticker, command_id)
        return
    if subscription.tickers is None:
        raise CommandError(13, "Unsupported action")
    if action == "add_markets":
        fresh = [ticker for ticker in tickers if ticker not in subscription.tickers]
        _check_cap(session, subscription, fresh)
        subscription.tickers.update(dict.fromkeys(fresh))
        session.hub.join(subscription, fresh)
        _ok(session, subscription, command_id)
        _initial(session, subscription, fresh, params)
        return
    session.hub.leave(subscription, [t for t in tickers if t in subscription.tickers])
    for ticker in tickers:
        subscription.tickers.pop(ticker, None)
    _ok(session, subscription, command_id)


def _ok(session: Session, subscription: Subscription, command_id: int | None) -> None:
    body: dict[str, Any] = {"type": "ok", "sid": subscription.sid, "seq": subscription.next_seq()}
    if not subscription.skip_ack:
        body["msg"] = {"market_tickers": list(subscription.tickers or ())}
    session.reply(_with_id(body, command_id))


def unsubscribe(session: Session, params: dict[str, Any], command_id: int | None) -> None:
    """End subscriptions; the ack takes the last number of each sequence."""
    sids = params.get("sids")
    if not isinstance(sids, list) or not sids:
        raise CommandError(4, "Subscription IDs required")
    if any(not isinstance(sid, int) or sid not in session.subscriptions for sid in sids):
        raise CommandError(7, "Unknown subscription ID")
    for sid in dict.fromkeys(sids):
        subscription = session.subscriptions[sid]
        session.drop(subscription)
        session.reply(_with_id({"type": "unsubscribed", "sid": sid, "seq": subscription.next_seq()}, command_id))
