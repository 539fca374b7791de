"""Dollars, contracts and per cent as people write them, integers as columns hold them."""

from __future__ import annotations

import pytest
from django import forms
from hypothesis import given
from hypothesis import strategies as st

from kalbot.console.ui import formats
from kalbot.console.ui.fields import BlackoutField, CountField, MoneyField, PercentField, PriceField, WordsField


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        (MoneyField(), "12.50", 12_500_000),
        (MoneyField(), "$1,234.5", 1_234_500_000),
        (MoneyField(), "0.000001", 1),
        (PriceField(), ".41", 4_100),
        (CountField(), "7.25", 725),
        (PercentField(), "2.5 %", 25_000),
        (PercentField(), "-3", -30_000),
    ],
)
def test_what_people_write_becomes_the_integer(field: forms.Field, text: str, value: int) -> None:
    assert field.clean(text) == value


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        (MoneyField(), "0.0000001", "finer than 6 decimal places"),
        (MoneyField(), "twelve", "not an amount of dollars; write digits such as 12.50"),
        (MoneyField(), "1e3", "not an amount of dollars"),
        (CountField(), "0.001", "finer than 2 decimal places"),
        (MoneyField(least=1_000_000), "0.5", "at least $1.00"),
        (PercentField(most=1_000_000), "101", "at most 100 %"),
    ],
)
def test_what_cannot_be_held_is_refused_in_words(field: forms.Field, text: str, words: str) -> None:
    with pytest.raises(forms.ValidationError) as caught:
        field.clean(text)
    assert words in caught.value.messages[0]


@given(st.integers(-(10**15), 10**15))
def test_an_amount_shown_and_written_back_is_the_same_amount(value: int) -> None:
    field = MoneyField()
    assert field.clean(field.prepare_value(value)) == value
    assert not field.has_changed(value, formats.money(value))


def test_lists_are_written_with_commas_or_lines() -> None:
    field = WordsField(upper=True)
    assert field.clean("kxhighny, KXHIGHCHI\nkxhighny") == ["KXHIGHNY", "KXHIGHCHI"]
    assert field.prepare_value(["A", "B"]) == "A, B"


def test_times_of_day_are_read_and_refused() -> None:
    field = BlackoutField()
    assert field.clean("07:00-09:00, 23:30–23:59") == ["07:00-09:00", "23:30–23:59"]
    assert field.prepare_value([["07:00", "09:00"]]) == "07:00-09:00"
    assert field.clean("Thu 03:00-05:00 America/New_York") == ["Thu 03:00-05:00 America/New_York"]
    with pytest.raises(forms.ValidationError, match="not a time of day"):
        field.clean("7 to 9")


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (formats.money(-1_234_560_000), "-$1,234.56"),
        (formats.money(38_500), "$0.0385"),
        (formats.money(None), "–"),
        (formats.gain(592_500), "+$0.5925"),
        (formats.price(4_100), "$0.41"),
        (formats.price(35), "$0.0035"),
        (formats.count(725), "7.25"),
        (formats.count(1_200_000), "12,000"),
        (formats.percent(903_250), "90.325 %"),
        (formats.share(10_000_000), "1,000.00 %"),
        (formats.share(892_699_600), "over 1,000 %"),
        (formats.share(-892_699_600), "under -1,000 %"),
        (formats.milliseconds(12_300), "12.3 s"),
        (formats.milliseconds(200_000), "3 min 20 s"),
    ],
)
def test_units_on_screen(shown: str, text: str) -> None:
    assert shown == text
