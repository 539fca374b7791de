"""Lines over time as Chart.js wants them. Time runs on a true axis, in units before now, so that a quiet hour looks like an hour."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from kalbot.common import clock

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b58900", "#56b4e9", "#7a5195", "#6b7280"]
"""Distinct for colour-blind people too (after Okabe and Ito), and dark enough on white."""

UNITS = [("seconds", 1, 180), ("minutes", 60, 180), ("hours", 3_600, 72), ("days", 86_400, 0)]
"""Name, seconds, and up to how many of it are still readable."""
Points = Sequence[tuple[datetime, float | None]]
Level = TypeVar("Level", int, float)


def fewer(points: Sequence[tuple[datetime, Level]], most: int = 300) -> list[tuple[datetime, Level]]:
    """At most ``most`` (4 or more) of the points: the first, the last, and of each stretch between the lowest and the highest, so that no
    fall and no peak is lost."""
    if len(points) <= most:
        return list(points)
    size = -(-len(points) // ((most - 2) // 2))
    kept = {0, len(points) - 1}
    for begin in range(0, len(points), size):
        stretch = range(begin, min(begin + size, len(points)))
        kept |= {min(stretch, key=lambda at: points[at][1]), max(stretch, key=lambda at: points[at][1])}
    return [points[at] for at in sorted(kept)]


class Plot:
    """Lines of one plot, in steps (a value holds until the next one); ``unit`` names the vertical axis. A value of None is a gap.
    ``until``: where the time ends, if that is not now: a month of last year is not a corner of the year since."""

    def __init__(
        self,
        unit: str,
        *,
        legend: bool = True,
        from_zero: bool = False,
        dots: bool = False,
        until: datetime | None = None,
    ) -> None:
        self.unit, self.legend, self.from_zero, self.dots = unit, legend, from_zero, dots
        self.now = clock.now()
        self.until = min(until or self.now, self.now)
        self.lines: list[tuple[str, Points, dict[str, Any]]] = []

    def line(self, label: str, points: Points, **style: Any) -> None:
        """Add a line; colours are given in turn."""
        colour = style.pop("colour", COLOURS[len(self.lines) % len(COLOURS)])
        self.lines.append(
            (label, points, {"borderColor": colour, "backgroundColor": colour, "spanGaps": False, **style})
        )

    def scale(self) -> tuple[str, int]:
        """The unit of time in which the oldest point is a readable number: (name, seconds)."""
        oldest = max(((self.now - at).total_seconds() for _, points, _ in self.lines for at, _ in points), default=0)
        return next(((name, seconds) for name, seconds, most in UNITS if not most or oldest < most * seconds))

    def context(self, name: str) -> dict[str, str]:
        """``{name}_chart`` and ``{name}_options`` for a template; empty texts without a point."""
        if not any(points for _, points, _ in self.lines):
            return {f"{name}_chart": "", f"{name}_options": ""}
        unit, seconds = self.scale()
        datasets = [
            {"label": label, "data": [{"x": self.before(at, seconds), "y": value} for at, value in points], **style}
            for label, points, style in self.lines
        ]
        least = self.before(self.until, seconds)
        return {f"{name}_chart": json.dumps({"datasets": datasets}), f"{name}_options": self.options(unit, least)}

    def before(self, at: datetime, seconds: int) -> float:
        """How many units before now ``at`` is."""
        return round((self.now - at).total_seconds() / seconds, 3)

    def options(self, unit: str, least: float) -> str:
        """Chart.js options of this plot; ``least``: how many units ago it ends."""
        horizontal = {
            "type": "linear",
            "reverse": True,
            "min": least,
            "grid": {"display": False},
            "ticks": {"maxTicksLimit": 7, "maxRotation": 0},
            "title": {"display": True, "text": f"{unit} ago"},
        }
        vertical = {
            "title": {"display": True, "text": self.unit},
            "ticks": {"maxTicksLimit": 6},
            "beginAtZero": self.from_zero,
        }
        return json.dumps(
            {
                "animation": False,
                "maintainAspectRatio": False,
                "interaction": {"mode": "nearest", "axis": "x", "intersect": False},
                "elements": {"point": {"radius": 2 if self.dots else 0}, "line": {"borderWidth": 2, "stepped": True}},
                "plugins": {
                    "legend": {"display": self.legend, "position": "bottom", "labels": {"boxWidth": 12, "boxHeight": 2}}
                },
                "scales": {"x": horizontal, "y": vertical},
            }
        )
