"""Lists of names that a person has reviewed: "If {outcome} is elected ..." with the same rest in every outcome.

The reviewer's rule, with ``{outcome}`` and ``{date}`` in it, must be each outcome's rule to the letter; the names must be exactly
those reviewed. Dates and names are the only slots.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations
from typing import Final

from markets.terms.facts import MarketFacts
from markets.terms.reading.extents import UnreadName, compare
from markets.terms.reading.rules import NotRead
from markets.terms.reading.text import DATE, MONTH, in_one_form, one_spelling, plain

_DAY: Final = rf"(?:the )?(?:{MONTH}|\d|end|noon|midnight|mid|early|late|Q\d|spring|summer|autumn|fall|winter)"
_THRESHOLDS: Final = tuple(
    re.compile(rf"\b(?:{first})\b|\bor (?:{last})\b", re.IGNORECASE)
    for first, last in (
        (
            rf"before|until|till|within|prior to|by(?= {_DAY})|up to|at most|under|below|top|(?:no|not) (?:later|more) than"
            "|(?:less|fewer|lower|earlier|sooner) than",
            "earlier|sooner|before|less|fewer|below|lower|under",
        ),
        (
            r"after|since|from|at least|over|above|exceed(?:s|ing)?|not before|(?:no|not) (?:less|fewer|earlier) than"
            r"|(?:more|greater|higher|later) than",
            "later|after|more|above|higher|greater|over",
        ),
    )
)
"""Words of a threshold, one way and the other: two names on the same side of one may both be right."""


_SEVERAL: Final = re.compile(
    r"\b(?:top|first|last|final|best) (?:\d+|two|three|four|five|six|eight|ten)\b|\b(?:one|any|some|each|either|both) of the\b|\bamong\b"
    r"|\bat least one\b|\bmedals?\b|\bpodium\b|\bplayoffs?\b|\bfinalists?\b|\b(?:semi|quarter)-?finals?\b|\b(?:short|long)-?list(?:ed)?\b"
    r"|\bqualif(?:y|ies)\b|\badvances?\b|\brelegated\b|\bmakes? the cut\b|\bjointly\b|\bco-\w+",
    re.IGNORECASE,
)
"""What a rule asks that two names may both do, whatever a reviewer found about the list."""


def check_named(markets: Sequence[MarketFacts], heads: Sequence[str], rule: str) -> str:
    """Why no outcome may be right although a person found the list complete ("" = nothing against it).

    Raises NotRead unless every outcome's rule is ``rule`` with the outcome's name in it, once, and names do not nest.
    """
    names = [plain(market.yes_sub_title) for market in markets]
    try:
        forms = _forms(names, rule)
    except ValueError:
        raise NotRead("review_differs", "A name or the reviewed rule has a day that no calendar has.") from None
    days = set()
    for market, form, head in zip(markets, forms, heads, strict=True):
        found = re.fullmatch(form, head)
        if found is None:
            raise NotRead("review_differs", f"The rule of {market.ticker} is not the one that was reviewed: {head}")
        days.add(found.groups())
    if len(days) > 1:
        raise NotRead("rules_differ", "The rules of the outcomes name different days.")
    if found := _SEVERAL.search(rule):
        raise NotRead("several_may_win", f'The reviewed rule says "{found[0]}": two outcomes may be right.')
    check_names(names)
    check_thresholds(names, rule)
    try:
        overlap, hole = compare(names)
    except (UnreadName, ValueError) as unread:
        raise NotRead("names_nest", str(unread)) from None
    if overlap:
        raise NotRead("names_nest", f"Names of outcomes overlap: {overlap}")
    return hole


def _forms(names: Sequence[str], rule: str) -> list[str]:
    """The pattern of each outcome's rule: of its own line ("name: rule") if the reviewed rule has several, else the one with its name.

    Raises NotRead where the review does not say it, ValueError for a day of no calendar.
    """
    lines = [plain(line) for line in rule.splitlines() if line.strip()]
    if len(lines) > 1 and "{outcome}" not in rule:
        own = dict(line.partition(": ")[::2] for line in lines)
        if len(own) < len(lines) or set(own) != set(names):
            raise NotRead("review_differs", "The review does not have one rule for each outcome.")
        return [_pattern(own[name]) for name in names]
    if rule.count("{outcome}") != 1:
        raise NotRead("review_differs", "The review does not say what the rule of an outcome is.")
    before, after = map(_pattern, rule.split("{outcome}"))
    return [before + re.escape(one_spelling(name)) + after for name in names]


def _pattern(part: str) -> str:
    """A part of a reviewed rule as a pattern: to the letter, but any date where it says ``{date}``."""
    return re.escape(in_one_form(one_spelling(part))).replace(re.escape("{date}"), f"({DATE})")


def check_names(names: Sequence[str]) -> None:
    """Raises NotRead if one name contains another ("A" and "A or B", "before July" and "before July or August")."""
    for one, other in combinations([name.lower() for name in names], 2):
        if _is_part(one, other) or _is_part(other, one):
            raise NotRead("names_nest", f'"{one}" and "{other}" may both be right.')


def _is_part(one: str, other: str) -> bool:
    """Whether all of ``one`` stands in ``other``, word by word: "ann" is not a part of "joanna"."""
    return re.search(rf"(?<!\w){re.escape(one)}(?!\w)", other) is not None


def check_thresholds(names: Sequence[str], rule: str) -> None:
    """Raises NotRead if two names, in their place in the rule, are thresholds of one direction."""
    if "{outcome}" not in rule:
        return
    for threshold in _THRESHOLDS:
        both = [name for name in names if _is_threshold(threshold, name, rule)]
        if len(both) > 1:
            raise NotRead("names_nest", f'"{both[0]}" and "{both[1]}" may both be right.')


def _is_threshold(threshold: re.Pattern[str], name: str, rule: str) -> bool:
    """Whether the name has the words, or the rule has them right before it, or "or more" and the like right after it."""
    start = rule.index("{outcome}")
    end = start + len(name)
    for found in threshold.finditer(rule.replace("{outcome}", name)):
        inside = found.end() >= start - 1 and found.start() < end
        if inside or (found.start() == end + 1 and found[0].lower().startswith("or ")):
            return True
    return False
