"""Certificates: the reason to believe that one of an event's listed outcomes must win.

``mutually_exclusive`` says that *at most* one wins. Nothing in the exchange's data says that at least one does, so a
basket of YES on all outcomes needs evidence of its own. Three kinds are accepted, everything else is refused with a
reason:

- ``tiling``: the strikes tile the number line (``markets.terms.tiling``);
- ``catch_all``: one leg wins exactly when no other does: an "other" leg whose rules say so, the tie of a two-sided
  game, the "no change" between up and down;
- ``reviewed``: a person has reviewed the series, and the event has the shape that was reviewed.

A certificate is tied to the hash of what it was given for. Any change of rules, strikes, exclusivity, set or state of the
markets gives another hash, and the certificate is void.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from markets.kalshi.vocabulary import MarketStatus
from markets.terms.facts import EventFacts, MarketFacts, rules_hash
from markets.terms.special_settlements import SettlementTerms, read_terms
from markets.terms.tiling import STRIKES, Hole, tile

CERTIFICATE_VERSION: Final = 1
"""Raised when the rules of this module change."""


class Evidence(StrEnum):
    """Why one of the outcomes must win."""

    TILING = "tiling"
    CATCH_ALL = "catch_all"
    REVIEWED = "reviewed"


class ReviewShape(StrEnum):
    """What a person found a series to be: two sides of a game, or any list of outcomes that leaves none out."""

    TWO_WAY = "two_way"
    EXHAUSTIVE = "exhaustive"


@dataclass(frozen=True, slots=True)
class ReviewedSeries:
    """A person's word on a series. ``market_count`` and, if given, ``outcomes`` (names in lower case) must be the event's.

    ``tie_impossible``: the reviewer states that a game cannot end level. Without it a two-way game must have rules that
    split the dollar.
    """

    series_ticker: str
    shape: ReviewShape
    market_count: int
    reviewer: str
    reason: str
    outcomes: frozenset[str] | None = None
    tie_impossible: bool = False


@dataclass(frozen=True, slots=True)
class Certificate:
    """One of the listed outcomes must win, by this evidence, as long as the facts have this hash."""

    event_ticker: str
    kind: Evidence
    evidence: tuple[str, ...]
    rules_hash: str
    terms: SettlementTerms
    version: int = CERTIFICATE_VERSION

    def covers(self, event: EventFacts) -> bool:
        """Whether it still stands: same event, same rules, strikes, markets and states."""
        return event.event_ticker == self.event_ticker and rules_hash(event) == self.rules_hash


@dataclass(frozen=True, slots=True)
class Refusal:
    """No certificate: ``code`` for statistics, ``sentence`` for a person."""

    event_ticker: str
    code: str
    sentence: str
    rules_hash: str
    version: int = CERTIFICATE_VERSION


def certify(event: EventFacts, reviewed: ReviewedSeries | None = None) -> Certificate | Refusal:
    """A certificate for the event as it is now, or why there is none. Never raises for odd facts."""
    found = _unfit(event) or _evidence(event, reviewed)
    facts_hash = rules_hash(event)
    terms = _terms(event)
    if not isinstance(found, Hole) and terms.nobody:
        found = Hole("nobody_possible", f"The rules name a case in which no listed outcome wins: {terms.quotes[-1]}")
    if isinstance(found, Hole):
        return Refusal(event.event_ticker, found.code, found.sentence, facts_hash)
    kind, lines = found
    return Certificate(event.event_ticker, kind, lines, facts_hash, terms)


def _terms(event: EventFacts) -> SettlementTerms:
    return read_terms(text for m in event.markets for text in (m.rules_primary, m.rules_secondary))


def _unfit(event: EventFacts) -> Hole | None:
    """What rules a certificate out whatever the evidence."""
    markets = event.markets
    if not event.mutually_exclusive or event.collateral_return_type != "MECNET":
        return Hole(
            "not_exclusive",
            f"Not an exclusive event (mutually_exclusive {event.mutually_exclusive}, "
            f"collateral return {event.collateral_return_type or 'not given'}).",
        )
    if len(markets) < 2:
        return Hole("too_few_legs", f"{len(markets)} market listed.")
    if event.expected_market_count is not None and event.expected_market_count != len(markets):
        return Hole("missing_legs", f"{len(markets)} markets listed, {event.expected_market_count} known.")
    names = [m.yes_sub_title.strip().lower() for m in markets if m.yes_sub_title.strip()]
    if len({m.ticker for m in markets}) < len(markets) or len(set(names)) < len(names):
        return Hole("duplicate_leg", "Two markets have one ticker or one name.")
    for code, unfit, sentence in (
        ("combo", [m for m in markets if m.is_combo], "is a combination of other markets"),
        ("provisional", [m for m in markets if m.is_provisional], "is provisional"),
        ("not_binary", [m for m in markets if m.market_type != "binary"], "does not settle as yes or no"),
        (
            "leg_not_active",
            [m for m in markets if m.status != MarketStatus.ACTIVE or m.result],
            "is settled or not open",
        ),
    ):
        if unfit:
            return Hole(code, f"{', '.join(m.ticker for m in unfit[:5])} {sentence}.")
    return None


def _evidence(event: EventFacts, reviewed: ReviewedSeries | None) -> tuple[Evidence, tuple[str, ...]] | Hole:
    with_strikes = sum(1 for m in event.markets if m.strike_type in STRIKES)
    if with_strikes == len(event.markets):
        lines = tile(event.markets)
        if not isinstance(lines, Hole):
            return Evidence.TILING, lines
        first: Hole = lines
    elif with_strikes:
        first = Hole("mixed_strikes", "Some markets have number strikes and some have not.")
    else:
        lines = _catch_all(event)
        if not isinstance(lines, Hole):
            return Evidence.CATCH_ALL, lines
        first = lines
    if reviewed is None or reviewed.series_ticker != event.series_ticker:
        return first
    lines = _as_reviewed(event, reviewed)
    return lines if isinstance(lines, Hole) else (Evidence.REVIEWED, lines)


_OTHER = re.compile(
    r"(?:any )?other(?:s| outcome| option| candidate| person| team| party| player| nominee| winner)?"
    r"|someone else|anyone else|none of (?:the|these)(?: above| others| listed)*|(?:the )?field|neither",
    re.IGNORECASE,
)
_OTHER_RULE = re.compile(
    r"\b(?:any(?:one|body|thing)?|some(?:one|body|thing)?|an?|no|every)\s+(?:\w+\s+){0,3}?(?:other|else|not)\b"
    r"|other than|none of the (?:other|above|listed|following)|neither|not (?:one of the )?listed",
    re.IGNORECASE,
)
_LIMITED = re.compile(r"\b(?:before|by|until|unless|except|only|provided|announce)", re.IGNORECASE)
_TIE = re.compile(r"(?:reg(?:ulation)? time:\s*)?(?:the )?(?:tie|draw)", re.IGNORECASE)
_TIE_LEG = re.compile(r"market called \W*(?:the )?(?:tie|draw)\b", re.IGNORECASE)
_VERSUS = re.compile(r"\s+(?:vs\.?|v\.?|at|@)\s+", re.IGNORECASE)
_MARGIN = re.compile(r"\bby (?:at least|more than|over|\d)|\bspread\b|\bhandicap\b|\bmargin\b", re.IGNORECASE)
_SPAN = re.compile(
    r"\b(?:90 minutes|extra time|overtime|stoppage time|penalties|regulation|(?:first|second) (?:half|quarter|period|set|map)"
    r"|inning\w*|advance\w*|qualif\w*|lift\w*)\b",
    re.IGNORECASE,
)
_NO_CHANGE = frozenset({"no change", "unchanged", "same", "no change in rate", "unch"})
_UP = frozenset({"increase", "higher", "up", "rise", "hike", "above"})
_DOWN = frozenset({"decrease", "lower", "down", "fall", "cut", "below"})


def _catch_all(event: EventFacts) -> tuple[str, ...] | Hole:
    names = {m.yes_sub_title.strip().lower(): m for m in event.markets}
    if len(names) == 3 and names.keys() & _NO_CHANGE and names.keys() & _UP and names.keys() & _DOWN:
        return (f"Up, down and no change leave nothing out: {', '.join(sorted(names))}.",)
    others = [m for m in event.markets if _OTHER.fullmatch(m.yes_sub_title.strip())]
    if len(others) == 1:
        return _other_leg(others[0], len(event.markets))
    if len(others) > 1:
        return Hole("catch_all_unclear", "More than one market calls itself the rest.")
    if any(_TIE.fullmatch(m.yes_sub_title.strip()) for m in event.markets):
        return _tie_leg(event)
    return Hole("no_evidence", "No strikes that tile the line, no leg for everything else, no reviewed series.")


def _other_leg(other: MarketFacts, count: int) -> tuple[str, ...] | Hole:
    rules = other.rules_primary
    if not rules:
        return Hole(
            "catch_all_unclear", f'{other.ticker} is named "{other.yes_sub_title}" but its rules are not known.'
        )
    if not _OTHER_RULE.search(rules):
        return Hole("catch_all_unclear", f"The rules of {other.ticker} do not say that it stands for all others.")
    if _LIMITED.search(rules):
        return Hole("catch_all_limited", f"The rules of {other.ticker} set a condition that all outcomes may miss.")
    return (
        f'{other.ticker} ("{other.yes_sub_title}") wins when none of the other {count - 1} does.',
        f"Rules: {rules}",
    )


def _tie_leg(event: EventFacts) -> tuple[str, ...] | Hole:
    """Win, win, tie: exhaustive for a game of two sides if the other two legs are those sides winning it."""
    sides = [m for m in event.markets if not _TIE.fullmatch(m.yes_sub_title.strip())]
    if len(event.markets) != 3 or len(sides) != 2:
        return Hole("tie_unclear", "A tie completes two sides, not another number of them.")
    texts = [event.title, *(m.rules_primary for m in event.markets)]
    game = next((text for text in texts if len(_VERSUS.findall(text)) == 1), "")
    names = [re.sub(r"^reg(?:ulation)? time:\s*", "", m.yes_sub_title.strip(), flags=re.IGNORECASE) for m in sides]
    if not game or not all(name and name.lower() in game.lower() for name in names):
        return Hole("tie_unclear", 'The two sides do not appear in an "A vs B", so they may not be all sides.')
    rules = [m.rules_primary for m in event.markets]
    if any(_MARGIN.search(text) for text in [event.title, *rules]):
        return Hole("tie_unclear", "A side has to win by a margin, so a narrow win is neither a win nor a tie.")
    spans = {frozenset(word.lower() for word in _SPAN.findall(text)) for text in rules if text}
    if len(spans) > 1:
        return Hole("tie_unclear", "The markets do not speak of the same part of the game.")
    lines = [f"{names[0]} wins, {names[1]} wins, or a tie: a game of two sides has no other result.", f"Game: {game}"]
    if not all(rules):
        lines.append("The rules of some markets are not known and were not read.")
    return tuple(lines)


def _as_reviewed(event: EventFacts, reviewed: ReviewedSeries) -> tuple[str, ...] | Hole:
    count = len(event.markets)
    if count != reviewed.market_count:
        return Hole("review_differs", f"The review is for {reviewed.market_count} markets, the event lists {count}.")
    names = {m.yes_sub_title.strip().lower() for m in event.markets}
    if reviewed.outcomes is not None and names != reviewed.outcomes:
        return Hole("review_differs", f"Outcomes other than reviewed: {', '.join(sorted(names ^ reviewed.outcomes))}.")
    line = f"{reviewed.reviewer} reviewed series {reviewed.series_ticker}: {reviewed.reason}"
    if reviewed.shape is ReviewShape.EXHAUSTIVE:
        return (line,)
    if count != 2:
        return Hole("review_differs", f"A two-way game has two markets, this event {count}.")
    if any(_TIE.fullmatch(name) for name in names) or any(_TIE_LEG.search(m.rules_secondary) for m in event.markets):
        return Hole("review_differs", "This game has a market for the tie, so two sides are not all of it.")
    if not _terms(event).tie_splits and not reviewed.tie_impossible:
        return Hole(
            "tie_possible", "A tie is not ruled out by the reviewer and the rules do not split the dollar then."
        )
    tie = (
        "No tie is possible, the reviewer states."
        if reviewed.tie_impossible
        else "In a tie the rules split the dollar."
    )
    return (line, tie)


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
    "rules_hash",
]
