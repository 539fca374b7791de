"""Rules in a form that a person registered: what a market is about, with slots for its date, its strike or its side.

The exchange's date ladders, spreads, totals and winners have wordings of their own in each series, so none is built in. A registered
form is a whole primary rule, to the letter but for its slots:

- ``{before}`` or ``{by}``: the date of a date ladder, right after the word "before" or "by". Yes if it happens earlier than that day, or
  on that day at the latest. What never happens lies beyond all dates;
- ``{strike}``: a strike phrase ("more than 3.5", "at least 40"), which the exchange's strikes must repeat;
- ``{one}``, ``{two}``: the sides of a game, as the rule calls the game; ``{side}``: the one that wins. With ``{strike}``: by how much,
  in one unit for all markets of a family;
- ``{change}``: by how much a level changes on ``{day}`` ("Hike of 25bps"). With one form of that level, of a ``{strike}`` and ``{day}``, it
  measures the level after it, counted from the level that is registered for the day (``level_changes``);
- ``{day}``, ``{time}``: of the game, say; the same in every market.

Together they measure one thing: the day on which something happens, the margin by which the first side wins (0 is a tie), or a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from markets.terms.reading.games import is_side
from markets.terms.reading.level_changes import CHANGE, level_after
from markets.terms.reading.strikes import PHRASE, Interval, at_most, greater, less, read_phrase
from markets.terms.reading.text import DATE, MONTHS, THEN_YES, TIME, in_one_form, one_spelling, plain

_SLOT: Final = re.compile(r"\{([a-z]+)\}")
_KNOWN: Final = frozenset({"before", "by", "strike", "one", "two", "side", "day", "time", "change"})
_PATTERNS: Final = {
    "before": DATE,
    "by": DATE,
    "day": DATE,
    "time": TIME,
    "strike": PHRASE,
    "change": CHANGE,
    "one": ".+?",
    "two": ".+?",
    "side": ".+?",
}
_WINS: Final = re.compile(r"If (?:the )?\{side\} (?:wins|beats|defeats) (?!.*\{side\})")
_TIE: Final = re.compile(r"\b(?:tie|draw)\b")
_NEGATION: Final = re.compile(
    r"\b(?:not|no|never|neither|nor|none|nobody|nothing|without|unless|except|fails?|loses?|remains?|still|until)\b|n't\b",
    re.IGNORECASE,
)
_TWICE: Final = re.compile(
    r"\b(?:or|either|any|anytime|ever|once|some|sometime|tie[sd]|draws|drawn|level|reach\w*|touch\w*|hits?|cross\w*)\b",
    re.IGNORECASE,
)
"""Words by which two markets that exclude each other as strikes may both win: another cause, or a value that moves."""
_BY_HOW_MUCH: Final = re.compile(r" by \{strike\}(?: ((?:point|run|goal|game|set|map)s?))?")
_OPENING: Final = re.compile(r"If (?:the )?(?:\{side\} (?:wins|beats|defeats) )?(?:the )?")
_TIE_ENDING: Final = re.compile(r" (?:ends|finishes|results) in a (?:tie|draw)(?=,|\Z| )")
_UNITS: Final = re.compile(r"[$%°]|degrees?")
"""Marks of a strike phrase that say what its number counts: the same in all markets of one value."""
_DATES: Final = ("before", "by")


class Measure(StrEnum):
    """What the markets of one form measure."""

    DAY = "day"
    MARGIN = "margin"
    VALUE = "value"


class FormError(ValueError):
    """A text is no form; the message says why."""


class LevelMissingError(FormError):
    """A rule says by how much a level changes, and no level is registered from which it does."""


@dataclass(frozen=True, slots=True)
class Form:
    """One registered form. ``template``: in one spelling; ``slots``: in order, each once."""

    template: str
    slots: frozenset[str]
    measure: Measure
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Formed:
    """A rule that fits a form. ``interval``: the values for which it resolves Yes; ``strike``: those that its strike phrase takes, None
    without one; ``subject``: what it says besides, the same in all markets of one value; ``side``: who wins; ``unit``: what a margin
    counts, "" without a strike; ``is_unchanged``: a change of a level by nothing."""

    measure: Measure
    interval: Interval
    strike: Interval | None
    subject: str
    side: str = ""
    unit: str = ""
    is_unchanged: bool = False


@lru_cache(maxsize=1024)
def form_of(text: str) -> Form:
    """The form that a text is. Raises FormError."""
    try:
        template = in_one_form(one_spelling(plain(text)))
    except ValueError as error:
        raise FormError(f"{error}: {text}") from None
    slots = _SLOT.findall(template)
    if unknown := sorted(set(slots) - _KNOWN):
        raise FormError(f"Unknown slots {', '.join(unknown)}: {text}")
    if not template.startswith("If ") or not template.endswith(THEN_YES):
        raise FormError(f'A form is one sentence "If ...{THEN_YES}": {text}')
    if found := _NEGATION.search(template):
        raise FormError(f'A form says what makes it Yes, without "{found[0]}": {text}')
    measure = _measure(template, frozenset(slots))
    if measure is not Measure.DAY and (found := _TWICE.search(_TIE_ENDING.sub("", template))):
        raise FormError(f'A form is about one value at one moment, without "{found[0]}": {text}')
    for name in _DATES:
        if name in slots and not re.search(rf"\b{name} \{{{name}\}}", template.replace("on or before {by}", "by {by}")):
            raise FormError(f'{{{name}}} stands right after the word "{name}": {text}')
    seen: set[str] = set()
    parts = []
    for number, part in enumerate(_SLOT.split(template)):
        if number % 2 == 0:
            parts.append(re.escape(part))
        else:
            parts.append(f"(?P={part})" if part in seen else f"(?P<{part}>{_PATTERNS[part]})")
            seen.add(part)
    return Form(template, frozenset(slots), measure, re.compile("".join(parts), re.ASCII))


def _measure(template: str, slots: frozenset[str]) -> Measure:
    dates = slots & set(_DATES)
    game = slots & {"one", "two"}
    if len(dates) > 1 or (dates and slots & {"strike", "one", "two", "side"}):
        raise FormError(f"A date ladder has one date and no strike: {template}")
    if dates:
        return Measure.DAY
    if "change" in slots:
        if slots != {"change", "day"}:
            raise FormError(f"A form with {{change}} has a {{day}} and no other slot: {template}")
        return Measure.VALUE
    if game and len(game) < 2:
        raise FormError(f"A game has two sides, {{one}} and {{two}}: {template}")
    if "side" in slots:
        if not game or not _WINS.match(template) or _TIE.search(template):
            raise FormError(f'A form with {{side}} begins "If {{side}} wins" and names {{one}} and {{two}}: {template}')
        return Measure.MARGIN
    if "strike" in slots:
        return Measure.VALUE
    if game and _TIE.search(template):
        return Measure.MARGIN
    raise FormError(f"A form has a date, a strike or a side: {template}")


def read_form(forms: tuple[str, ...], head: str, levels: Mapping[str, Decimal] = MappingProxyType({})) -> Formed | None:
    """What a primary rule (one plain sentence) says by the one registered form that it fits; None where none does, or two.
    ``levels``: day -> percent before what is decided on it. Raises FormError."""
    known = [form_of(text) for text in forms]
    found = [read for form in known if (read := _read(form, head, known, levels)) is not None]
    return found[0] if len(found) == 1 else None


def _read(form: Form, head: str, forms: Sequence[Form], levels: Mapping[str, Decimal]) -> Formed | None:
    match = form.pattern.fullmatch(head)
    if match is None:
        return None
    said = match.groupdict()
    if "change" in said:
        return _changed(said["change"], said["day"], forms, levels)
    strike = read_phrase(said["strike"]) if "strike" in said else None
    if ("strike" in said and strike is None) or not _sides_fit(said):
        return None
    if form.measure is Measure.DAY:
        name = "before" if "before" in said else "by"
        number = day_number(said[name])
        subject = _filled(form.template, said, {name})
        return Formed(form.measure, less(number) if name == "before" else at_most(number), None, subject)
    units = " ".join(sorted(set(_UNITS.findall(said.get("strike", "")))))
    if form.measure is Measure.VALUE and strike is not None:
        subject = _filled(form.template, said, {"strike"})
        return Formed(form.measure, strike, strike, f"{subject} ({units})" if units else subject)
    if units:
        return None  # margins are plain numbers
    interval = _won(strike) if "side" in said else Interval(Decimal(0), True, Decimal(0), True)
    if interval is None:
        return None
    if said.get("side", said["one"]) != said["one"]:
        interval = Interval(_negative(interval.high), interval.high_in, _negative(interval.low), interval.low_in)
    counted = _BY_HOW_MUCH.search(form.template)
    game = _OPENING.sub("", _BY_HOW_MUCH.sub("", form.template), count=1)
    subject = _filled(_TIE_ENDING.sub("", game), said, {"strike", "side"})
    unit = "" if strike is None else ((counted and counted[1]) or "number").removesuffix("s")
    return Formed(form.measure, interval, strike, subject, said.get("side", ""), unit)


def _changed(change: str, day: str, forms: Sequence[Form], levels: Mapping[str, Decimal]) -> Formed | None:
    """The level after a change, in the words of the one form of that level."""
    if day not in levels:
        raise LevelMissingError(f"The registered terms do not say from which level the change of {day} counts.")
    level = [form for form in forms if form.slots == {"strike", "day"}]
    interval = level_after(change, levels[day])
    if len(level) != 1 or interval is None:
        return None
    is_same = interval.low == interval.high == levels[day]
    return Formed(
        Measure.VALUE,
        interval,
        None,
        _filled(level[0].template, {"day": day}, {"strike"}) + " (%)",
        is_unchanged=is_same,
    )


def _sides_fit(said: dict[str, str]) -> bool:
    sides = [said[name] for name in ("one", "two") if name in said]
    if not all(map(is_side, sides)) or len({side.lower() for side in sides}) < len(sides):
        return False
    return "side" not in said or said["side"] in sides


def _won(strike: Interval | None) -> Interval | None:
    """The margins of a side that wins, by so much; None for a phrase that no winner's margin fits."""
    zero = Decimal(0)
    if strike is None or (strike.low is None and strike.high is None):
        return greater(zero)
    low, low_in = (strike.low, strike.low_in) if strike.low is not None and strike.low > 0 else (zero, False)
    if strike.high is not None and (strike.high < low or (strike.high == low and not (low_in and strike.high_in))):
        return None
    return Interval(low, low_in, strike.high, strike.high_in)


def _negative(bound: Decimal | None) -> Decimal | None:
    return None if bound is None else -bound


def _filled(template: str, said: dict[str, str], but: set[str]) -> str:
    return _SLOT.sub(lambda slot: "{}" if slot[1] in but else said[slot[1]], template)


def day_number(day: str) -> Decimal:
    """A day in the one spelling as a number that rises with time and that a person can read: 20270101."""
    name, number, year = day.replace(",", "").split()
    return Decimal(f"{int(year):04d}{MONTHS.index(name) + 1:02d}{int(number):02d}")
