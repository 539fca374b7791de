"""What a basket pays in every way its event can settle. Floor, conditional and expected come from here only.

The settlement states are those of ``markets.terms.states``: closed forms, so that any number of outcomes and any subset of them cost
nothing. A winner is spelled out outcome by outcome; of a state that leaves a choice (which two share, which several win) the
least counts. Counts in 1/100 contract, settlement values in 1/10,000 dollar per contract, payoffs in Money.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from kalbot.common.units import Money
from markets.terms.special_settlements import ORDINARY, SettlementTerms
from markets.terms.states import Holding, State, StateKind, StateList, listed_states, none, payoffs, split, void

Payoff = tuple[tuple[State, Money], ...]


def settlement_states(tickers: Sequence[str], *, certified: bool, terms: SettlementTerms = ORDINARY) -> StateList:
    """Every state of an exclusive event with these outcomes. ``certified``: one of them must win."""
    others = [none()] if certified and terms.nobody else []
    if terms.split and len(tickers) > 1:
        others.append(split(2))
    if terms.void:
        others.append(void(len(tickers)))
    return listed_states(tickers, certified=certified, others=others)


def payoff(holdings: Iterable[Holding], states: StateList) -> Payoff:
    """What the holdings pay in each state, exactly, in Money. Linear in the number of outcomes and holdings."""
    return payoffs(holdings, states)


def floor_of(vector: Payoff, counts: Callable[[State], bool] = lambda state: True) -> Money:
    """The least the vector pays over the states that ``counts`` admits (all by default)."""
    return min((pays for state, pays in vector if counts(state)), default=Money(0))


def conditional_of(vector: Payoff, covered: Iterable[str]) -> Money:
    """The least that is paid if one of the ``covered`` outcomes wins."""
    names = frozenset(covered)
    return floor_of(vector, lambda state: state.kind is StateKind.WINNER and state.among[0] in names)


def expected_of(vector: Payoff, probability: Mapping[str, float]) -> float:
    """Expected payoff in Money (a float: probabilities are). What the outcomes leave over falls to ``none``.

    Without a ``none`` state (certified) the remainder is zero by construction. Splits, voids and the like have no market price
    and get no weight: this number is an estimate, the floor is not.
    """
    total, rest = 0.0, 1.0
    for state, pays in vector:
        if state.kind is StateKind.WINNER:
            chance = probability.get(state.among[0], 0.0)
            rest -= chance
            total += chance * pays
    nobody = next((pays for state, pays in vector if state.kind is StateKind.NONE), Money(0))
    return total + max(0.0, rest) * nobody


def loss_states(vector: Payoff, cost: int) -> Payoff:
    """The states in which the basket does not return its cost, worst first."""
    return tuple(sorted(((s, pays) for s, pays in vector if pays <= cost), key=lambda entry: entry[1]))
