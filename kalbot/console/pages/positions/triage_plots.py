"""Two plots of the triage card as shapes for an inline drawing: a forecast against the strikes, and the history of the position's value.

Everything is in the drawing's own units (``WIDTH`` x ``HEIGHT``); templates only place what is computed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.utils import timezone

from kalbot.console.ui import formats

WIDTH: Final = 640
HEIGHT: Final = 200
LEFT: Final = 56
BOTTOM: Final = 26
TOP: Final = 14
PLOT_WIDTH: Final = WIDTH - LEFT - 8
PLOT_HEIGHT: Final = HEIGHT - TOP - BOTTOM
LINES: Final = (("sell_now", "sold now"), ("hold_expected", "held, expected"), ("floor", "held, at least"))


def forecast(source: Mapping[str, Any], held: set[str], names: Mapping[str, str]) -> dict[str, Any] | None:
    """What one source expects, degree by degree, with the strikes: bars of held outcomes stand out from the others. None if the source
    gave no distribution. ``held``: tickers of outcomes whose YES is held; ``names``: ticker -> outcome in words."""
    plot = source.get("plot") or {}
    pmf = {int(degrees): float(p) for degrees, p in (plot.get("pmf") or {}).items()}
    if not pmf:
        return None
    bounds = plot.get("bounds") or {}
    edges = [edge for pair in bounds.values() for edge in pair if edge is not None]
    first, last = min([*pmf, *edges]) - 1, max([*pmf, *edges]) + 1
    step, most = PLOT_WIDTH / (last - first + 1), max(pmf.values())

    def at(degrees: float) -> float:
        return float(round(LEFT + (degrees - first) * step, 1))

    bars = [
        {
            "x": round(at(degrees) + step * 0.1, 1),
            "width": round(step * 0.8, 1),
            "y": round(TOP + PLOT_HEIGHT * (1 - p / most), 1),
            "height": round(PLOT_HEIGHT * p / most, 1),
            "held": _outcome(degrees, bounds) in held,
            "says": f"{degrees} {plot.get('unit', '')}: {p:.1%}, {names.get(_outcome(degrees, bounds), '')}",
        }
        for degrees, p in sorted(pmf.items())
    ]
    measured = plot.get("measured")
    return {
        "source": source.get("source"),
        "bars": bars,
        "width": WIDTH,
        "height": HEIGHT,
        "base": TOP + PLOT_HEIGHT,
        "top": TOP,
        "strikes": [
            {"x": at(low), "label": f"{low}"} for low in sorted({low for low, _ in bounds.values() if low is not None})
        ],
        "measured": None
        if measured is None
        else {"x": round(at(measured) + step / 2, 1), "label": f"{measured} measured"},
        "says": f"{source.get('detail', '')}; held outcomes {sum(p for d, p in pmf.items() if _outcome(d, bounds) in held):.1%}",
    }


def _outcome(degrees: int, bounds: Mapping[str, Sequence[int | None]]) -> str:
    for ticker, (low, high) in bounds.items():
        if (low is None or low <= degrees) and (high is None or degrees <= high):
            return ticker
    return ""


def value_history(assessments: Sequence[Mapping[str, Any]], cost: int) -> dict[str, Any] | None:
    """The value of a position over its kept assessments, oldest first, with its cost. None with fewer than two assessments."""
    known = [row[name] for row in assessments for name, _ in LINES if row[name] is not None]
    if len(assessments) < 2 or not known:
        return None
    begin, end = assessments[0]["at"], assessments[-1]["at"]
    low, high = min([*known, cost]), max([*known, cost])
    span = max(high - low, 1)

    def x(moment: datetime) -> float:
        whole = (end - begin).total_seconds() or 1.0
        return float(round(LEFT + PLOT_WIDTH * (moment - begin).total_seconds() / whole, 1))

    def y(money: int) -> float:
        return float(round(TOP + PLOT_HEIGHT * (1 - (money - low) / span), 1))

    lines = []
    for number, (name, label) in enumerate(LINES):
        points = [f"{x(row['at'])},{y(row[name])}" for row in assessments if row[name] is not None]
        if points:
            lines.append({"label": label, "points": " ".join(points), "kind": number, "single": len(points) == 1})
    return {
        "lines": lines,
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "right": WIDTH - 8,
        "cost": y(cost),
        "base": TOP + PLOT_HEIGHT,
        "ticks": [{"y": y(money), "label": formats.money(money - money % 10_000)} for money in sorted({low, high})],
        "begin": begin,
        "end": end,
        "assessments": len(assessments),
        "says": f"from {timezone.localtime(begin):%H:%M:%S} to {timezone.localtime(end):%H:%M:%S %Z}: "
        + ", ".join(_ends(assessments, name, label) for name, label in LINES),
    }


def _ends(assessments: Sequence[Mapping[str, Any]], name: str, label: str) -> str:
    values = [row[name] for row in assessments if row[name] is not None]
    return f"{label} {formats.money(values[0])} to {formats.money(values[-1])}" if values else f"{label} not known"
