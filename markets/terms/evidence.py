"""What an event's rules prove: that its outcomes exclude each other, and whether one of them must win."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final

from markets.terms.facts import EventFacts, MarketFacts
from markets.terms.reading.fields import check_sources, check_topic
from markets.terms.reading.games import TIE, introductions, read_game
from markets.terms.reading.identity import Pair, check_different
from markets.terms.reading.labels import check_custom, check_labels
from markets.terms.reading.meanings import Meaning
from markets.terms.reading.named import check_named
from markets.terms.reading.primary import Condition, read_condition
from markets.terms.reading.rules import NotRead, Texts, one_rest, texts_of
from markets.terms.reading.secondary import Topic, names_that_win
from markets.terms.reading.strikes import Interval, of_strikes, read_phrase
from markets.terms.reading.text import DATE, WEATHER_SERVICE, address_of, plain, same_day
from markets.terms.registry.entry import RegisteredTerms
from markets.terms.tiling import tile
from markets.terms.weather_stations import Extreme, disagreement, foreign_address, foreign_source, label_words

_CLI: Final = re.compile(r"\bData for CLI([A-Z]{3})\b")
_LOCATION: Final = re.compile(r'(?:choosing the location|then choose) "([^"]*)"')
_EXTREME: Final = re.compile(r"(?<!/)\b(highest|lowest|maximum|minimum) temperature as reported")
_RELEASED: Final = re.compile(rf"\bthe release of the data for ({DATE}), or one week after ({DATE})")
COINS: Final = {"BTC": ("Bitcoin", "BTC"), "ETH": ("Ethereum", "Ether", "ETH")}
"""Coin of an index -> its names in titles."""
INDICES: Final = {"BTC": frozenset({"BRTI"}), "ETH": frozenset({"ERTI", "ETHUSD_RTI"})}
"""Coin -> the last part of the address of its index."""
NAMED: Final = frozenset({"", "structured", "custom"})
STRIKES: Final = frozenset({"less", "less_or_equal", "greater", "greater_or_equal", "between"})
_NO_TIE_LISTED: Final = "The rules speak of a market for the tie that is not listed."


class Evidence(StrEnum):
    """Why the outcomes exclude each other, and whether one of them must win."""

    TILING = "tiling"
    GAME = "game"
    REVIEWED = "reviewed"
    EXCLUSIVE = "exclusive"


class ReviewShape(StrEnum):
    """What a person found a series to be: two sides of a game, or any list of outcomes that leaves none out."""

    TWO_WAY = "two_way"
    EXHAUSTIVE = "exhaustive"


@dataclass(frozen=True, slots=True)
class ReviewedSeries:
    """A person's word on a series. ``outcomes``: the names (lower case) that it was given for; without names it says nothing.
    An exhaustive list must have exactly these; the two sides of a game must both be among them. ``rule``: what the primary rule
    of each outcome says, with ``{outcome}`` and ``{date}`` (exhaustive lists).

    ``tie_impossible``: the reviewer states that a game cannot end level. Without it a two-way game must have rules that
    split the dollar. ``titles``: of events and markets, as the reviewer saw them. ``different``: the pairs of names of an exhaustive list
    of which the reviewer states that they are two things (lower case); any other two may be one thing under two names.
    """

    series_ticker: str
    shape: ReviewShape
    reviewer: str
    reason: str
    outcomes: frozenset[str]
    rule: str = ""
    tie_impossible: bool = False
    titles: tuple[str, ...] = ()
    different: frozenset[Pair] = frozenset()


@dataclass(slots=True)
class Found:
    """What the reading found. ``hole``: why no outcome may win ("" = one must)."""

    kind: Evidence
    lines: list[str]
    hole: str = ""
    meanings: dict[Meaning, str] = field(default_factory=dict)


def read_event(event: EventFacts, reviewed: ReviewedSeries | None, terms: RegisteredTerms | None) -> Found:
    """What the rules of a fit event prove. Raises NotRead."""
    texts = texts_of(event)
    return _read_strikes(event, texts, terms) if _by_strikes(event) else _read_names(event, texts, reviewed)


def _by_strikes(event: EventFacts) -> bool:
    with_strikes = sum(1 for m in event.markets if m.strike_type in STRIKES)
    if 0 < with_strikes < len(event.markets):
        raise NotRead("mixed_strikes", "Some markets have number strikes and some have not.")
    return with_strikes > 0


def _read_strikes(event: EventFacts, texts: Texts, terms: RegisteredTerms | None) -> Found:
    conditions = [condition_of(market, head, terms) for market, head in zip(event.markets, texts.heads, strict=True)]
    one_rest([condition.rest for condition in conditions])
    first = conditions[0]
    said = f"{texts.tails[0]} {texts.common}"
    if first.extreme is not None:
        _check_weather(event, first, said)
    else:
        check_coin(event, first)
    check_labels(event, texts, label_words(event.series_ticker) if first.extreme else COINS[first.coin])
    topic = Topic.WEATHER if first.extreme else Topic.COIN
    check_topic(event, texts, topic)
    texts.read_others(topic=topic)
    if Meaning.TIE_WINS in texts.meanings:
        raise NotRead("rules_disagree", _NO_TIE_LISTED)
    for meaning in first.source.no_data:
        texts.meanings.setdefault(meaning, first.source.about)
    tiling = tile([condition.interval for condition in conditions], _unit_of(first, terms))
    if tiling.overlap:
        raise NotRead("overlap", tiling.overlap)
    lines = [f"Rules read: {first.rest}", f"Source: {first.source.about}"]
    if not tiling.hole:
        lines.append(f"{len(conditions)} strikes tile the line without hole or overlap.")
    return Found(Evidence.TILING, lines, tiling.hole, texts.meanings)


def _check_weather(event: EventFacts, first: Condition, said: str) -> None:
    """Raises NotRead where what is said besides the condition is about another station, extreme or day."""
    extreme: Extreme = first.extreme or "high"
    wrong = disagreement(event.series_ticker, extreme, first.place, _CLI.findall(said), _LOCATION.findall(said))
    wrong = wrong or foreign_address(event.series_ticker, re.findall(WEATHER_SERVICE, said))
    if not wrong and (other := foreign_source(event.series_ticker, event.sources)):
        wrong = f"a listed source is not the weather service's report of the station: {other}"
    if wrong:
        raise NotRead("source_differs", f"{wrong[0].upper()}{wrong[1:]}.")
    for word in _EXTREME.findall(said):
        if (word in ("highest", "maximum")) != (extreme == "high"):
            raise NotRead("rules_disagree", f"The condition is about the {extreme}, another sentence says {word}.")
    days = {same_day(date) for date in re.findall(DATE, first.rest)}
    for dates in _RELEASED.findall(said):
        if {same_day(date) for date in dates} != days:
            raise NotRead("rules_disagree", f"The condition is about another day than the data for {dates[0]}.")


def check_coin(event: EventFacts, first: Condition) -> None:
    """Raises NotRead where the index of the rules is not the one of the series, or a listed source is another."""
    if event.series_ticker not in (f"KX{first.coin}", f"KX{first.coin}D"):
        raise NotRead("source_differs", f"{event.series_ticker} is not known to settle by the {first.coin} index.")
    for source in event.sources:
        name, _, address = source.rpartition(" ")
        at = address_of(address)
        index = at.path.removeprefix("/data/indices/").removesuffix("/")
        if name != "CF Benchmarks" or at.netloc != "www.cfbenchmarks.com" or index not in INDICES[first.coin] | {""}:
            raise NotRead("source_differs", f"A listed source is not CF Benchmarks' index of {first.coin}: {source}")


def _unit_of(condition: Condition, terms: RegisteredTerms | None) -> Decimal | None:
    """The unit of the values: the finer of source and terms; where no source states one, only approved terms can."""
    known = condition.source.unit
    if terms is None or terms.unit is None:
        return known
    if known is None:
        return terms.unit if terms.approved else None
    return min(known, terms.unit)


def condition_of(market: MarketFacts, head: str, terms: RegisteredTerms | None) -> Condition:
    """One outcome's condition; strikes, rule and name must say the same. Raises NotRead."""
    condition, strikes = read_condition(head), of_strikes(market)
    if strikes is None:
        raise NotRead("strike_missing", f"Strikes do not fit the strike type in {market.ticker}.")
    if condition is None:
        raise NotRead("rules_unread", f"The rule of {market.ticker} is in no form that is read: {head}")
    if not condition.interval.same(strikes, _unit_of(condition, terms)):
        raise NotRead("rules_disagree", f"The rule of {market.ticker} and its strikes take different values: {head}")
    if market.custom_strike:
        raise NotRead("label_differs", f"{market.ticker} has a custom strike beside its numbers.")
    if market.strike_type == "between" and terms is not None and not terms.between_inclusive:
        raise NotRead("rules_disagree", 'The registered terms leave a bound out of "between".')
    name = plain(market.yes_sub_title)
    if name and not _name_fits(name, strikes, condition.source.display_unit):
        raise NotRead("rules_disagree", f'"{name}" does not name the values that {market.ticker} takes.')
    return condition


def _name_fits(name: str, strikes: Interval, unit: Decimal | None) -> bool:
    named = read_phrase(name)
    return named is not None and named.same(strikes, unit)


def _check_names(event: EventFacts, texts: Texts) -> None:
    """Raises NotRead where strikes, of any kind, are of no list of names or not those of their outcome."""
    for market in event.markets:
        if market.strike_type not in NAMED or market.floor_strike is not None or market.cap_strike is not None:
            raise NotRead("strike_missing", f"{market.ticker} has strikes of a kind that a list of names has not.")
    if len({market.strike_type for market in event.markets}) > 1:
        raise NotRead("mixed_strikes", "Some outcomes have strikes of another kind than others.")
    check_custom(event, texts.heads)


def _read_names(event: EventFacts, texts: Texts, reviewed: ReviewedSeries | None) -> Found:
    _check_names(event, texts)
    review = reviewed if reviewed is not None and reviewed.series_ticker == event.series_ticker else None
    names = frozenset(plain(m.yes_sub_title).lower() for m in event.markets)
    if review is not None and review.shape is ReviewShape.EXHAUSTIVE:
        if names != review.outcomes:
            differing = ", ".join(sorted(names ^ review.outcomes))
            raise NotRead("review_differs", f"Outcomes other than reviewed: {differing}.")
        hole = check_named(event.markets, texts.heads, review.rule)
        check_different(names, review.different)
        check_labels(event, texts, review.titles)
        check_topic(event, texts, Topic.NAMES)
        check_sources(event)
        texts.read_others(topic=Topic.NAMES)
        if Meaning.TIE_WINS in texts.meanings and not any(TIE.fullmatch(name) for name in names):
            raise NotRead("rules_disagree", _NO_TIE_LISTED)
        if missing := [name for name in names_that_win(texts.common) if name.lower() not in names]:
            raise NotRead("rules_disagree", f'The rules speak of "{missing[0]}", which is not listed.')
        return Found(Evidence.REVIEWED, [_signed(review)], hole, texts.meanings)
    return _read_game(event, texts, review)


def _read_game(event: EventFacts, texts: Texts, review: ReviewedSeries | None) -> Found:
    game = read_game(event.markets, texts.heads)
    if game is None:
        raise NotRead(
            "no_evidence", "No strikes, no game of two sides in a form that is read, no reviewed list of outcomes."
        )
    check_labels(event, texts, ("Pro",))
    check_topic(event, texts, Topic.GAME)
    check_sources(event)
    texts.read_others(introductions(game), topic=Topic.GAME)
    lines = [f"Game read: {game.text}"]
    if game.with_tie:
        if Meaning.HALVES in texts.meanings:
            raise NotRead("rules_disagree", "In a tie the rules split the dollar, and a market for the tie is listed.")
        lines.append(f"{game.sides[0]} wins, {game.sides[1]} wins, or a tie: a game of two sides has no other result.")
        return Found(Evidence.GAME, lines, "", texts.meanings)
    if Meaning.TIE_WINS in texts.meanings:
        raise NotRead("rules_disagree", _NO_TIE_LISTED)
    if review is None:
        return Found(
            Evidence.EXCLUSIVE, lines, "Nobody has reviewed whether one of the two sides must win.", texts.meanings
        )
    if not {side.lower() for side in game.sides} <= review.outcomes:
        raise NotRead(
            "review_differs", f"{game.sides[0]} or {game.sides[1]} is not among the sides that were reviewed."
        )
    if Meaning.HALVES in texts.meanings:
        lines.append("In a tie the rules split the dollar.")
    elif review.tie_impossible:
        lines.append("No tie is possible, the reviewer states.")
    else:
        return Found(
            Evidence.EXCLUSIVE, lines, "A tie is not ruled out by the reviewer, nor split by the rules.", texts.meanings
        )
    return Found(Evidence.REVIEWED, [*lines, _signed(review)], "", texts.meanings)


def _signed(review: ReviewedSeries) -> str:
    return f"{review.reviewer} reviewed series {review.series_ticker}: {review.reason}"
