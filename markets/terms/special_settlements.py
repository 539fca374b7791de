"""Settlements beyond "one outcome wins", in the coarse form that the search takes. They follow from a certificate's states:

- ``split``: a tie that gives two outcomes half a dollar each;
- ``void``: cancelled, postponed too far, no data: every market settles at a price that the exchange sets. Nothing
  normalises the sum over an event's markets then, so a void can pay a basket nothing at all;
- ``nobody``: a case in which every listed market resolves No.

Apart from that the exchange's rulebook has a general fallback that holds for every market whatever its rules say;
``residual`` words it, with how often it happened where that is known, and every explanation of a basket carries it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from markets.terms.reading.meanings import HALF
from markets.terms.states import State, StateKind, StateList

_RESIDUAL: Final = (
    "Not in these numbers, unless a void is among the settlements: the exchange's rulebook lets it settle any market at a last or fair "
    "price when an outcome cannot be determined (missing data, cancellation). Each market then settles on its own and nothing makes the "
    "prices of an event add up to one dollar. How often that happens: "
)
_HAPPENED: Final = (
    (("KXHIGH", "KXLOW"), "8 daily temperature markets in the 68 days up to 2026-09-08 (as others counted)."),
)
"""Beginnings of event tickers -> how often their markets were settled at another value than nothing or one dollar."""


IN_NO_GRADE: Final = (
    "No grade counts what the exchange may do at its discretion: "
    "settle a market at a last or fair price of its own finding."
)
"""For lists that name grades; what is known of one event is in ``residual``."""


def residual(event_ticker: str, named: Iterable[str] = ()) -> str:
    """What the exchange may do at its discretion, and how often it did so in events of this kind. ``named``: sentences of the event's
    own rules or terms that say so."""
    known = (often for beginnings, often in _HAPPENED if event_ticker.startswith(beginnings))
    own = "".join(f" Its own rules or terms name it: {sentence}" for sentence in named)
    return _RESIDUAL + next(known, "unknown.") + own


@dataclass(frozen=True, slots=True)
class SettlementTerms:
    """What the rules allow besides one winner. ``quotes`` are the sentences that say so.

    ``split``: two outcomes may settle at half a dollar each; ``void``: each market
    may settle at any price. ``nobody``: all listed markets may resolve No although the event took place as planned.
    """

    split: bool = False
    void: bool = False
    quotes: tuple[str, ...] = ()
    nobody: bool = False


ORDINARY: Final = SettlementTerms()
"""No settlement but "one wins" or "none wins" is named."""


def _wide_split(state: State) -> bool:
    """A split of another form than half a dollar for two: the coarse form has no word for it, so it counts as any price at all."""
    return state.kind is StateKind.SPLIT and (state.least, state.most, state.low, state.high) != (2, 2, HALF, HALF)


def of_states(states: StateList | None) -> SettlementTerms:
    """The terms of a state list; without one nothing is known, and anything may happen."""
    if states is None:
        return SettlementTerms(void=True)
    kinds = states.kinds()
    return SettlementTerms(
        split=StateKind.SPLIT in kinds,
        void=bool(kinds & {StateKind.VOID, StateKind.SCALAR, StateKind.SEVERAL})
        or any(map(_wide_split, states.states)),
        quotes=tuple(
            state.quote
            for state in states.states
            if state.quote and state.kind not in (StateKind.VALUE, StateKind.FALLBACK)
        ),
        nobody=bool(kinds & {StateKind.NONE, StateKind.ANY_NO}),
    )
