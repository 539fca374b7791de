"""Small pieces of HTML: numbers that line up, gains and losses in colour, coloured labels. A status' colour is in one place."""

from __future__ import annotations

from html import escape
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from kalbot.console.ui import formats

COLOURS = {
    **dict.fromkeys(
        [
            "open",
            "done",
            "filled",
            "granted",
            "settled",
            "active",
            "hold",
            "ok",
            "guaranteed",
            "guaranteed if determined",
            "tradable now",
        ],
        "success",
    ),
    **dict.fromkeys(
        ["stopped", "rejected", "failed", "refused", "halted", "ERROR", "CRITICAL", "exit", "bad", "unknown"], "danger"
    ),
    **dict.fromkeys(
        [
            "near_miss",
            "near miss",
            "executing",
            "quoting",
            "completing",
            "unwinding",
            "exiting",
            "sending",
            "reducing",
            "watch",
            "warn",
            "WARNING",
            "retry",
            "void",
            "revoked",
            "resting",
            "partly filled",
            "live",
            "conditional",
        ],
        "warning",
    ),
    **dict.fromkeys(["pending", "new", "started", "running", "sim", "candidate", "watched"], "info"),
}


def number(text: str) -> SafeString:
    """Digits that line up under each other."""
    return _span("k-num", text)


def _span(classes: str, text: str) -> SafeString:
    """``text``, escaped, in a span. A list has hundreds of them: 0.4 us each, with Django's ``format_html`` 2.8."""
    return SafeString(f'<span class="{classes}">{escape(str(text))}</span>')


FIGURES = {*formats.SCALE, "count", "percent", "share", "ratio", "ms", "whole", "decimal"}
"""Units whose columns are aligned to the right."""


def signed(unit: str, value: Any, places: int = 2) -> SafeString:
    """The value in its unit, amounts with at least ``places`` decimals; gains green, losses red, moments with the exact time on hover."""
    text = formats.SHOW[unit](value, places) if unit in formats.SCALE else formats.SHOW[unit](value)
    if unit == "gain" and value:
        return _span(f"k-num k-figure {'k-good' if value > 0 else 'k-bad'}", text)
    if unit in FIGURES:
        return _span("k-num k-figure", text)
    if unit == "ago" and value is not None:
        return format_html(
            '<time class="k-num" datetime="{}" title="{}">{}</time>',
            value.isoformat(),
            formats.moment(value),
            text,
        )
    return number(text)


def tag(code: str, words: str = "", hint: str = "") -> SafeString:
    """A coloured label; ``hint`` shows on hover.

    Written here rather than with Unfold's template: fifty rows with three labels each would cost 60 ms.
    """
    shown = (words or code).replace("_", " ")
    if hint:
        return format_html('<span class="k-tag k-{}" title="{}">{}</span>', COLOURS.get(code, "plain"), hint, shown)
    return _span(f"k-tag k-{COLOURS.get(code, 'plain')}", shown)
