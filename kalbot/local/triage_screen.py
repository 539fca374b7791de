"""Triage on the demo's screen: counts, the advice that matters, the scoreboard of the sources."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from kalbot.local import screen_parts
from triage.models import Advice, Recommendation

SHOWN = 4


def triage(row: dict[str, Any], width: int) -> RenderableType:
    """Triage's part of the screen, ``width`` columns wide. ``row``: ``story.triage()``."""
    return Group(counts(row), advice(width), sources(row))


def counts(row: dict[str, Any]) -> Text:
    cells = {
        "assessments": row["assessments"],
        "advice opened": row["opened"],
        "closed": row["closed"],
        "to exit": row["exit_advice"],
        "accepted": row["accepted"],
        "scored": row["scored"],
        "story": f"{row['story']['chapters']} of {row['story']['of']}",
    }
    parts: list[str | tuple[str, str]] = [("triage ", "italic")]
    for name, value in cells.items():
        parts += [(f" {name} ", "dim"), (f"{value} ", "bold")]
    return Text.assemble(*parts)


def advice(width: int) -> RenderableType:
    """Advice to exit, accepted first, then what stands, then the newest."""
    table = screen_parts.plain_table(width)
    for name in ("advice", "profile", "event", "status"):
        table.add_column(name, no_wrap=True)
    table.add_column("selling gains", justify="right", no_wrap=True)
    table.add_column("it gained", justify="right", no_wrap=True)
    table.add_column("why", ratio=1, no_wrap=True, overflow="ellipsis")
    rows = Recommendation.objects.filter(advice=Advice.EXIT).select_related("position__profile").order_by("-pk")[:40]
    order = {Recommendation.Status.ACCEPTED: 0, Recommendation.Status.OPEN: 1}
    for one in sorted(rows, key=lambda r: (order.get(Recommendation.Status(r.status), 2), -r.pk))[:SHOWN]:
        came = one.score.get("difference")
        table.add_row(
            f"#{one.position_id}",
            one.position.profile.name,
            one.position.event_id,
            Text(one.get_status_display(), style="green" if one.status == "accepted" else ""),
            money(one.gain),
            Text(money(came), style="" if came is None else "green" if came > 0 else "red"),
            one.detail,
        )
    return table if rows else Text("no advice to exit yet", style="dim")


def sources(row: dict[str, Any]) -> Text:
    """One line a source: Brier score against the market's and the evidence so far."""
    lines = [
        f"{one['source']}: {one['settled']} of {one['forecasts']} forecasts settled, Brier {one['brier']:.3f} "
        f"against the market's {one['brier_market']:.3f}, e-value {one['evidence']:.2f}"
        for one in row["sources"]
        if one["brier"] is not None
    ]
    return Text("\n".join(lines) or "no forecast has settled yet", style="dim")


def money(amount: int | None) -> str:
    """Micro-dollars with a sign; a dash for "not known"."""
    return "–" if amount is None else f"{'-' if amount < 0 else '+'}${abs(amount) / 1_000_000:,.2f}"
