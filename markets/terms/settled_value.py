"""The value that the exchange settled on (``expiration_value``), read strictly. Pure.

The field is free text: "91.00" of a thermometer, "4.2%" of an index, "57,000" of a count, a team's name, a whole
sentence. Only a number that stands alone counts, in the unit that the contract is about; a text that says another unit is
no value.

>>> parse("91.00", Unit.FAHRENHEIT), parse("4.2%", Unit.PERCENT), parse("57,000", Unit.NUMBER)
(Decimal('91.00'), Decimal('4.2'), Decimal('57000'))
>>> parse("91.00%", Unit.FAHRENHEIT) is None, parse("92. Although the report was late", Unit.FAHRENHEIT) is None
(True, True)
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Final


class Unit(StrEnum):
    """What a contract's value is measured in."""

    FAHRENHEIT = "fahrenheit"
    DOLLARS = "dollars"
    PERCENT = "percent"
    NUMBER = "number"


_NUMBER: Final = re.compile(
    r"(?P<before>\$)?(?P<number>[+-]?(?:\d{1,3}(?:,\d{3})+|\d{1,12})(?:\.\d{1,9})?)\s?(?P<after>%|°F|° F|°|F)?\Z",
    re.ASCII,
)
_WRITTEN: Final = {
    Unit.FAHRENHEIT: frozenset({"", "°", "°F", "° F", "F"}),
    Unit.DOLLARS: frozenset({"", "$"}),
    Unit.PERCENT: frozenset({"", "%"}),
    Unit.NUMBER: frozenset({""}),
}


def parse(text: str, unit: Unit) -> Decimal | None:
    """The value of ``text`` in ``unit``; None if it is not one number by itself, or says another unit."""
    found = _NUMBER.match(text.strip())
    if found is None:
        return None
    before, after = found["before"] or "", found["after"] or ""
    if (before and after) or (before or after) not in _WRITTEN[unit]:
        return None
    return Decimal(found["number"].replace(",", ""))


def agreed(texts: Iterable[str], unit: Unit) -> Decimal | None:
    """The one value that all markets of an event name; those that name none are passed over. None where nobody names one, where
    they differ, or where one of the texts cannot be read."""
    values = [parse(text, unit) for text in texts if text.strip()]
    if not values or None in values or len(set(values)) != 1:
        return None
    return values[0]
