"""Settlement states: every way in which the markets of an event may be determined, in closed form.

A state is a *set* of settlements of one form, never a list of them, so 300 outcomes and "any subset of the markets" cost nothing:
between ``least`` and ``most`` of the markets (any choice of them) settle each at some value from ``low`` to ``high``, all others
at zero (No).

==========  ========================================================  =====================================
kind        what happens                                              least, most, low, high
==========  ========================================================  =====================================
winner      one outcome alone resolves Yes                            1, 1, $1, $1
none        every market resolves No                                  0, 0, 0, 0
several     two or more resolve Yes (each tied nominee)               2, n, $1, $1
split       ``least`` markets share: half a dollar each, a third ...  k, k, value, value (rounded both ways)
any_no      per-strike No: any subset of the markets resolves No      0, most, as the state it weakens
value       one value settles all: these resolve Yes, no others       k, k, $1, $1 (0, k: any may resolve No)
fallback    a named market wins whatever the value, and these         k, k, $1, $1 (0, k: any may resolve No)
scalar      each market at a value of its own                         n, n, 0, $1
void        each market at a price that the exchange finds            n, n, 0, $1
==========  ========================================================  =====================================

Values of a scalar or a void are not normalised. Counts in 1/100 contract, values in 1/10,000 dollar a contract, payoffs in Money. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from typing import Any, Final

from kalbot.common.units import DOLLAR_PRICE, Money, Price, format_price
from markets.book import Side
from markets.terms.atoms import NOBODY, Atoms

Holding = tuple[str, Side, int]
"""(ticker, side, count)."""

NOTHING: Final = Price(0)
FORMAT: Final = 1
"""Version of the stored form; another one is refused."""


class StateError(ValueError):
    """A state list that cannot be one, or legs that it says nothing about."""


class StateKind(StrEnum):
    """What happens to the markets."""

    WINNER = "winner"
    NONE = "none"
    SEVERAL = "several"
    SPLIT = "split"
    ANY_NO = "any_no"
    VALUE = "value"
    FALLBACK = "fallback"
    SCALAR = "scalar"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class State:
    """One form of settlement. ``among``: the outcomes that may be chosen (empty: all of the list). ``quote``: the sentence
    of rules or terms that names it."""

    kind: StateKind
    least: int
    most: int
    low: Price = DOLLAR_PRICE
    high: Price = DOLLAR_PRICE
    among: tuple[str, ...] = ()
    quote: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.least <= self.most or not 0 <= self.low <= self.high <= DOLLAR_PRICE:
            raise StateError(f"{self.kind}: {self.least} to {self.most} markets at {self.low} to {self.high}")
        if len(set(self.among)) != len(self.among):
            raise StateError("an outcome is named twice")

    def words(self, names: Mapping[str, str] | None = None) -> str:
        """The state in words; ``names`` maps tickers to outcome names."""
        named = " and ".join((names or {}).get(ticker) or ticker for ticker in self.among)
        match self.kind:
            case StateKind.WINNER:
                return f"{named or 'one outcome'} wins"
            case StateKind.NONE:
                return "no listed outcome wins"
            case StateKind.SEVERAL:
                return f"several outcomes win{f' ({named})' if named else ''}"
            case StateKind.SPLIT:
                value = format_price(self.low)
                count = f"{self.most}" if self.least == self.most else f"{self.least} to {self.most}"
                return f"{named} settle at {value} each" if named else f"{count} markets settle at {value} each"
            case StateKind.ANY_NO:
                return "any of the markets may resolve No, whatever the value"
            case StateKind.VALUE | StateKind.FALLBACK:
                return self.quote
            case StateKind.SCALAR:
                return "each market settles at a value of its own"
            case StateKind.VOID:
                return "void: every market settles at a price set by the exchange"


def winner(*among: str) -> State:
    """One of the outcomes alone wins (of ``among``, by default of all)."""
    return State(StateKind.WINNER, 1, 1, among=among)


def none(quote: str = "") -> State:
    """Every market resolves No."""
    return State(StateKind.NONE, 0, 0, NOTHING, NOTHING, quote=quote)


def several(most: int, quote: str = "", least: int = 2) -> State:
    """``least`` to ``most`` markets resolve Yes."""
    return State(StateKind.SEVERAL, least, most, quote=quote)


def split(sharers: int, quote: str = "", value: Price | None = None) -> State:
    """``sharers`` markets settle at ``value`` each, by default at an equal share of the dollar, rounded either way to a cent."""
    if value is not None:
        return State(StateKind.SPLIT, sharers, sharers, value, value, quote=quote)
    low = DOLLAR_PRICE // sharers // 100 * 100
    high = low if low * sharers == DOLLAR_PRICE else low + 100
    return State(StateKind.SPLIT, sharers, sharers, Price(low), Price(high), quote=quote)


def any_no(most: int = 1, quote: str = "") -> State:
    """Per strike: of the at most ``most`` markets that would resolve Yes any may resolve No."""
    return State(StateKind.ANY_NO, 0, most, quote=quote)


def scalar(outcomes: int, quote: str = "") -> State:
    """Every one of the ``outcomes`` markets settles at a value of its own."""
    return State(StateKind.SCALAR, outcomes, outcomes, NOTHING, DOLLAR_PRICE, quote=quote)


def void(outcomes: int, quote: str = "") -> State:
    """Every one of the ``outcomes`` markets settles at a last or fair price."""
    return State(StateKind.VOID, outcomes, outcomes, NOTHING, DOLLAR_PRICE, quote=quote)


@dataclass(frozen=True, slots=True)
class StateList:
    """Everything that may happen to these outcomes (tickers). At least one state; none may ask for more outcomes than there are.
    ``atoms``: of a family, the values that its states stand for."""

    outcomes: tuple[str, ...]
    states: tuple[State, ...]
    atoms: Atoms | None = None

    @classmethod
    def of_atoms(cls, atoms: Atoms) -> StateList:
        """One state for each atom, and what the terms add."""
        further = [none(NOBODY)] if atoms.nobody else []
        return cls(tuple(atoms.spans), (*_values(atoms), *further), atoms)

    def about(self, tickers: Collection[str]) -> StateList:
        """What may happen to these outcomes. Of a family the list is as short as they allow; else it is the list itself."""
        return self if self.atoms is None else StateList.of_atoms(self.atoms.about(tickers))

    def __post_init__(self) -> None:
        known = set(self.outcomes)
        if not self.states or not known or len(known) != len(self.outcomes):
            raise StateError("a state list has outcomes, each once, and at least one state")
        for state in self.states:
            if not known.issuperset(state.among) or state.most > len(state.among or self.outcomes):
                raise StateError(f"{state.kind}: chooses outcomes that are not listed")

    def kinds(self) -> frozenset[StateKind]:
        """The kinds of state that may occur."""
        return frozenset(state.kind for state in self.states)

    def to_json(self) -> dict[str, Any]:
        """The stored form: plain JSON, complete."""
        if self.atoms is not None:
            return {"format": FORMAT, "atoms": self.atoms.to_json()}
        return {
            "format": FORMAT,
            "outcomes": list(self.outcomes),
            "states": [
                {
                    "kind": state.kind.value,
                    "least": state.least,
                    "most": state.most,
                    "low": state.low,
                    "high": state.high,
                    "among": list(state.among),
                    "quote": state.quote,
                }
                for state in self.states
            ],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> StateList:
        """The list of the stored form. StateError for anything that is not exactly one."""
        try:
            if stored["format"] != FORMAT:
                raise StateError(f"stored states of format {stored['format']!r}")
            if "atoms" in stored:
                return cls.of_atoms(Atoms.from_json(stored["atoms"]))
            return cls(tuple(stored["outcomes"]), tuple(_state(row) for row in stored["states"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise StateError(f"not a stored state list: {error!r}") from None
        except ValueError as error:
            raise StateError(str(error)) from None


def _values(atoms: Atoms) -> Iterator[State]:
    values = ((StateKind.VALUE, atoms.words(atom), paying) for atom, paying in enumerate(atoms.paying()))
    for kind, words, paying in (*values, *((StateKind.FALLBACK, *one) for one in atoms.beside())):
        yield State(kind, 0 if atoms.any_no else len(paying), len(paying), among=paying, quote=words)


def _state(row: Mapping[str, Any]) -> State:
    numbers = [row[name] for name in ("least", "most", "low", "high")]
    if not all(type(number) is int for number in numbers):
        raise StateError(f"not whole numbers: {numbers}")
    least, most, low, high = numbers
    return State(StateKind(row["kind"]), least, most, Price(low), Price(high), tuple(row["among"]), row["quote"])


def listed_states(outcomes: Sequence[str], *, certified: bool, others: Iterable[State] = ()) -> StateList:
    """The list of an exclusive event: each outcome alone, none unless one must win (``certified``), and what else there is."""
    first = (winner(),) if certified else (winner(), none())
    return StateList(tuple(outcomes), (*first, *others))


def floor(legs: Iterable[Holding], states: StateList) -> Money:
    """The least that the legs pay over every settlement of every state, exactly. Counts may differ; YES, NO or both.

    Linear in the number of outcomes (but for a sort). StateError for a leg that the list says nothing about, or a negative count.
    """
    held = _Held(legs, states.outcomes)
    return Money(min(held.least(state) for state in states.states))


def floor_over(legs: Iterable[Holding], lists: Sequence[StateList]) -> Money:
    """The floor of legs in several events whose settlements may combine in any way: the sum of the floors of each."""
    of: dict[str, int] = {ticker: i for i, states in enumerate(lists) for ticker in states.outcomes}
    if len(of) != sum(len(states.outcomes) for states in lists):
        raise StateError("an outcome is in two lists")
    parts: dict[int, list[Holding]] = defaultdict(list)
    for leg in legs:
        if leg[0] not in of:
            raise StateError(f"nothing is known of how {leg[0]} settles")
        parts[of[leg[0]]].append(leg)
    return Money(sum(floor(part, lists[i]) for i, part in parts.items()))


def payoffs(legs: Iterable[Holding], states: StateList) -> tuple[tuple[State, Money], ...]:
    """What the legs pay in each state, the least where a state leaves a choice; a winner is spelled out outcome by outcome."""
    held = _Held(legs, states.outcomes)
    return tuple((state, Money(held.least(state))) for state in _spelled_out(states))


def _spelled_out(states: StateList) -> Iterator[State]:
    for state in states.states:
        is_winner = state.kind is StateKind.WINNER
        yield from map(winner, state.among or states.outcomes) if is_winner else (state,)


class _Held:
    """Legs, netted per outcome: what they pay if all markets resolve No, and what a Yes adds to that."""

    def __init__(self, legs: Iterable[Holding], outcomes: Sequence[str]) -> None:
        self.swing = dict.fromkeys(outcomes, 0)
        self.all_no = 0
        for ticker, side, count in legs:
            if count < 0:
                raise StateError(f"{ticker}: a holding cannot be negative")
            if ticker not in self.swing:
                raise StateError(f"nothing is known of how {ticker} settles")
            if side is Side.YES:
                self.swing[ticker] += count
            else:
                self.swing[ticker] -= count
                self.all_no += count * DOLLAR_PRICE
        self.per_market: dict[tuple[int, int], list[int]] = {}

    def least(self, state: State) -> int:
        """The cheapest choice: the sum of the k worst markets, for the worst k allowed."""
        if len(state.among) == 1 == state.least:
            swing = self.swing[state.among[0]]
            return self.all_no + min(state.low * swing, state.high * swing)
        worst = self._worst(state)
        sums = list(accumulate(worst[: state.most], initial=0))
        return self.all_no + min(sums[state.least :])

    def _worst(self, state: State) -> list[int]:
        """What each market adds at its worst value, the least first."""
        if state.among:
            return sorted(min(state.low * s, state.high * s) for s in (self.swing[t] for t in state.among))
        key = (state.low, state.high)
        if key not in self.per_market:
            self.per_market[key] = sorted(min(state.low * s, state.high * s) for s in self.swing.values())
        return self.per_market[key]
