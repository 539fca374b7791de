"""Stored structures as a person reads them: names in words, amounts in their unit, rows as a table; no brackets.

What an integer means is known by the name it is stored under, in structures that say so (``figures``); counts by code have codes for
names, and are plain numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from kalbot.console.ui import formats

FIGURES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("price", "limit_price", "least_price", "worst_price"), "price"),
    **dict.fromkeys(("count", "held", "sold", "sold_before", "baskets"), "count"),
    **dict.fromkeys(
        ("cost", "fees", "floor", "pays", "proceeds", "worth", "gain", "losses", "nets", "sell", "hold", "difference"),
        "money",
    ),
    **dict.fromkeys(
        ("sell_now", "hold_market", "hold_source", "came_from", "came", "profit", "hold_expected"), "money"
    ),
    **dict.fromkeys(("annualised_ppm", "coverage_ppm", "margin_ppm"), "share"),
    **dict.fromkeys(("at_ms", "until_ms", "issued_ms", "formed_ms"), "at_ms"),
    "age_ms": "ms",
}
"""Unit of each name of stored figures."""
SHORTEST: Final = 4
"""A list of more entries than this stands below each other."""


def stored(value: Any, unit: str = "") -> SafeString | str:
    """``value`` as it is stored, in words. ``unit``: of every integer in it (a key of formats.SHOW), ``figures`` for those of
    ``FIGURES``, or empty for plain numbers. Nothing stored is a dash."""
    if isinstance(value, Mapping):
        return _named(value, unit) if value else formats.NOTHING
    if isinstance(value, list | tuple):
        return _listed(value, unit) if value else formats.NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "":
        return formats.NOTHING
    if isinstance(value, float):
        return formats.decimal(value)
    if isinstance(value, int) and unit and unit != "figures":
        return formats.SHOW[unit](value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _unit_of(name: str, unit: str) -> str:
    return FIGURES.get(name, unit) if unit == "figures" else unit


def _words(name: str) -> str:
    return name.removesuffix("_ppm").removesuffix("_ms").replace("_", " ")


def _named(value: Mapping[str, Any], unit: str) -> SafeString:
    lines = ((_words(str(name)), stored(held, _unit_of(str(name), unit))) for name, held in value.items())
    return format_html('<ul class="k-stored">{}</ul>', format_html_join("", "<li><b>{}</b> {}</li>", lines))


def _listed(value: Sequence[Any], unit: str) -> SafeString | str:
    if all(isinstance(one, Mapping) for one in value):
        return _table(value, unit)
    if unit == "figures" and _is_leg(value):
        ticker, side, count = value
        return f"{formats.count(count)} {side.upper()} {ticker}"
    shown = [stored(one, unit) for one in value]
    if len(shown) <= SHORTEST and not any(isinstance(one, SafeString) for one in shown):
        return ", ".join(shown)
    return format_html('<ul class="k-stored">{}</ul>', format_html_join("", "<li>{}</li>", ((one,) for one in shown)))


def _is_leg(value: Sequence[Any]) -> bool:
    """(ticker, side, count in 1/100 contract)."""
    return len(value) == 3 and value[1] in ("yes", "no") and isinstance(value[2], int)


def _table(rows: Sequence[Mapping[str, Any]], unit: str) -> SafeString:
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    lines = (
        (format_html_join("", "<td>{}</td>", ((stored(row.get(name), _unit_of(name, unit)),) for name in names)),)
        for row in rows
    )
    return format_html(
        '<div class="k-scroll"><table class="k-table"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>',
        format_html_join("", "<th>{}</th>", ((_words(name),) for name in names)),
        format_html_join("", "<tr>{}</tr>", lines),
    )
