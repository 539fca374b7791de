"""What a basket pays in every way its event can settle. Floor, conditional and expected come from here only.

States of an event with the listed outcomes 1..n:

- ``wins``: one listed outcome wins, the others lose;
- ``none``: no listed outcome wins; impossible only if a certificate says that one of them must;
- ``split``: two outcomes settle at half a dollar each, where the rules name such a tie;
- ``void``: every market settles at a price that the exchange sets, where the rules name that. Nothing normalises the
  sum, so its payoff is the least that any prices could give: nothing, unless both sides of a market are held.

Counts in 1/100 contract, settlement values in 1/10,000 dollar per contract, payoffs in Money.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from kalbot.common.units import DOLLAR_PRICE, Money
from markets.book import Side
from markets.terms.special_settlements import ORDINARY, SettlementTerms

Holding = tuple[str, Side, int]
"""(ticker, side, count)."""

HALF = DOLLAR_PRICE // 2


class StateKind(StrEnum):
    """How an event can settle."""

    WINS = "wins"
    NONE = "none"
    SPLIT = "split"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class State:
    """One settlement. ``tickers``: the winner, the two that share, or nothing."""

    kind: StateKind
    tickers: tuple[str, ...] = ()

    def words(self, names: Mapping[str, str] | None = None) -> str:
        """The state in words; ``names`` maps tickers to outcome names."""
        named = " and ".join((names or {}).get(t) or t for t in self.tickers)
        return {
            StateKind.WINS: f"{named} wins",
            StateKind.NONE: "no listed outcome wins",
            StateKind.SPLIT: f"{named} share the dollar",
            StateKind.VOID: "void: every market settles at a price set by the exchange",
        }[self.kind]


Payoff = tuple[tuple[State, Money], ...]


def settlement_states(
    tickers: Sequence[str], *, certified: bool, terms: SettlementTerms = ORDINARY
) -> tuple[State, ...]:
    """Every state of an exclusive event with these outcomes. ``certified``: one of them must win."""
    if len(set(tickers)) != len(tickers):
        raise ValueError("an outcome is listed twice")
    states = [State(StateKind.WINS, (ticker,)) for ticker in tickers]
    if not certified or terms.nobody:
        states.append(State(StateKind.NONE))
    if terms.split:
        states.extend(State(StateKind.SPLIT, pair) for pair in combinations(tickers, 2))
    if terms.void:
        states.append(State(StateKind.VOID))
    return tuple(states)


def payoff(holdings: Iterable[Holding], states: Iterable[State]) -> Payoff:
    """What the holdings pay in each state, exactly, in Money. Linear in the number of states and holdings."""
    held: dict[str, tuple[int, int]] = {}
    for ticker, side, count in holdings:
        if count < 0:
            raise ValueError(f"{ticker}: a holding cannot be negative")
        yes, no = held.get(ticker, (0, 0))
        held[ticker] = (yes + count, no) if side is Side.YES else (yes, no + count)
    all_lose = sum(no for _, no in held.values()) * DOLLAR_PRICE
    at_any_price = sum(min(pair) for pair in held.values()) * DOLLAR_PRICE

    def pays(state: State) -> Money:
        if state.kind is StateKind.VOID:
            return Money(at_any_price)
        each = DOLLAR_PRICE if state.kind is StateKind.WINS else HALF
        swing = sum(yes - no for yes, no in (held.get(t, (0, 0)) for t in state.tickers))
        return Money(all_lose + each * swing)

    return tuple((state, pays(state)) for state in states)


def floor_of(vector: Payoff, counts: Callable[[State], bool] = lambda state: True) -> Money:
    """The least the vector pays over the states that ``counts`` admits (all by default)."""
    return min((pays for state, pays in vector if counts(state)), default=Money(0))


def conditional_of(vector: Payoff, covered: Iterable[str]) -> Money:
    """The least that is paid if one of the ``covered`` outcomes wins."""
    names = frozenset(covered)
    return floor_of(vector, lambda state: state.kind is StateKind.WINS and state.tickers[0] in names)


def expected_of(vector: Payoff, probability: Mapping[str, float]) -> float:
    """Expected payoff in Money (a float: probabilities are). What the outcomes leave over falls to ``none``.

    Without a ``none`` state (certified) the remainder is zero by construction. Splits and voids have no market price
    and get no weight: this number is an estimate, the floor is not.
    """
    total, rest = 0.0, 1.0
    for state, pays in vector:
        if state.kind is StateKind.WINS:
            chance = probability.get(state.tickers[0], 0.0)
            rest -= chance
            total += chance * pays
    nobody = next((pays for state, pays in vector if state.kind is StateKind.NONE), Money(0))
    return total + max(0.0, rest) * nobody


def loss_states(vector: Payoff, cost: int) -> Payoff:
    """The states in which the basket does not return its cost, worst first."""
    return tuple(sorted(((s, pays) for s, pays in vector if pays <= cost), key=lambda entry: entry[1]))
