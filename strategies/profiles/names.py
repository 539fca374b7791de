"""Names of categories and series in a profile's filters: known to the catalogue, or refused with the nearest ones.

A name that the exchange does not have would leave nothing (included) or let through what it was meant to keep out (excluded).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final

from markets.models import Event, Series

CATEGORIES: Final = (
    *("Climate and Weather", "Companies", "Crypto", "Economics", "Elections", "Entertainment", "Financials", "Health"),
    *("Mentions", "Politics", "Science and Technology", "Social", "Sports", "Transportation", "World"),
)
"""As Kalshi wrote them when this list was made; what the catalogue has counts besides."""
NEAREST: Final = 3


def unknown_categories(names: Iterable[str]) -> str:
    """A sentence about the first name that is no category, with the nearest ones; empty when all are known."""
    stored = set(Series.objects.exclude(category="").values_list("category", flat=True).distinct())
    stored |= set(Event.objects.filter(is_open=True).exclude(category="").values_list("category", flat=True).distinct())
    known = sorted({*CATEGORIES, *stored})
    folded = {name.casefold() for name in known}
    for name in names:
        if name.casefold() not in folded:
            return f"There is no category “{name}”{_nearest(name, known)}"
    return ""


def unknown_series(names: Sequence[str]) -> str:
    """The same for series, by ticker; by title too, for a person may write that. Without a catalogue no series is known."""
    known = set(Series.objects.filter(ticker__in=names).values_list("ticker", flat=True)) if names else set()
    missing = next((name for name in names if name not in known), "")
    if not missing:
        return ""
    titles = dict(Series.objects.values_list("ticker", "title"))
    if not titles:
        return f"The series {missing} cannot be checked: nothing has been fetched from the exchange yet. Leave it out until then."
    named = {f"{ticker} ({title})" if title else ticker: (ticker, title) for ticker, title in sorted(titles.items())}
    wanted = missing.casefold()
    inside = [
        words for words, (ticker, title) in named.items() if wanted in ticker.casefold() or wanted in title.casefold()
    ]
    close = get_close_matches(wanted, [ticker.casefold() for ticker, _ in named.values()], NEAREST, 0.6)
    near = [words for words, (ticker, _) in named.items() if ticker.casefold() in close]
    found = list(dict.fromkeys([*near, *inside]))[:NEAREST]
    return f"There is no series {missing}{_or(found)}"


def contradicts(categories: Sequence[str], series: Sequence[str]) -> str:
    """A sentence when every one of ``series`` lies outside ``categories``, so that nothing passes both; else empty."""
    if not categories or not series:
        return ""
    wanted = {name.casefold() for name in categories}
    found = dict(Series.objects.filter(ticker__in=series).exclude(category="").values_list("ticker", "category"))
    if len(found) < len(set(series)) or any(category.casefold() in wanted for category in found.values()):
        return ""
    ticker, category = next(iter(sorted(found.items())))
    return f"None of these series is in the categories above ({ticker} is in {category}): nothing passes both."


def _nearest(name: str, known: Sequence[str]) -> str:
    by_folded = {one.casefold(): one for one in known}
    close = get_close_matches(name.casefold(), list(by_folded), NEAREST, 0.5)
    inside = [one for one in by_folded if name.casefold() in one or set(name.casefold().split()) & set(one.split())]
    found = [by_folded[one] for one in dict.fromkeys([*close, *inside])][:NEAREST]
    return _or(found) if found else f"; known are {', '.join(known)}."


def _or(found: Sequence[str]) -> str:
    return f". Did you mean {' or '.join(found)}?" if found else ", nor one with a similar name."
