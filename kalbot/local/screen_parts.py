"""The parts of the demo's screen, each as it reads on a window this wide: no number and no name is ever cut, columns are left out."""

from __future__ import annotations

from typing import Any, Final

from rich.columns import Columns
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from kalbot.local import pace, summary
from kalbot.local.processes import Plan
from kalbot.local.supervisor import Supervisor
from strategies.models import NearMiss, Profile
from trading.accounting import balance_check
from trading.models import Position

WIDE: Final = 100
"""Width of a window, in characters, from which on no column of the tables is left out."""
MONEY: Final = ("cash", "open cost", "profit", "off by")


def dollars(money: int | None) -> str:
    """Micro-dollars for a person: ``1_234_500`` -> ``$1.23``; the sign before the dollar."""
    if money is None:
        return "?"
    cents = (abs(money) + 5_000) // 10_000
    return f"{'-' if money < 0 and cents else ''}${cents // 100:,}.{cents % 100:02d}"


def plain_table(width: int) -> Table:
    """A table without lines: a window has thirty rows, and they are for what is known."""
    return Table(
        box=None, expand=True, pad_edge=False, padding=(0, 2 if width >= WIDE else 1, 0, 0), header_style="dim"
    )


def header(plan: Plan, seconds: int) -> Text:
    """What runs, its address, what comes next, and what is wrong with the machine."""
    what = "books as recorded, nothing planted" if plan.still else f"markets close {plan.speed:g} x faster"
    password = (plan.state / "admin_password").read_text().strip()
    slow, upcoming = pace.slow(), pace.upcoming(plan)
    return Text.assemble(
        ("Kalbot ", "bold"),
        f"on the simulator · {what} · {seconds // 60:02d}:{seconds % 60:02d}",
        ("   Ctrl-C stops it\n", "dim"),
        "open ",
        (f"http://127.0.0.1:{plan.web_port}/admin/", "underline"),
        f"  as admin, password {password}",
        (f"\n{upcoming}" if upcoming else "", "dim"),
        (f"\n{slow}" if slow else "", "bold yellow"),
    )


def pipeline(row: dict[str, Any], rate: float | None = None) -> RenderableType:
    """The stages from scan to settlement, each with its count; wraps on a narrow window."""
    cells: dict[str, int | str] = {
        "scans": row["scans"],
        "events": row["events"],
        "markets": row["markets"],
        "prices": row["prices"] if rate is None else f"{row['prices']:,} ({rate:,.0f}/s)",
        "cycles": row["cycles"],
        "watched": row["candidates"],
        "near misses": row["near_misses"],
        "decisions": sum(row["decisions"].values()),
        "positions": sum(row["positions"].values()),
        "settled": sum(row["settled"].values()),
        "errors": len(row["errors"]),
    }
    shown = [
        Text.assemble((f"{name} ", "dim"), (f"{value:,}" if isinstance(value, int) else value, "bold"))
        for name, value in cells.items()
    ]
    return Columns(shown, padding=(0, 3))


def profiles(width: int) -> Table:
    """Money by profile; sim and live are never added up."""
    table, wide = plain_table(width), width >= WIDE
    for name in ("profile", "mode"):
        table.add_column(name, no_wrap=True)
    counted = (*(("watched", "near") if wide else ()), "open", "settled", "aborted")
    for name in (*counted, *MONEY):
        table.add_column(name, justify="right", no_wrap=True)
    for profile in Profile.objects.order_by("mode", "pk"):
        counts, money = summary.profile_counts(profile), balance_check.summary(profile)
        held = counts["positions"]
        numbers = {
            "watched": counts["candidates"],
            "near": counts["near_misses"],
            **{name: held.get(name, 0) for name in ("open", "settled", "aborted")},
        }
        table.add_row(
            profile.name,
            Text(profile.mode, style="bold red" if profile.mode == "live" else "cyan"),
            *(str(numbers[name]) for name in counted),
            dollars(money["cash"]),
            dollars(money["open_cost"]),
            Text(dollars(money["realised"]), style="green" if money["realised"] >= 0 else "red"),
            dollars(money["difference"]),
        )
    return table


def latest(width: int, rows: int) -> Table:
    """The newest positions, each with why it stands as it does."""
    table, wide = plain_table(width), width >= WIDE
    for name in ("latest", "profile", "event", "status"):
        table.add_column(name, no_wrap=True)
    for name in (*(("baskets", "cost") if wide else ()), "profit"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("because", ratio=1, no_wrap=True, overflow="ellipsis")
    for position in Position.objects.select_related("profile").order_by("-pk")[:rows]:
        bought = (f"{position.matched_count / 100:g}", dollars(position.cost)) if wide else ()
        table.add_row(
            f"#{position.pk}",
            position.profile.name,
            position.event_id,
            position.status,
            *bought,
            dollars(position.realised),
            pace.cause(position),
        )
    return table


def nearest(width: int, rows: int) -> Table:
    """What was not bought by the least: the measured value, the limit, and what would flip it."""
    table, wide = plain_table(width), width >= WIDE
    for name in ("nearest miss", *(("profile",) if wide else ()), "why not", "value", "limit"):
        table.add_column(name, no_wrap=True)
    table.add_column("what would flip it", ratio=1, no_wrap=True, overflow="ellipsis")
    misses = NearMiss.objects.filter(ended_at=None).select_related("profile").order_by("distance_ppm")
    for miss in misses[:rows]:
        who = (miss.profile.name,) if wide else ()
        table.add_row(miss.event_id, *who, miss.constraint.replace("_", " "), miss.value, miss.limit, miss.flip)
    return table


def process_line(supervisor: Supervisor) -> Text:
    """How many processes run; by name those that do not, or had to be started again."""
    down = [child.name for child in supervisor.children if not child.running]
    again = [f"{child.name} {child.restarts}x" for child in supervisor.children if child.restarts]
    parts: list[str | tuple[str, str]] = [("processes ", "dim"), f"{len(supervisor.children) - len(down)} running"]
    if down:
        parts += [", ", (f"down: {', '.join(down)}", "bold red")]
    if again:
        parts += [", ", (f"started again: {', '.join(again)}", "yellow")]
    return Text.assemble(*parts)
