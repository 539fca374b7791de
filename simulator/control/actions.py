"""Every control action by its name: what ``/twin/<name>``, a fault of kind ``act`` and the timetable can carry out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.errors import ActionError, ApiError
from simulator.exchange import Exchange
from simulator.listing.model import Market

from . import conditions, exchange_actions, market_actions

Action = Callable[[Exchange, dict[str, Any]], Any]


def _of_market(action: Callable[[Exchange, Market, dict[str, Any]], Any]) -> Action:
    def act(exchange: Exchange, body: dict[str, Any]) -> Any:
        market = exchange.markets.get(str(body.get("ticker")))
        if market is None:
            raise ActionError("ticker is no market of this exchange")
        return action(exchange, market, body)

    return act


ACTIONS: dict[str, Action] = {
    **exchange_actions.ACTIONS,
    **conditions.ACTIONS,
    **market_actions.EVENT_ACTIONS,
    **{f"market/{name}": _of_market(action) for name, action in market_actions.ACTIONS.items()},
}


def attempt(exchange: Exchange, name: str, body: dict[str, Any]) -> None:
    """Carry out an action that nobody waits for; what came of it, a refusal too, is noted in ``exchange.happened``."""
    try:
        answer = perform(exchange, name, body)
    except ActionError as error:
        answer = {"refused": str(error)}
    exchange.happened.append({"at_ms": exchange.now(), "action": name, "answer": answer})


def perform(exchange: Exchange, name: str, body: dict[str, Any]) -> Any:
    """Carry out one action and return what it says; ActionError with one sentence if it cannot be."""
    action = ACTIONS.get(name)
    if action is None:
        raise ActionError(f"{name!r} is no control action")
    try:
        return action(exchange, body)
    except ApiError as error:
        raise ActionError(f"the exchange refuses: {error}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise ActionError(f"the request cannot be used: {error!r}") from None
