"""What an event settled on, by the exchange's own value; and why it is no truth where it is none. Codes decide, never wording."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from markets.models import Market
from markets.terms.settled_value import Unit, agreed
from triage.models import PointForecast

Problem = PointForecast.Problem
_COLUMNS = ("event_id", "ticker", "result", "expiration_value", "strike_type", "floor_strike", "cap_strike")


@dataclass(frozen=True, slots=True)
class Truth:
    """``value``: what the event settled on, None with the ``problem``. ``winner``: ticker of the outcome that won."""

    value: float | None
    winner: str
    problem: str = ""


UNDECIDED = Truth(None, "")


def truths(events: Mapping[str, Unit]) -> dict[str, Truth]:
    """Event -> what it settled on, for events all of whose markets are decided; the others are absent."""
    markets: dict[str, list[dict[str, Any]]] = {}
    for row in Market.objects.filter(event_id__in=list(events)).values(*_COLUMNS):
        markets.setdefault(row["event_id"], []).append(row)
    return {
        event: truth_of(rows, events[event]) for event, rows in markets.items() if all(row["result"] for row in rows)
    }


def truth_of(markets: Iterable[Mapping[str, Any]], unit: Unit) -> Truth:
    """The value on which all markets of one event agree and which lies in the outcome that won."""
    rows = list(markets)
    winners = [row["ticker"] for row in rows if row["result"] == "yes"]
    winner = winners[0] if len(winners) == 1 else ""
    value = agreed([row["expiration_value"] for row in rows], unit)
    if value is None:
        return Truth(None, winner, Problem.NO_VALUE)
    if any(row["result"] not in ("yes", "no") or pays(row, value) != (row["result"] == "yes") for row in rows):
        return Truth(None, winner, Problem.DISPUTED)
    return Truth(float(value), winner)


def pays(market: Mapping[str, Any], value: Decimal) -> bool | None:
    """Whether a market's strikes make it pay at this value; None where its strikes are of no known kind."""
    try:
        floor = Decimal(market["floor_strike"]) if market["floor_strike"] else None
        cap = Decimal(market["cap_strike"]) if market["cap_strike"] else None
    except InvalidOperation:
        return None
    kind = market["strike_type"]
    if kind == "greater" and floor is not None:
        return value > floor
    if kind == "greater_or_equal" and floor is not None:
        return value >= floor
    if kind == "less" and cap is not None:
        return value < cap
    if kind == "less_or_equal" and cap is not None:
        return value <= cap
    if kind == "between" and floor is not None and cap is not None:
        return floor <= value <= cap
    return None
