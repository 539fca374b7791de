"""Lists of names that a person has reviewed: "If {outcome} is elected ..." with the same rest in every outcome.

The reviewer's rule, with ``{outcome}`` and ``{date}`` in it, must be each outcome's rule to the letter; the names must be exactly
those reviewed. Dates and names are the only slots.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations

from markets.terms.facts import MarketFacts
from markets.terms.reading.rules import NotRead, one_rest
from markets.terms.reading.text import DATE, plain


def check_named(markets: Sequence[MarketFacts], heads: Sequence[str], rule: str) -> None:
    """Raises NotRead unless every outcome's rule is ``rule`` with the outcome's name in it, once, and names do not nest."""
    if rule.count("{outcome}") != 1:
        raise NotRead("review_differs", "The review does not say what the rule of an outcome is.")
    before, after = (plain_part(part) for part in rule.split("{outcome}"))
    rests = []
    for market, head in zip(markets, heads, strict=True):
        name = plain(market.yes_sub_title)
        found = re.fullmatch(f"({before}){re.escape(name)}({after})", head) if name else None
        if found is None:
            raise NotRead("review_differs", f"The rule of {market.ticker} is not the one that was reviewed: {head}")
        rests.append(found[1] + "{}" + found[2])
    one_rest(rests)
    check_names([plain(market.yes_sub_title) for market in markets])


def plain_part(part: str) -> str:
    """A part of a reviewed rule as a pattern: to the letter, but any date where it says ``{date}``."""
    return re.escape(" ".join(part.split(" "))).replace(re.escape("{date}"), f"(?:{DATE})")


def check_names(names: Sequence[str]) -> None:
    """Raises NotRead if one name contains another ("A" and "A or B", "before July" and "before July or August")."""
    for one, other in combinations([name.lower() for name in names], 2):
        if one in other or other in one:
            raise NotRead("names_nest", f'"{one}" and "{other}" may both be right.')
