"""Form fields in which a person writes dollars, contracts and per cent, and which hold the integers of the columns.

What cannot be held exactly is refused in words, never rounded.
"""

from __future__ import annotations

import re
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from kalbot.common.units import UnitError, format_decimal, parse_decimal
from strategies.profiles import blackout


class UnitField(forms.Field):
    """An integer of ``10**-places`` written as a decimal string. ``least`` and ``most`` are in the integer's unit."""

    places = 0
    keep = 0
    prefix = ""
    suffix = ""
    example = "5"
    noun = "a number"

    def __init__(self, *, least: int | None = None, most: int | None = None, **kwargs: Any) -> None:
        self.least, self.most = least, most
        attrs = {"inputmode": "decimal", "autocomplete": "off"}
        attrs |= {"prefix": self.prefix} if self.prefix else {}
        attrs |= {"suffix": self.suffix} if self.suffix else {}
        kwargs.setdefault("widget", UnfoldAdminTextInputWidget(attrs=attrs))
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> int | None:
        text = re.sub(r"[\s$%,_]", "", str(value if value is not None else ""))
        if not text:
            return None
        try:
            number = parse_decimal(text if not text.startswith(".") else f"0{text}", self.places)
        except UnitError:
            raise forms.ValidationError(self.sentence(text), code="unit") from None
        if self.least is not None and number < self.least:
            raise forms.ValidationError(f"Must be at least {self.shown(self.least)}.", code="least")
        if self.most is not None and number > self.most:
            raise forms.ValidationError(f"Must be at most {self.shown(self.most)}.", code="most")
        return number

    def sentence(self, text: str) -> str:
        """What is wrong with ``text``, for the person who wrote it."""
        if re.fullmatch(r"-?\d+\.\d+", text):
            return f"{text} is finer than {self.places} decimal places; write {self.noun} such as {self.example}."
        return f"“{text}” is not {self.noun}; write digits such as {self.example}."

    def shown(self, number: int) -> str:
        """``number`` as this field writes it, with its unit."""
        return f"{self.prefix}{self.prepare_value(number)}{' ' if self.suffix else ''}{self.suffix}"

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, int):
            return value
        return format_decimal(value, self.places, keep=self.keep) if self.places else str(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != initial)
        except forms.ValidationError:
            return True


class MoneyField(UnitField):
    """Dollars on screen, micro-dollars in the column."""

    places, keep, prefix, example, noun = 6, 2, "$", "12.50", "an amount of dollars"


class PriceField(UnitField):
    """Dollars a contract on screen, 1/10,000 dollar in the column."""

    places, keep, prefix, example, noun = 4, 2, "$", "0.41", "a price in dollars"


class CountField(UnitField):
    """Contracts on screen, 1/100 contract in the column."""

    places, suffix, example, noun = 2, "contracts", "7.25", "a number of contracts"


class PercentField(UnitField):
    """Per cent on screen, millionths in the column."""

    places, suffix, example, noun = 4, "%", "2.5", "a percentage"


class RatioField(UnitField):
    """A plain number on screen, millionths in the column."""

    places, example, noun = 6, "20", "a number"


class WordsField(forms.Field):
    """A JSON list of short strings, written with commas or on lines. Order kept, doubles dropped."""

    def __init__(self, *, upper: bool = False, **kwargs: Any) -> None:
        self.upper = upper
        kwargs.setdefault("widget", UnfoldAdminTextInputWidget())
        kwargs.setdefault("required", False)
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> list[str]:
        words = [word.strip() for word in re.split(r"[,\n]", str(value or "")) if word.strip()]
        return list(dict.fromkeys(word.upper() if self.upper else word for word in words))

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(str, value)) if isinstance(value, list) else value

    def validate(self, value: Any) -> None:
        if self.required and not value:
            raise forms.ValidationError(self.error_messages["required"], code="required")

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != list(initial or []))


class BlackoutField(WordsField):
    """Times without new baskets, written ``Thu 03:00-05:00 America/New_York, 23:30-00:30``."""

    def to_python(self, value: Any) -> list[str]:
        lines = []
        for word in super().to_python(value):
            try:
                blackout.parse(word)
            except ValueError as error:
                raise forms.ValidationError(str(error), code="time") from None
            lines.append(" ".join(word.split()))
        return lines

    def prepare_value(self, value: Any) -> Any:
        return blackout.written(value) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        """A list kept as pairs of UTC times is the same as its text."""
        try:
            return bool(
                [blackout.parse(one) for one in self.to_python(data)] != [blackout.parse(one) for one in initial or []]
            )
        except (forms.ValidationError, ValueError):
            return True


class KindsField(forms.MultipleChoiceField):
    """The kinds of basket a profile may buy, kept as a JSON list."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return sorted(initial or []) != sorted(data or [])
