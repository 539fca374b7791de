"""Certificates: the evidence for the list of ways in which an event's markets can settle.

``mutually_exclusive`` says that *at most* one wins, and says it in a field; the rules decide. A certificate is given only if every
sentence of every outcome's rules was read (``markets.terms.reading``) and the outcomes exclude each other by what they say. It lists
the settlement states (``markets.terms.states``); "no listed outcome wins" is one of them unless the evidence rules it out:

- ``tiling``: the strikes tile the number line in the unit of the source;
- ``game``: the two sides of a game, with a market for the tie;
- ``reviewed``: a person has reviewed the series, and the event has the outcomes and the rule that were reviewed;
- ``exclusive``: at most one wins, perhaps none.

A certificate is tied to the hash of what it was given for. Any change of rules, strikes, exclusivity, set or state of the
markets gives another hash, and the certificate is void.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kalbot.common.units import CONTRACT
from markets.book import Side
from markets.kalshi.vocabulary import MarketStatus
from markets.terms.evidence import Evidence, ReviewedSeries, ReviewShape, read_event
from markets.terms.facts import EventFacts, MarketFacts, rules_hash
from markets.terms.grades import Grade, grade_of
from markets.terms.reading.fields import check_fields
from markets.terms.reading.meanings import Meaning, states_of
from markets.terms.reading.rules import NotRead
from markets.terms.reading.text import odd_letter, plain, without_marks
from markets.terms.registry.entry import NO_DATA_MEANS, RegisteredTerms
from markets.terms.states import StateKind, StateList, floor, listed_states

CERTIFICATE_VERSION: Final = 11
"""Raised when the rules of reading change; certificates of another version do not count."""
_APART: Final = "The registered terms have no clause by which one value settles all of the markets."


@dataclass(frozen=True, slots=True)
class Certificate:
    """The settlements of an event, by this evidence, as long as the facts have this hash.

    ``grade``: the surest that a basket under it can be. ``residual``: sentences about what is at the exchange's discretion.
    ``terms``: fingerprint of the registered terms that it rests on ("" = none).
    """

    event_ticker: str
    kind: Evidence
    evidence: tuple[str, ...]
    rules_hash: str
    states: StateList
    grade: Grade
    residual: tuple[str, ...] = ()
    terms: str = ""
    version: int = CERTIFICATE_VERSION

    def covers(self, event: EventFacts) -> bool:
        """Whether it still stands: same event, same rules, strikes, markets and states."""
        return event.event_ticker == self.event_ticker and rules_hash(event) == self.rules_hash

    @property
    def one_must_win(self) -> bool:
        """Whether every state pays a whole dollar on YES of all outcomes, or shares it out."""
        return one_must_win(self.states)

    def side_grade(self, side: Side) -> Grade:
        """The grade of holding this side of every outcome, cost aside: conditional if a state pays nothing."""
        return side_grade(self.states, self.grade, side)


@dataclass(frozen=True, slots=True)
class Refusal:
    """No certificate: ``code`` for statistics, ``sentence`` for a person."""

    event_ticker: str
    code: str
    sentence: str
    rules_hash: str
    version: int = CERTIFICATE_VERSION


def side_grade(states: StateList, cap: Grade, side: Side) -> Grade:
    """The grade of holding this side of every outcome, cost aside: ``cap``, or conditional if a state pays nothing."""
    return grade_of(floor([(ticker, side, CONTRACT) for ticker in states.outcomes], states), 0, 0, cap)


def one_must_win(states: StateList) -> bool:
    """Whether no state lets every outcome resolve No."""
    return not {StateKind.NONE, StateKind.ANY_NO} & states.kinds()


def certify(
    event: EventFacts, reviewed: ReviewedSeries | None = None, terms: RegisteredTerms | None = None
) -> Certificate | Refusal:
    """A certificate for the event as it is now, or why there is none. Never raises for odd facts.

    ``reviewed``: a person's word on the series; ``terms``: what is registered about its contract terms.
    """
    digest = rules_hash(event)
    try:
        _check_fit(event)
        found = read_event(event, reviewed, terms)
    except NotRead as refused:
        return Refusal(event.event_ticker, refused.code, str(refused), digest)
    meanings = dict(found.meanings)
    if terms is not None:
        for meaning in NO_DATA_MEANS[terms.no_data]:
            meanings.setdefault(meaning, f"Contract terms, no data: {terms.no_data}")
    contradicted = "" if terms is None else terms.contradicted_by(texts_of_markets(event))
    apart = "" if terms is None or not terms.approved or terms.common_determination.strip() else _APART
    grade = Grade.GUARANTEED if terms is not None and terms.approved else Grade.IF_DETERMINED
    if apart or contradicted or Meaning.DISCRETION in meanings:
        grade = Grade.IF_DETERMINED
    if apart and found.kind is Evidence.TILING:
        grade = Grade.CONDITIONAL
    tickers = [m.ticker for m in event.markets]
    others = states_of(meanings, len(tickers))
    states = listed_states(tickers, certified=not found.hole, others=others)
    residual = [meanings[Meaning.DISCRETION]] if Meaning.DISCRETION in meanings else []
    return Certificate(
        event.event_ticker,
        found.kind if one_must_win(states) else Evidence.EXCLUSIVE,
        tuple(line for line in (*found.lines, found.hole, contradicted, apart) if line),
        digest,
        states,
        grade,
        tuple(residual),
        terms.fingerprint if terms is not None else "",
    )


def texts_of_markets(event: EventFacts) -> list[str]:
    """The rules of each market, primary and secondary."""
    return [f"{m.rules_primary} {m.rules_secondary}" for m in event.markets]


def at_most_one_wins(mutually_exclusive: bool, collateral_return: str) -> bool:
    """Whether the exchange says that at most one market of an event wins, by its flag and by the collateral that it returns."""
    return mutually_exclusive and collateral_return == "MECNET"


def _check_fit(event: EventFacts) -> None:
    """Raises NotRead for what rules a certificate out whatever the rules say."""
    markets = event.markets
    if not at_most_one_wins(event.mutually_exclusive, event.collateral_return_type):
        raise NotRead(
            "not_exclusive",
            f"Not an exclusive event (mutually_exclusive {event.mutually_exclusive}, "
            f"collateral return {event.collateral_return_type or 'not given'}).",
        )
    if len(markets) < 2:
        raise NotRead("too_few_legs", f"{len(markets)} market listed.")
    check_markets(markets)
    check_fields(event)


def check_markets(markets: Sequence[MarketFacts]) -> None:
    """Raises NotRead for markets that no certificate can be about, alone or with those of other events: twice listed, combined,
    provisional, not settled as yes or no, or not open."""
    for market in markets:
        if odd := odd_letter(plain(market.yes_sub_title)):
            raise NotRead(
                "odd_letter",
                f"The name of {market.ticker} has the character U+{ord(odd):04X}, which may hide another name.",
            )
    names = [without_marks(plain(m.yes_sub_title)) for m in markets if m.yes_sub_title.strip()]
    if len({m.ticker for m in markets}) < len(markets) or len(set(names)) < len(names):
        raise NotRead("duplicate_leg", "Two markets have one ticker or one name.")
    for code, unfit, sentence in (
        ("combo", [m for m in markets if m.is_combo], "is a combination of other markets"),
        ("provisional", [m for m in markets if m.is_provisional], "is provisional"),
        ("not_binary", [m for m in markets if m.market_type != "binary"], "does not settle as yes or no"),
        (
            "leg_not_active",
            [m for m in markets if m.status != MarketStatus.ACTIVE or m.result],
            "is settled, worth a known value or not open",
        ),
    ):
        if unfit:
            raise NotRead(code, f"{', '.join(m.ticker for m in unfit[:5])} {sentence}.")


__all__ = [
    "CERTIFICATE_VERSION",
    "Certificate",
    "EventFacts",
    "Evidence",
    "MarketFacts",
    "Refusal",
    "ReviewShape",
    "ReviewedSeries",
    "certify",
    "one_must_win",
    "rules_hash",
]
