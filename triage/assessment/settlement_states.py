"""How what is held can settle, as far as it is stored: what cannot be read is unknown, and takes nothing from what can."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence, Set
from typing import Any

from markets.book import Side
from markets.models import Certificate
from markets.terms.special_settlements import SettlementTerms, of_states
from markets.terms.states import State, StateError, StateKind, StateList, none, void
from strategies.models import Kind
from trading.models import Position

log = logging.getLogger(__name__)


def terms_of(events: Iterable[str]) -> dict[str, SettlementTerms]:
    """Settlement terms by the newest certificate that listed states; of an event without one that can be read nothing is known."""
    rows = Certificate.objects.filter(event_id__in=list(events)).exclude(states={}).order_by("version")
    stored: dict[str, dict[str, Any]] = dict(rows.values_list("event_id", "states"))
    return {event: of_states(_read(event, stored[event]) if event in stored else None) for event in events}


def of_family(position: Position, tickers: Sequence[str], legs: Iterable[tuple[str, str, int]]) -> StateList | None:
    """How a basket across events can settle, as it was bought; None for any other.

    Where the stored states are missing or cannot be read, anything may happen: from every one of the ``tickers`` (the markets of its
    events) settling at any price to every one of the ``legs`` (market, side, count) paying in full.
    """
    if position.kind != Kind.FAMILY:
        return None
    found = _read(f"position {position.pk}", position.states[0]) if position.states else None
    return _anything(tickers, {ticker for ticker, side, _ in legs if side == Side.YES}) if found is None else found


def _anything(tickers: Sequence[str], yes: Set[str]) -> StateList:
    best = State(StateKind.VALUE, len(yes), len(yes), among=tuple(sorted(yes))) if yes else none()
    return StateList(tuple(tickers), (void(len(tickers)), best))


def _read(what: str, stored: dict[str, Any]) -> StateList | None:
    try:
        return StateList.from_json(stored)
    except StateError as error:
        log.error("the settlement states of %s cannot be read: %s", what, error)
        return None
