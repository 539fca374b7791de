"""How units are written on screen. The only place of the console that turns integers into words for people.

Every function takes the integer of the column (kalbot.common.units) or None, and gives text. None is written as an en
dash: a missing number is never shown as zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from kalbot.common import clock
from kalbot.common.units import format_amount, format_decimal

NOTHING = "–"


def money(value: int | None, places: int = 2) -> str:
    """Micro-dollars as dollars: ``-1_234_560_000`` -> ``"-$1,234.56"``; a pair of digits beyond ``places`` only where there are any."""
    if value is None:
        return NOTHING
    whole, _, fraction = format_amount(abs(int(value)), 6, keep=places).partition(".")
    return f"{'-' if value < 0 else ''}${int(whole):,}.{fraction}"


def gain(value: int | None, places: int = 2) -> str:
    """Like ``money`` with an explicit plus, for profits and differences."""
    return f"+{money(value, places)}" if value is not None and value > 0 else money(value, places)


def price(value: int | None, places: int = 2) -> str:
    """1/10,000 dollar as dollars a contract: ``4100`` -> ``"$0.41"``, ``35`` -> ``"$0.0035"``."""
    return NOTHING if value is None else f"{'-' if value < 0 else ''}${format_amount(abs(int(value)), 4, keep=places)}"


def credit(value: int | None, places: int = 2) -> str:
    """The money of an account that the ledger keeps negative."""
    return money(None if value is None else -value, places)


SCALE = {"money": 6, "gain": 6, "signed": 6, "credit": 6, "price": 4}
"""Units of amounts, with the decimal places of their integers: a column of them is written with equal decimals."""
DECIMALS = (2, 4, 6)


def decimals(unit: str, values: Iterable[int | None]) -> int:
    """How many decimals a column of amounts needs, so that none of them loses a digit: two, four or six."""
    scale = SCALE[unit]
    known = [int(value) for value in values if value is not None]
    fitting = (places for places in DECIMALS if all(value % 10 ** max(0, scale - places) == 0 for value in known))
    return next(fitting, scale)


def count(value: int | None) -> str:
    """1/100 contract as contracts: ``500`` -> ``"5"``, ``725`` -> ``"7.25"``."""
    if value is None:
        return NOTHING
    whole, _, fraction = format_decimal(abs(int(value)), 2, keep=0).partition(".")
    return f"{'-' if value < 0 else ''}{int(whole):,}{'.' + fraction if fraction else ''}"


def percent(value: int | None) -> str:
    """Millionths as per cent: ``903_250`` -> ``"90.325 %"``; no useless zeros."""
    return NOTHING if value is None else f"{format_decimal(int(value), 4, keep=0)} %"


MOST_SHARE: Final = 10_000_000
"""1,000 per cent. A rate above it is one of a moment: what was held for seconds earns thousands of per cent a day."""


def share(value: int | None) -> str:
    """Millionths as per cent with two decimals, for columns that are compared: ``38_512`` -> ``"3.85 %"``."""
    if value is None:
        return NOTHING
    if abs(value) > MOST_SHARE:
        return f"{'over ' if value > 0 else 'under -'}{MOST_SHARE // 10_000:,} %"
    return f"{value / 10_000:,.2f} %"


def ratio(value: int | None) -> str:
    """Millionths as a plain number: ``20_000_000`` -> ``"20"``."""
    return NOTHING if value is None else format_decimal(int(value), 6, keep=0)


def decimal(value: float | None) -> str:
    """A number that is measured or estimated, three decimals at most: ``0.22579`` -> ``"0.226"``, ``105.0`` -> ``"105"``."""
    if value is None or not math.isfinite(value):
        return NOTHING
    text = f"{value:,.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def milliseconds(value: float | None) -> str:
    """A duration: ``850`` -> ``"850 ms"``, ``12_300`` -> ``"12.3 s"``, ``200_000`` -> ``"3 min 20 s"``."""
    if value is None:
        return NOTHING
    if value < 1_000:
        return f"{value:.0f} ms"
    if value < 60_000:
        return f"{value / 1000:.1f} s"
    return span(timedelta(milliseconds=value))


def span(length: timedelta) -> str:
    """A length of time in its largest unit, with the next one while that says something: ``"3 min 20 s"``, ``"12 min"``."""
    seconds = max(0, int(length.total_seconds()))
    parts = [(seconds // 86_400, "d"), (seconds // 3_600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    first = next((place for place, (number, _) in enumerate(parts) if number), 3)
    wanted = parts[first : first + 2] if parts[first][0] < 10 else parts[first : first + 1]
    return " ".join(f"{number} {unit}" for number, unit in wanted if number or unit == parts[first][1])


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """How long since (or until) a moment: ``"12 s ago"``, ``"in 3 h 5 min"``."""
    if moment is None:
        return NOTHING
    length = (now or clock.now()) - moment
    return f"{span(length)} ago" if length >= timedelta(0) else f"in {span(-length)}"


def moment(at: datetime | None) -> str:
    """A moment in the person's own zone, with its name: ``"2026-11-28 14:05:09 EST"``."""
    return NOTHING if at is None else f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S %Z}"


def reason(code: str) -> str:
    """A reason of triage in words: ``"source_sell_beats_hold:nws"`` -> ``"sell beats hold, by nws"``."""
    what, _, source = str(code).removeprefix("source_").replace("_", " ").partition(":")
    return f"{what}, by {source}" if source else what


def log_line(message: str) -> str:
    """What a log record says, without the context in brackets that ends it (task, ids): its own page has that."""
    return str(message).partition(" [")[0]


SHOW: dict[str, Callable[..., str]] = {
    "money": money,
    "gain": gain,
    "signed": gain,  # with its sign and without a colour: what a booking or a difference is, neither good nor bad
    "price": price,
    "count": count,
    "percent": percent,
    "share": share,
    "ratio": ratio,
    "ms": milliseconds,
    "ago": ago,
    "credit": credit,
    "since": lambda at: NOTHING if at is None else span(clock.now() - at),
    "seconds": lambda value: NOTHING if value is None else span(timedelta(seconds=int(value))),
    "at_ms": lambda value: NOTHING if value is None else moment(clock.from_ms(value)),
    "text": lambda value: str(value or NOTHING),
    "whole": lambda value: NOTHING if value is None else f"{int(value):,}",
    "decimal": decimal,
    "reason": reason,
    "plain": lambda value: NOTHING if value is None else str(value),
}
