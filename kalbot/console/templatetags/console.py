"""Filters that write units, and the pieces that pages are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import template

from kalbot.console.pages.home import banner as banner_page
from kalbot.console.ui import empty_lists, formats, navigation, verdicts
from kalbot.console.ui.links import act_url, list_url, page_url
from kalbot.console.ui.markup import COLOURS, signed, tag
from markets.terms.special_settlements import IN_NO_GRADE
from strategies.models import Verdict

register = template.Library()
register.filter("moment", formats.moment)
register.filter("filled_by", empty_lists.filled_by)
register.filter("log_line", formats.log_line)
register.filter("reason", formats.reason)
for name, shown in formats.SHOW.items():
    register.filter(name, shown)


@register.filter
def toned(value: int | None, places: int = 2) -> Any:
    """A gain in green, a loss in red."""
    return signed("gain", value, places)


@register.filter
def decimals(rows: Iterable[Any], path: str) -> int:
    """How many decimals the money at ``path`` of each row needs, so that a column is written with equal ones."""
    return formats.decimals("money", [_at(row, path) for row in rows])


@register.filter
def price_decimals(rows: Iterable[Any], path: str) -> int:
    """The same for prices."""
    return formats.decimals("price", [_at(row, path) for row in rows])


def _at(row: Any, path: str) -> Any:
    """What a dotted path leads to, by key or attribute, as in a template."""
    for part in path.split("."):
        if row is None:
            return None
        if isinstance(row, dict):
            row = row.get(part)
        else:
            row = row[int(part)] if part.isdigit() else getattr(row, part, None)
    return row


@register.filter
def named(titles: dict[str, str], ticker: str) -> str:
    """The title of a ticker; empty where it is not known."""
    return titles.get(ticker, "")


@register.filter
def strikes(rule: str) -> str:
    """A rule of several markets with the place of the strike named, for the reading keeps it as ``{}``."""
    return rule.replace("{}", "[the strike]")


@register.filter
def label(code: str) -> Any:
    """A coloured label for a status."""
    return tag(str(code))


@register.simple_tag
def in_no_grade() -> str:
    """The sentence that stands beside grades."""
    return IN_NO_GRADE


@register.filter
def colour(code: str) -> str:
    """The colour of a status, as in the lists."""
    return COLOURS.get(str(code), "plain")


@register.filter
def grade_tag(label: str) -> Any:
    """The grade of what is held, in the colour of how sure it is."""
    return tag(str(label))


@register.filter
def verdict_tag(verdict: Verdict) -> Any:
    """Tradable now, watched, near miss or rejected, each in its colour."""
    return tag(verdicts.word(verdict))


@register.filter
def screened(status: str) -> str:
    """What a verdict of the screening is called: a candidate has its books watched, no more."""
    return verdicts.WATCHED if status == "candidate" else str(status).replace("_", " ")


@register.filter
def words(code: str) -> str:
    """``net_margin`` as ``net margin``."""
    return str(code).replace("_", " ")


@register.simple_tag
def rows(model: str, **filters: Any) -> str:
    """Address of a list with filters."""
    return list_url(model, **filters)


@register.simple_tag
def page(model: str, pk: Any) -> str:
    """Address of a row's page."""
    return page_url(model, pk)


@register.simple_tag
def act(name: str, pk: Any = "") -> str:
    """Address of a dialog."""
    return act_url(name, pk)


@register.inclusion_tag("console/banner.html", takes_context=True)
def banner(context: dict[str, Any]) -> dict[str, Any]:
    """Mode and trading state, on every page."""
    request = context["request"]
    return {
        **banner_page.context(request),
        "perms": context.get("perms", {}),
        "exchange": navigation.exchange(),
        "request": request,
        "user": request.user,
    }
