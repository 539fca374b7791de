"""Fields beside the rules texts. None settles anything, but each may say that the market is another than its rules describe.

What they may say is closed: the ticker of the series, times that all markets share, a name of the NO side that repeats the outcome,
titles of sources and competitions in capitalised words. Anything else was not read.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from markets.terms.facts import UNREADABLE, EventFacts, MarketFacts
from markets.terms.reading.rules import NotRead, Texts
from markets.terms.reading.secondary import Topic
from markets.terms.reading.text import counted, plain, same_day

NAME_LENGTH: Final = 300
TITLE_LENGTH: Final = 400
"""What the catalogue keeps of names and titles; a text of that length may go on."""

_PROPER: Final = re.compile(r"[A-Z0-9(][\w.&'()+-]*|&|-|\d{1,4}\.", re.ASCII)
_SMALL: Final = re.compile("the|of|and|for|in|at|de|da|du|la|governing|league|body|official|website|national")
_MOST_WORDS: Final = 10
_OPAQUE: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|https://[\w./%?=&-]+", re.ASCII)
_SCOPES: Final[dict[Topic, frozenset[str]]] = {
    Topic.GAME: frozenset({"", "Game"}),
    Topic.NAMES: frozenset({"", "Future"}),
}
"""What the exchange's metadata call the scope of events of a topic that are read."""


def check_fields(event: EventFacts, *, one_time: bool = True) -> None:
    """Raises NotRead for fields that no event has whose rules say all there is to it. ``one_time``: its markets end together."""
    for label in (event.title, event.sub_title):
        if len(label) >= TITLE_LENGTH:
            raise NotRead("too_long", f"A title of {event.event_ticker} is too long to be kept whole.")
    series, ticker = event.series_ticker, event.event_ticker
    if not any(ticker == name or ticker.startswith(f"{name}-") for name in (series, series.removeprefix("KX"))):
        raise NotRead("label_differs", f"{ticker} does not have the ticker of its series {series}.")
    if one_time and len({market.ends for market in event.markets}) > 1:
        raise NotRead("times_differ", "The markets do not close and expire at the same times.")
    for said in (*event.sources, *(key for key, _ in event.metadata)):
        if said.startswith(UNREADABLE):
            raise NotRead("unreadable", f"Of {ticker}, {said}.")
    for market in event.markets:
        _check_market(market)


def _check_market(market: MarketFacts) -> None:
    if len(market.yes_sub_title) >= NAME_LENGTH:
        raise NotRead("too_long", f"The name of {market.ticker} is too long to be kept whole.")
    if market.functional_strike:
        raise NotRead(
            "functional_strike", f"{market.ticker} pays by a formula of the value: {market.functional_strike}"
        )
    if market.unusual:
        raise NotRead("unusual_payout", f"{market.ticker} pays {market.unusual}.")
    yes, no = plain(market.yes_sub_title).lower(), plain(market.no_sub_title).lower()
    if no not in ("", yes, f"not {yes}"):
        raise NotRead(
            "label_differs", f'The NO side of {market.ticker} has a name of its own: "{market.no_sub_title}".'
        )


def check_topic(event: EventFacts, texts: Texts, topic: Topic) -> None:
    """Raises NotRead where date or metadata of the event do not fit rules of this topic."""
    _check_strike_date(event.strike_date, texts.days)
    for key, value in event.metadata:
        if key == "competition_scope":
            fits = value in _SCOPES.get(topic, ())
        else:
            fits = _OPAQUE.fullmatch(value) is not None or (key == "competition" and is_title(value))
        if not fits:
            raise NotRead("label_differs", f'The metadata of the event say "{key}": "{value[:80]}".')


def check_sources(event: EventFacts) -> None:
    """Raises NotRead for a listed source whose name is more than a name. For topics whose rules name no source."""
    for source in event.sources:
        if not is_title(source.rpartition(" ")[0]):
            raise NotRead("source_differs", f"A listed source is not one by name only: {source}")


def is_title(text: str) -> bool:
    """Whether a text is a name: a few capitalised words and numbers, small words between."""
    words = plain(text).split(" ")
    return len(words) <= _MOST_WORDS and all(
        _PROPER.fullmatch(word.rstrip(",")) is not None or _SMALL.fullmatch(word) is not None for word in words if word
    )


def _check_strike_date(at: str, days: Collection[str]) -> None:
    """A day of the rules ends on the same day of universal time or on the next."""
    ends = {counted(day) + later for day in days for later in (0, 1)}
    try:
        fits = not at or not days or counted(same_day(at)) in ends
    except ValueError:  # no day of the calendar
        fits = False
    if not fits:
        raise NotRead("label_differs", f"The event is dated {at}, its rules {', '.join(sorted(days))}.")
