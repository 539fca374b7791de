"""Control actions at instants of the exchange's clock, and troubles drawn from a seed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from simulator.errors import ActionError
from simulator.exchange import Exchange
from simulator.faults import trouble as troubles
from simulator.faults.schedule import Fault, Planned

from . import actions


def add_fault(exchange: Exchange, terms: dict[str, Any]) -> Fault:
    """A fault rule; ``in_ms`` from now instead of ``not_before_ms``. FaultError or ActionError if it is none."""
    terms = dict(terms)
    delay = terms.pop("in_ms", 0)
    if delay:
        terms["not_before_ms"] = exchange.now() + int(delay)
    if terms.get("action") and terms["action"] not in actions.ACTIONS:
        raise ActionError(f"{terms['action']!r} is no control action")
    return exchange.faults.add(**terms)


def add(exchange: Exchange, body: dict[str, Any]) -> Any:
    """``{"entries": [{"in_ms" | "at_ms", "action", "body"?, "every_ms"?, "times"?}]}``; ``times`` 0: for ever."""
    planned = [_plan(exchange, entry) for entry in body.get("entries", [])]
    if not planned:
        raise ActionError("entries is a list with at least one entry")
    for entry in planned:
        exchange.timetable.append(entry)
        _set_timer(exchange, entry)
    return {"entries": [asdict(entry) for entry in planned]}


def _plan(exchange: Exchange, entry: dict[str, Any]) -> Planned:
    try:
        at_ms = int(entry["at_ms"]) if "at_ms" in entry else exchange.now() + int(entry.get("in_ms", 0))
        every, times = int(entry.get("every_ms", 0)), int(entry.get("times", 1))
        action, body = str(entry["action"]), dict(entry.get("body", {}))
    except (KeyError, TypeError, ValueError) as error:
        raise ActionError(f"an entry cannot be used: {error!r}") from None
    if action not in actions.ACTIONS:
        raise ActionError(f"{action!r} is no control action")
    if every < 0 or times < 0 or (times != 1 and every == 0):
        raise ActionError("what happens more than once has every_ms above zero; times is not negative")
    return Planned(at_ms, action, body, every, times)


def _set_timer(exchange: Exchange, entry: Planned) -> None:
    def fire() -> None:
        if entry.cancelled:
            return
        entry.done += 1
        actions.attempt(exchange, entry.action, entry.body)
        if entry.times == 0 or entry.done < entry.times:
            entry.at_ms += entry.every_ms
            _set_timer(exchange, entry)

    exchange.timers.at(entry.at_ms, fire)


def listing(exchange: Exchange, body: dict[str, Any]) -> Any:
    """What is planned and what happened."""
    return {"entries": [asdict(entry) for entry in exchange.timetable], "happened": list(exchange.happened)}


def clear(exchange: Exchange, body: dict[str, Any]) -> Any:
    """Nothing that is planned happens any more."""
    for entry in exchange.timetable:
        entry.cancelled = True
    exchange.timetable.clear()
    return {"entries": []}


def trouble(exchange: Exchange, body: dict[str, Any]) -> Any:
    """``{"seed", "for_ms", "kinds"?, "tickers"? | "event_ticker"?}``: put in force what the seed draws, and return it."""
    event = exchange.events.get(str(body.get("event_ticker")))
    tickers = list(body.get("tickers") or (event.markets if event else exchange.markets))
    if not tickers or any(ticker not in exchange.markets for ticker in tickers):
        raise ActionError("tickers or event_ticker names markets of this exchange")
    try:
        drawn = troubles.draw(int(body["seed"]), tickers, int(body["for_ms"]), body.get("kinds"))
    except (KeyError, TypeError, ValueError) as error:
        raise ActionError(f"the request cannot be used: {error!r}") from None
    for terms in drawn.faults:
        add_fault(exchange, terms)
    if drawn.entries:
        add(exchange, {"entries": drawn.entries})
    for name, value in drawn.settings.items():
        actions.perform(exchange, "settings", {name: value})
    return asdict(drawn)
