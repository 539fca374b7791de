"""One event of a family, read: which values each of its markets takes, by the readings that are built in or by registered forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from markets.kalshi.vocabulary import MarketStatus
from markets.terms.atoms import AtomError, Atoms, Fallback
from markets.terms.evidence import COINS, NAMED, check_coin, condition_of
from markets.terms.exhaustiveness import check_markets
from markets.terms.facts import EventFacts, MarketFacts
from markets.terms.reading.fields import check_fields, check_sources, check_topic
from markets.terms.reading.forms import Formed, FormError, LevelMissingError, Measure, read_form
from markets.terms.reading.labels import check_custom, check_labels, words_of
from markets.terms.reading.level_changes import UNCHANGED, LevelError, levels_of
from markets.terms.reading.meanings import Meaning
from markets.terms.reading.primary import Condition
from markets.terms.reading.rules import NotRead, Texts, one_rest, texts_of
from markets.terms.reading.secondary import Topic, names_that_win
from markets.terms.reading.strikes import Interval, of_strikes, read_phrase
from markets.terms.reading.text import one_spelling, plain
from markets.terms.registry.entry import RegisteredTerms

EXCLUSIVE: Final = "MECNET"
"""How the exchange says of the collateral of an event that at most one of its markets wins."""
UNREGISTERED: Final = (Meaning.ALL_NO, Meaning.ANY_NO)
"""What a market of a registered form may do besides, as long as nobody approved its terms."""

LEVEL_WORDS: Final = ("Fed rates rate decision funds after at by their meeting above", *UNCHANGED)
"""Words of titles of decisions and levels that their rules say otherwise."""


@dataclass(frozen=True, slots=True)
class MemberRead:
    """What one event says. ``rest``: all but the strikes, dates and sides; ``source``: name of what settles it; ``no_data``: what its
    source may leave open besides; ``units``: what its margins count; ``fallback``: who wins whatever the value in a case that they name."""

    intervals: Mapping[str, Interval]
    rest: str
    source: str
    measure: Measure
    no_data: tuple[Meaning, ...]
    meanings: Mapping[Meaning, str]
    units: frozenset[str] = frozenset()
    fallback: Fallback | None = None


def read_member(facts: EventFacts, terms: RegisteredTerms) -> MemberRead:
    """Every market of one event, read; strikes, rule and name must agree. Raises NotRead."""
    found = _by_forms(facts, terms) if terms.forms else _coin(facts, terms)
    if facts.mutually_exclusive or facts.collateral_return_type == EXCLUSIVE or Meaning.ONE_WINS in found.meanings:
        _check_exclusive(facts.event_ticker, found.intervals)
    elif found.fallback is not None:
        raise NotRead("state_not_covered", f"{facts.event_ticker} has a named winner, and is not said to be exclusive.")
    return found


def _check_exclusive(event: str, intervals: Mapping[str, Interval]) -> None:
    """Raises NotRead where the exchange or a sentence says that at most one market wins, and the conditions that two do."""
    try:
        both = next((paying for paying in Atoms.of(intervals).paying() if len(paying) > 1), ())
    except AtomError as error:
        raise NotRead("strikes", str(error)) from None
    if both:
        raise NotRead(
            "overlap", f"{event} is said to be exclusive, and by the rules {' and '.join(both[:2])} may both win."
        )


def _contradiction(facts: EventFacts, terms: RegisteredTerms) -> None:
    contradicted = terms.contradicted_by([f"{m.rules_primary} {m.rules_secondary}" for m in facts.markets])
    if contradicted:
        raise NotRead("terms_contradicted", contradicted)


def _coin(facts: EventFacts, terms: RegisteredTerms) -> MemberRead:
    check_markets(facts.markets)
    check_fields(facts)
    texts = texts_of(facts)
    _contradiction(facts, terms)
    conditions: dict[str, Condition] = {}
    for market, head in zip(facts.markets, texts.heads, strict=True):
        condition = condition_of(market, head, terms)
        if condition.extreme is not None:
            raise NotRead("weather", "Temperatures of several events make no family.")
        check_coin(facts, condition)
        conditions[market.ticker] = condition
    first = conditions[facts.markets[0].ticker]
    one_rest([condition.rest for condition in conditions.values()])
    check_labels(facts, texts, COINS[first.coin])
    check_topic(facts, texts, Topic.COIN)
    texts.read_others(topic=Topic.COIN)
    intervals = {ticker: condition.interval for ticker, condition in conditions.items()}
    source = first.source
    return MemberRead(intervals, first.rest, source.name, Measure.VALUE, tuple(source.no_data), texts.meanings)


def _by_forms(listed: EventFacts, terms: RegisteredTerms) -> MemberRead:
    """By the forms that a person registered. A date that has passed leaves its market out: the others say what they say without it."""
    facts, dated = _still_open(listed, terms)
    if not facts.markets:
        raise NotRead("leg_not_active", f"No market of {listed.event_ticker} is open.")
    check_markets(facts.markets)
    check_fields(facts, one_time=not dated)
    texts = texts_of(facts)
    _contradiction(facts, terms)
    formed = [_formed(market, head, terms) for market, head in zip(facts.markets, texts.heads, strict=True)]
    if len({one.measure for one in formed}) > 1:
        raise NotRead("measures_differ", f"The markets of {facts.event_ticker} measure different things.")
    one_rest([one.subject for one in formed])
    check_custom(facts, texts.heads)
    check_labels(facts, texts, LEVEL_WORDS if any("{change}" in form for form in terms.forms) else ())
    topic = Topic.GAME if formed[0].side else Topic.NAMES
    check_topic(facts, texts, topic)
    check_sources(facts)
    texts.read_others(topic=topic)
    intervals = {market.ticker: one.interval for market, one in zip(facts.markets, formed, strict=True)}
    measure, meanings = formed[0].measure, dict(texts.meanings)
    if measure is not Measure.DAY:  # what a form asks for besides may not come about; of a day: never
        meanings.setdefault(Meaning.ALL_NO, "What else the rule asks for may not come about.")
    units = frozenset(one.unit for one in formed if one.unit)
    fallback = _fallback(facts, texts) if Meaning.NAMED_WINS in meanings else None
    return MemberRead(intervals, formed[0].subject, "", measure, UNREGISTERED, meanings, units, fallback)


def _fallback(facts: EventFacts, texts: Texts) -> Fallback:
    """The one market of which a sentence says that it wins in a case of its own, and no other of its event. Raises NotRead."""
    names = names_that_win(f"{texts.tails[0]} {texts.common}")
    listed = [m.ticker for m in facts.markets if plain(m.yes_sub_title).lower() in {name.lower() for name in names}]
    if len(names) != 1 or len(listed) != 1:
        said = " and ".join(f'"{name}"' for name in names)
        raise NotRead("rules_disagree", f"The rules let {said} win in a case of its own: no one market is called so.")
    return Fallback(listed[0], frozenset(m.ticker for m in facts.markets))


def _still_open(facts: EventFacts, terms: RegisteredTerms) -> tuple[EventFacts, bool]:
    """The event, of a date ladder with the open markets alone; whether it is one."""
    if not any("{before}" in form or "{by}" in form for form in terms.forms):
        return facts, False
    markets = [m for m in facts.markets if m.status == MarketStatus.ACTIVE and not m.result]
    return replace(facts, markets=tuple(markets)), True


def _formed(market: MarketFacts, head: str, terms: RegisteredTerms) -> Formed:
    """One rule by its form; its strikes and its name must say the same. Raises NotRead."""
    try:
        found = read_form(terms.forms, head, levels_of(terms.levels if terms.approved else ()))
    except LevelMissingError as error:
        raise NotRead("level_missing", str(error)) from None
    except (FormError, LevelError) as error:
        raise NotRead("rules_unread", str(error)) from None
    if found is None:
        raise NotRead("rules_unread", f"The rule of {market.ticker} fits no registered form, or two: {head}")
    has_strikes = market.floor_strike is not None or market.cap_strike is not None
    if found.strike is None and (has_strikes or market.strike_type not in NAMED):
        raise NotRead("rules_disagree", f"{market.ticker} has number strikes, its rule has none: {head}")
    if found.strike is not None:
        strikes = of_strikes(market)
        if strikes is None:
            raise NotRead("strike_missing", f"Strikes do not fit the strike type in {market.ticker}.")
        if not found.strike.same(strikes, terms.unit if terms.approved else None):
            raise NotRead(
                "rules_disagree", f"The rule of {market.ticker} and its strikes take different values: {head}"
            )
        if market.strike_type == "between" and not terms.between_inclusive:
            raise NotRead("rules_disagree", 'The registered terms leave a bound out of "between".')
    name = "" if found.is_unchanged and market.yes_sub_title in UNCHANGED else _spelled(market)
    said = found.strike is not None and read_phrase(name) == found.strike  # "Above 3.75%" of "greater than 3.75%"
    if not said and (strange := [word for word in words_of(name) if word not in words_of(head)]):
        raise NotRead("rules_disagree", f'"{name}" says "{strange[0]}", the rule of {market.ticker} does not.')
    return found


def _spelled(market: MarketFacts) -> str:
    try:
        return one_spelling(plain(market.yes_sub_title))
    except ValueError:
        raise NotRead("rules_disagree", f"The name of {market.ticker} has a day that no calendar has.") from None
