"""Titles, sub-titles, tickers and listed sources: they settle nothing, but none may say something else than the rules.

A date, a number or a word that the rules do not have leaves open which of the two was meant, so it refuses. Words that only pose
the question ("will the ... be") are on a closed list.
"""

from __future__ import annotations

import calendar
import json
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from markets.terms.facts import EventFacts, MarketFacts
from markets.terms.reading.rules import NotRead, Texts
from markets.terms.reading.strikes import at_least, at_most, greater, less, of_strikes
from markets.terms.reading.text import DATE, MONTH, MONTHS, plain, same_day, weekday

_DAY: Final = re.compile(rf"{DATE}|{MONTH} \d{{1,2}}\b(?!,? ?\d{{4}}|\d)", re.ASCII)
_HOUR: Final = re.compile(r"\b(\d{1,2})(?::(\d{2}))? ?([AP])M(?: ([A-Z])[SD]?T\b)?", re.ASCII | re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W_]+(?:[.'&´’-][^\W_]+)*|\S")
_TICKER: Final = re.compile(r"-(\d{2})([A-Z]{3})(\d{2})(?:(\d{2})(?=-|\Z))?", re.ASCII)
_MONTH_NAMES: Final = {name.lower(): name[:3].lower() for name in calendar.month_name if name}
_MARKS: Final = frozenset("?,:()*/-|;!\"'°.&@")
_BOUND: Final = re.compile(r"(?P<sign>[<>]=?|[≤≥]) ?\$?(?P<number>-?\d[\d,]*(?:\.\d+)?)°?", re.ASCII)
_SIGNS: Final = {">": greater, ">=": at_least, "≥": at_least, "<": less, "<=": at_most, "≤": at_most}
_SHORT: Final = 6
"""Letters that a short form has fewer of; short forms of sides ("ALP vs BET") are those of the ticker."""
_QUESTION: Final = re.compile(
    "will|would|the|an?|be|is|o[fn]|in|at|to|for|it|get|does|do|what|which|who|how|when|vs?|wins?|winners?|won|market|game|match|price"
    "|range|today|and|results?"
)


def check_labels(event: EventFacts, texts: Texts, known: Iterable[str]) -> None:
    """Raises NotRead where title, sub-title, period or ticker of the event, or the title of a market, say another day, hour, number or
    word than the conditions: of all outcomes, for a market's title of its own.

    ``known``: other words for what the conditions name (a city's short name).
    """
    rules = " ".join(texts.heads)
    days = texts.days
    names = [market.yes_sub_title for market in event.markets]
    whole = _Said.of([rules, *names, *known], event, days)
    for label in (event.title, event.sub_title, event.strike_period):
        _check_label("" if label == event.event_ticker else label, whole, days)
    for market, head in zip(event.markets, texts.heads, strict=True):
        if market.title and market.title != event.title:
            title = _without_bound(plain(market.title), market)
            _check_label(title, _Said.of([head, market.yes_sub_title, *known], event, days), days)
    for ticker in (event.event_ticker, *(market.ticker for market in event.markets)):
        _check_ticker(ticker, days)


class _Said(NamedTuple):
    """What a label may say. ``sides``: the last part of the event's ticker, where sides have their short forms."""

    words: frozenset[str]
    hours: tuple[tuple[int, int, str], ...]
    sides: str

    @classmethod
    def of(cls, said: Sequence[str], event: EventFacts, days: set[str]) -> _Said:
        words = {word for text in said for word in words_of(text)} | {weekday(day).lower() for day in days}
        return cls(frozenset(words), tuple(_hours(said[0])), event.event_ticker.rpartition("-")[2])


def _check_label(label: str, said: _Said, days: set[str]) -> None:
    text = plain(label)
    _check_days(text, days)
    if other := [hour for hour in _hours(text) if not any(_agree(hour, one) for one in said.hours)]:
        raise NotRead(
            "label_differs", f'"{label}" names an hour that the rules do not: {other[0][0]}:{other[0][1]:02}.'
        )
    for word in words_of(_HOUR.sub(" ", _DAY.sub(" ", text))):
        short = word.isalpha() and 1 < len(word) < _SHORT and word.upper() in said.sides
        if word not in said.words and not short:
            raise NotRead("label_differs", f'"{label}" says "{word}", the rules of the outcomes do not.')


def _without_bound(title: str, market: MarketFacts) -> str:
    """The title without a bound in signs (">90°"), if it is the one of the market's strikes."""
    found = _BOUND.search(title)
    strikes = of_strikes(market)
    if found is None or strikes is None or _SIGNS[found["sign"]](Decimal(found["number"].replace(",", ""))) != strikes:
        return title
    return f"{title[: found.start()]} {title[found.end() :]}"


def check_custom(event: EventFacts, heads: Sequence[str]) -> None:
    """Raises NotRead where a custom strike is of another outcome than name and rule of its market, or two markets share one."""
    shared = set.intersection(*(set(words_of(head)) for head in heads))
    seen = set()
    for market, head in zip(event.markets, heads, strict=True):
        own, custom = set(words_of(market.yes_sub_title)) | (set(words_of(head)) - shared), _pairs(market.custom_strike)
        for _, value in custom:
            if not _is_opaque(value) and not set(words_of(value)) - {"the"} <= own:
                raise NotRead(
                    "label_differs", f'The custom strike of {market.ticker} is "{value}", its rule is about another.'
                )
        seen.add(custom)
    if len({tuple(key for key, _ in custom) for custom in seen}) > 1:
        raise NotRead("label_differs", "Some outcomes have a custom strike of another kind than others.")
    if any(seen) and len(seen) < len(event.markets):
        raise NotRead("label_differs", "Two outcomes have one custom strike.")


def _pairs(custom_strike: str) -> tuple[tuple[str, str], ...]:
    """Names and values of a custom strike, as text."""
    if not custom_strike:
        return ()
    try:
        found = json.loads(custom_strike)
    except ValueError:
        found = custom_strike
    pairs = found.items() if isinstance(found, dict) else [("", found)]
    return tuple(sorted((key, value if isinstance(value, str) else json.dumps(value)) for key, value in pairs))


def _check_days(text: str, days: set[str]) -> None:
    for found in _DAY.findall(text):
        try:
            agrees = same_day(found) in days if re.fullmatch(DATE, found) else any(_same(found, day) for day in days)
        except ValueError:
            agrees = False
        if not agrees:
            raise NotRead("label_differs", f'"{text}" names another day than the rules.')


def _same(short: str, day: str) -> bool:
    """Whether "July 16" is the day "Jul 16, 2026"."""
    name, number = short.replace(".", "").split()
    return day.startswith(f"{name[:3]} {int(number)},")


def _check_ticker(ticker: str, days: set[str]) -> None:
    """The day in a ticker must be one that the conditions name, where they name any."""
    found = _TICKER.search(ticker)
    if found is None or found[2].title() not in MONTHS or not days:
        return
    try:
        day = same_day(f"{found[2].title()} {found[3]}, 20{found[1]}")
    except ValueError:
        raise NotRead("label_differs", f"{ticker} names a day that no calendar has.") from None
    if day not in days:
        raise NotRead("label_differs", f"{ticker} is of another day than the rules: {', '.join(sorted(days))}.")


@lru_cache(maxsize=8192)
def words_of(text: str) -> tuple[str, ...]:
    """The words of a text that say something, in small letters."""
    return tuple([said for word in _WORD.findall(text) if (said := _said(word))])


@lru_cache(maxsize=8192)
def _said(word: str) -> str:
    """A word in small letters; "" for one that says nothing."""
    small = word.lower()
    found = _MONTH_NAMES.get(small, small)
    return "" if found in _MARKS or _QUESTION.fullmatch(found) is not None else found


def _hours(text: str) -> list[tuple[int, int, str]]:
    """Hours of a day (0 to 23), minutes and first letter of the time zone ("" = not named)."""
    return [
        (int(hour) % 12 + (12 if half.upper() == "P" else 0), int(minute or 0), zone.upper())
        for hour, minute, half, zone in _HOUR.findall(text)
    ]


def _agree(one: tuple[int, int, str], other: tuple[int, int, str]) -> bool:
    return one[:2] == other[:2] and (not one[2] or not other[2] or one[2] == other[2])


def _is_opaque(value: str) -> bool:
    """Whether a value is an identifier that says nothing to a person."""
    return re.fullmatch(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", value) is not None
