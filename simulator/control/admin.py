"""``/twin/...``: what a test does to the exchange. Loopback only, unsigned, no part of Kalshi's surface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from simulator.errors import ActionError
from simulator.exchange import Exchange
from simulator.faults.schedule import FaultError

from . import actions, timetable
from .internal_state import internal_state

Answer = tuple[int, Any]


def handle(exchange: Exchange, method: str, name: str, query: dict[str, str], body: Any) -> Answer:
    """Answer ``/twin/<name>``: (status, JSON). Everything takes effect before the answer."""
    if not isinstance(body, dict):
        return 400, {"error": "a JSON object is required"}
    exchange.advance()
    try:
        found = _OWN.get((method, name))
        if found is not None:
            answer = found(exchange, query | body if method == "GET" else body)
        elif method == "POST" and name in actions.ACTIONS:
            answer = actions.perform(exchange, name, body)
        else:
            names = sorted({f"{m} {n}" for m, n in _OWN} | {f"POST {n}" for n in actions.ACTIONS})
            return 404, {"error": f"no such action; there are: {', '.join(names)}"}
    except (ActionError, FaultError) as error:
        return 400, {"error": str(error)}
    finally:
        exchange.commit()
    return 200, answer


def _truth(exchange: Exchange, body: dict[str, Any]) -> Any:
    return internal_state(exchange, set(filter(None, str(body.get("sections", "")).split(","))))


def _add_fault(exchange: Exchange, body: dict[str, Any]) -> Any:
    return asdict(timetable.add_fault(exchange, body))


def _faults(exchange: Exchange, body: dict[str, Any]) -> Any:
    return {"faults": exchange.faults.listing(), "fired": exchange.faults.fired}


def _clear_faults(exchange: Exchange, body: dict[str, Any]) -> Any:
    exchange.faults.clear()
    return {"faults": []}


def _clock(exchange: Exchange, body: dict[str, Any]) -> Any:
    """Move a manual clock: ``{"advance_ms"}`` or ``{"to_ms"}``."""
    if not exchange.clock.manual:
        raise ActionError("the clock is the real one; start the simulator with --manual-clock")
    try:
        target = int(body["to_ms"]) if "to_ms" in body else exchange.now() + int(body.get("advance_ms", 0))
    except (TypeError, ValueError):
        raise ActionError("to_ms and advance_ms are integers") from None
    exchange.advance(target)
    return {"now_ms": exchange.now()}


def _now(exchange: Exchange, body: dict[str, Any]) -> Any:
    return {"now_ms": exchange.now(), "manual": exchange.clock.manual}


_OWN: dict[tuple[str, str], Callable[[Exchange, dict[str, Any]], Any]] = {
    ("GET", "truth"): _truth,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "clock"): _now,
    ("POST", "clock"): _clock,
    ("GET", "timetable"): timetable.listing,
    ("POST", "timetable"): timetable.add,
    ("DELETE", "timetable"): timetable.clear,
    ("POST", "trouble"): timetable.trouble,
}
