"""How long the last baskets took from stage to stage, for the status page."""

from __future__ import annotations

from typing import Final

from kalbot.common import trace
from kalbot.common.trace import Stage
from kalbot.console.ops.health.part import OK, Part
from trading.models import Position

LAST: Final = 200
FIRST_ORDER: Final = f"{Stage.DECIDED}_to_{Stage.SENT}"
SHOWN: Final = (
    ("frame to decision", f"{Stage.RECEIVED}_to_{Stage.DECIDED}"),
    ("decision to first order", FIRST_ORDER),
    ("decision to all orders", f"{Stage.DECIDED}_to_{Stage.ALL_SENT}"),
    ("decision to open position", f"{Stage.DECIDED}_to_{Stage.STORED}"),
)
"""What the sentence says, by the name of the span."""


def recent() -> dict[str, list[float]]:
    """Milliseconds of every step and span of the last baskets that were bought, each list in order. A clock that was set back counts
    as nothing, and so does the time for which a quote rested."""
    bought = Position.objects.filter(opened_at__isnull=False, decision__quote={}).order_by("-id")
    found: dict[str, list[float]] = {}
    for before, after in bought.values_list("decision__trace", "trace")[:LAST]:
        for name, seconds in trace.spans({**before, **after}).items():
            if seconds >= 0:
                found.setdefault(name, []).append(seconds * 1000)
    return {name: sorted(values) for name, values in found.items()}


def first_order() -> list[float]:
    """Milliseconds from decision to first order of the same baskets, in order: one figure, wherever it is shown."""
    return recent().get(FIRST_ORDER, [])


def speed() -> Part:
    """Median and 99th percentile; slowness is no fault."""
    times = recent()
    metrics = {
        f"{name}_p{share * 100:.0f}": _rank(values, share) for name, values in times.items() for share in (0.5, 0.99)
    }
    said = [
        f"{words} {_rank(times[name], 0.5):.1f} / {_rank(times[name], 0.99):.1f} ms"
        for words, name in SHOWN
        if name in times
    ]
    if not said:
        return Part("speed", OK, "No basket was bought yet.", is_measured=False)
    return Part(
        "speed",
        OK,
        f"Median / 99th percentile of the last baskets bought ({LAST} at most): {', '.join(said)}.",
        metrics,
    )


def _rank(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
