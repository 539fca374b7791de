"""What a sentence that was read means for the settlement, and the settlement states that follow."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from kalbot.common.units import Price
from markets.terms.states import State, StateKind, any_no, none, scalar, several, split, void

HALF = Price(5_000)


class Meaning(StrEnum):
    """One thing that a sentence may say about how markets settle."""

    NOTHING = "nothing"
    TIE_WINS = "the market for the tie wins in a tie"
    HALVES = "half a dollar each"
    EQUAL_SHARES = "equal shares"
    VOID = "a last or fair price"
    SCALAR = "a value of its own"
    ALL_NO = "all markets resolve to No"
    ANY_NO = "a market may resolve to No by itself"
    SEVERAL = "several markets resolve to Yes"
    ONE_WINS = "at most one market resolves to Yes"
    ONE_MUST = "exactly one market resolves to Yes"
    NAMED_WINS = "a market that is named resolves to Yes"
    REGULATION = "what counts as regulation time"
    DISCRETION = "the exchange's discretion"


def states_of(meanings: Mapping[Meaning, str], outcomes: int) -> tuple[State, ...]:
    """The states beyond "one wins", for an event of ``outcomes`` markets. ``meanings``: with the sentence that says so."""
    found: list[State] = []
    several_win = Meaning.SEVERAL in meanings
    for meaning, quote in meanings.items():
        match meaning:
            case Meaning.NOTHING | Meaning.TIE_WINS | Meaning.DISCRETION | Meaning.REGULATION:
                pass
            case Meaning.ONE_WINS | Meaning.ONE_MUST | Meaning.NAMED_WINS:
                pass  # of outcomes that exclude each other they say no more than that
            case Meaning.HALVES:
                found.append(split(2, quote, HALF))
                if outcomes > 2:
                    found.append(State(StateKind.SPLIT, 3, outcomes, HALF, HALF, quote=quote))
            case Meaning.EQUAL_SHARES:
                found += [split(sharers, quote) for sharers in range(2, outcomes + 1)]
            case Meaning.VOID:
                found.append(void(outcomes, quote))
            case Meaning.SCALAR:
                found.append(scalar(outcomes, quote))
            case Meaning.ALL_NO:
                found.append(none(quote))
            case Meaning.ANY_NO:
                found.append(any_no(outcomes if several_win else 1, quote))
            case Meaning.SEVERAL:
                found.append(several(outcomes, quote))
    if Meaning.ANY_NO in meanings and {Meaning.HALVES, Meaning.EQUAL_SHARES} & meanings.keys():
        found.append(void(outcomes, meanings[Meaning.ANY_NO]))  # a share may be lost by itself: any values at all
    return tuple(found)
