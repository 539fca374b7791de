"""What may still happen once some markets of a state list have settled: the same closed forms over the others. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from kalbot.common.units import Price
from markets.terms.states import State, StateError, StateList


def given(states: StateList, known: Mapping[str, Price]) -> StateList | None:
    """The states that agree with ``known`` (ticker -> what YES paid), over the outcomes that have not settled.

    None when every outcome has settled. StateError when no listed state agrees: the exchange has done what the list says
    cannot happen, so nothing is known of the rest.
    """
    fixed = {ticker: value for ticker, value in known.items() if ticker in states.outcomes}
    left = tuple(ticker for ticker in states.outcomes if ticker not in fixed)
    possible = [one for state in states.states if (one := _given(state, fixed, left)) is not None]
    if not possible:
        raise StateError("the markets that settled did so in a way that no listed state allows")
    return StateList(left, tuple(possible)) if left else None


def _given(state: State, fixed: Mapping[str, Price], left: tuple[str, ...]) -> State | None:
    """``state`` less the settled markets, None where they contradict it."""
    chosen = undecided = 0
    for ticker, value in fixed.items():
        choosable = not state.among or ticker in state.among
        if value == 0 and (not choosable or state.low > 0):
            continue  # not among those that settle at a value
        if not choosable or not state.low <= value <= state.high:
            return None
        if value == 0:
            undecided += 1  # at zero because it was not chosen, or chosen at zero
        else:
            chosen += 1
    among = tuple(ticker for ticker in state.among if ticker not in fixed)
    choice = len(among if state.among else left)
    least = max(0, state.least - chosen - undecided)
    most = min(state.most - chosen, choice)
    if most < least:
        return None
    if most == 0 or (state.among and not among):
        return State(state.kind, 0, 0, state.low, state.high, quote=state.quote)
    return State(state.kind, least, most, state.low, state.high, among, state.quote)
