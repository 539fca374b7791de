"""What a person writes to exit positions: how much, at which least prices, and in words what is accepted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from kalbot.common.units import PPM, UnitError, format_decimal, parse_decimal, parse_price
from kalbot.console.dialogs.dialog import ReasonForm
from kalbot.console.ui.fields import PercentField
from trading.closing.exit_counts import Counts
from trading.closing.exit_prices import LeastPrices, LegKey

LEG: Final = re.compile(r"(yes|no)\s+(\S+)\s+\$?([0-9.]+)", re.IGNORECASE)
OF_POSITION: Final = re.compile(r"#?(\d+)\s+(.+)")
REFRESH: Final = {
    "hx-get": "",
    "hx-trigger": "change",
    "hx-include": "[name=share],[name=counts],[name=positions],[name=reason],[name=below_floor],[name=by_rest],"
    "[name=least_prices],[name=proposed]",
    "hx-target": "#dialog",
    "hx-select": "#dialog",
    "hx-swap": "outerHTML",
    "hx-disabled-elt": "unset",
    # a click on the button right after writing confirms: the numbers of what was written must not come over its answer
    "hx-sync": "closest form:abort",
}
"""A field on which what is shown above depends: a change shows it again; nothing is done."""
KEPT: Final = ("reason", "share", "counts", "below_floor", "by_rest", "positions")
"""What a person wrote and the dialog shows again."""


def share_field() -> PercentField:
    """How much of each leg is sold."""
    field = PercentField(label="How much of it", least=1, most=PPM, required=False)
    field.widget.attrs |= REFRESH
    return field


class ShareForm(ReasonForm):
    """What every exit may say: how much of what is held, and whether books of the REST interface will do."""

    share = share_field()
    proposed = forms.CharField(widget=forms.HiddenInput, required=False)
    by_rest = forms.BooleanField(
        label="Where there is no live book, sell by the REST interface's (it may be some seconds old)", required=False
    )

    field_order = ["token", "version", "reason", "share", "counts", "least_prices", "below_floor", "by_rest"]

    def clean_share(self) -> int:
        """In millionths; an empty field is all."""
        return self.cleaned_data["share"] or PPM


class ManyForm(ShareForm):
    """Of several positions: the share of each, and least prices by position and leg."""

    positions = forms.CharField(widget=forms.HiddenInput, max_length=4_000)
    least_prices = forms.CharField(
        label="Sell each leg at this price or better (position, side, market, dollars; one a line)",
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
    )
    below_floor = forms.CharField(
        label="Only for baskets whose floor is above their cost: why less than the floor is accepted",
        required=False,
        max_length=300,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )

    def clean_least_prices(self) -> Mapping[int, LeastPrices]:
        """The prices by position and leg; a position without a line goes by the bids less the tolerance."""
        found: dict[int, dict[LegKey, int]] = {}
        for line in lines_of(self.cleaned_data["least_prices"]):
            match = OF_POSITION.fullmatch(line)
            if match is None:
                raise forms.ValidationError(f"This line is not a position, a leg and a price: {line}")
            of_position = found.setdefault(int(match[1]), {})
            add(of_position, line, *leg_line(match[2], "price"))
        return found

    def clean(self) -> dict[str, Any]:
        """A line for a position that is not chosen would be ignored, and the one that was meant sold at the bids less the tolerance."""
        cleaned = super().clean() or {}
        chosen = {one.strip().lstrip("0") for one in str(cleaned.get("positions", "")).split(",")}
        others = [pk for pk in cleaned.get("least_prices") or () if str(pk) not in chosen]
        if others:
            named = ", ".join(f"#{pk}" for pk in others)
            self.add_error("least_prices", f"There are prices for {named}, which is not among the chosen positions.")
        return cleaned


class ExitForm(ShareForm):
    """Of one position: a share of every leg or counts by leg, and the least price of each."""

    counts = forms.CharField(
        label="Or so many contracts of single legs (side, market, contracts; one a line); a leg without a line is kept",
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2, **REFRESH}),
    )
    least_prices = forms.CharField(
        label="Sell each leg at this price or better (side, market, dollars; one a line)",
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
    )
    below_floor = forms.CharField(
        label="Only for a basket whose floor is above its cost: why less than the floor, or other than equal shares, is accepted",
        required=False,
        max_length=300,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )

    def clean_counts(self) -> Counts | None:
        """The counts by leg; None when the field is empty: then the share counts."""
        return legs_in(self.cleaned_data["counts"], "count") or None

    def clean_least_prices(self) -> LeastPrices | None:
        """The prices by leg; None when the field is empty: then the bids less the tolerance count."""
        return legs_in(self.cleaned_data["least_prices"], "price") or None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("counts") and cleaned.get("share", PPM) != PPM:
            self.add_error("counts", "Write a share of every leg or counts of single legs, not both.")
        return cleaned


def lines_of(text: str) -> list[str]:
    """The lines that are not empty."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def legs_in(text: str, what: str) -> dict[LegKey, int]:
    """The price or count of each leg that a text names, one a line. ValidationError for a line that is none, or a leg named twice."""
    found: dict[LegKey, int] = {}
    for line in lines_of(text):
        add(found, line, *leg_line(line, what))
    return found


def add(found: dict[LegKey, int], line: str, name: LegKey, value: int) -> None:
    """Keep the ``value`` of a leg. ValidationError where it has one: whichever of two counted, the other would be ignored in silence."""
    if name in found:
        raise forms.ValidationError(f"This leg stands there twice: {line}")
    found[name] = value


def leg_line(line: str, what: str) -> tuple[LegKey, int]:
    """(leg, price or count) of a line. ValidationError for one that is neither."""
    match = LEG.fullmatch(line.strip())
    if match is None:
        raise forms.ValidationError(f"This line is not a leg and a {what}: {line.strip()}")
    try:
        value = parse_price(match[3]) if what == "price" else int(parse_decimal(match[3], 2))
    except UnitError as error:
        raise forms.ValidationError(f"{match[3]} is not a {what}: {error}.") from None
    return (match[2], match[1].lower()), value


def price_line(name: LegKey, price: int) -> str:
    """A leg and its least price as the form reads them."""
    return f"{name[1].upper()} {name[0]} {format_decimal(price, 4, keep=4)}"


def start(data: Mapping[str, Any], proposed: str) -> dict[str, Any]:
    """What the form begins with: what the person has written already, where the dialog is shown again, else all of it at ``proposed``.
    Least prices that a person wrote stay; those that were only proposed are proposed again, for another part sells at other bids."""
    written = {name: data[name] for name in KEPT if data.get(name)}
    prices = data.get("least_prices", "")
    is_own = prices.strip() and prices.split() != data.get("proposed", "").split()
    return {"share": "100", **written, "least_prices": prices if is_own else proposed, "proposed": proposed}
