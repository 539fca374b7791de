"""The demo's live screen (rich), its headless progress line, and the tables printed at the end."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any, Protocol, Self

from rich import box
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live as RichLive
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from kalbot.local import pace, quoting, story, summary, triage_screen
from kalbot.local.processes import Plan
from kalbot.local.supervisor import Supervisor
from markets.terms.grades import Grade
from strategies.models import NearMiss, Profile
from trading.accounting import balance_check
from trading.models import Position

REFRESH_SECONDS = 1.0
NEAREST = 6
LATEST = 6
PLAIN_WIDTH = 110


class View(Protocol):
    """Something that shows the demo while it runs."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...
    def update(self, supervisor: Supervisor, messages: Iterable[str]) -> None: ...


def dollars(money: int | None) -> str:
    """Micro-dollars for a person: ``1_234_500`` -> ``$1.23``; the sign before the dollar."""
    if money is None:
        return "?"
    cents = (abs(money) + 5_000) // 10_000
    return f"{'-' if money < 0 and cents else ''}${cents // 100:,}.{cents % 100:02d}"


class Headless:
    """One line of progress every ten seconds, on stderr."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds, self.started, self.said = seconds or 0.0, time.monotonic(), 0.0
        self.warned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def update(self, supervisor: Supervisor, messages: Iterable[str]) -> None:
        elapsed = time.monotonic() - self.started
        if elapsed - self.said < 10:
            return
        self.said = elapsed
        row = summary.summary()
        counts = " ".join(f"{key} {row[key]}" for key in ("scans", "candidates", "near_misses", "prices"))
        stages = " ".join(
            f"{key} {row[key]['sim']}/{row[key]['live']}" for key in ("decisions", "positions", "settled")
        )
        seen = row["triage"]
        advice = f"advice {seen['opened']} accepted {seen['accepted']} scored {seen['scored']}"
        print(
            f"  {elapsed:4.0f}/{self.seconds:.0f} s  {counts}  sim/live: {stages}  {advice}",
            file=sys.stderr,
            flush=True,
        )
        slow = "" if self.warned else pace.slow()
        if slow:
            self.warned = True
            print(f"  {slow}", file=sys.stderr, flush=True)


class Live:
    """The full screen, redrawn once a second."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.started, self.drawn = plan, time.monotonic(), 0.0
        self.live = RichLive(console=Console(), screen=True, auto_refresh=False)
        self.last: tuple[float, int] = (time.monotonic(), 0)

    def __enter__(self) -> Self:
        self.live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.live.stop()

    def update(self, supervisor: Supervisor, messages: Iterable[str]) -> None:
        if time.monotonic() - self.drawn < REFRESH_SECONDS:
            return
        self.drawn = time.monotonic()
        self.live.update(self.draw(supervisor, messages), refresh=True)

    def draw(self, supervisor: Supervisor, messages: Iterable[str]) -> RenderableType:
        """The whole screen as one renderable."""
        row = summary.summary()
        parts = [
            self.header(),
            pipeline(row, self.rate(row["prices"])),
            profiles(),
            triage_screen.triage(row["triage"]),
            nearest(),
            latest(),
        ]
        return Group(*parts, process_line(supervisor), *(Text(f"! {line}", style="yellow") for line in messages))

    def header(self) -> RenderableType:
        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        what = (
            "books as recorded, nothing planted" if self.plan.still else f"markets close {self.plan.speed:g} x faster"
        )
        password = (self.plan.state / "admin_password").read_text().strip()
        text = Text.assemble(
            ("Kalbot ", "bold"),
            f"on the simulator · {self.plan.snapshot.name} · {what} · {minutes:02d}:{seconds:02d}\n",
            "admin  ",
            (f"http://127.0.0.1:{self.plan.web_port}/admin/", "underline"),
            f"  admin / {password}",
            ("    Ctrl-C stops everything\n", "dim"),
            (pace.upcoming(self.plan), "dim"),
            (f"\n{slow}" if (slow := pace.slow()) else "", "bold yellow"),
        )
        return Panel(text, box=box.SQUARE, padding=(0, 1))

    def rate(self, total: int) -> float:
        """Price messages a second since the last call."""
        now = time.monotonic()
        (then, before), self.last = self.last, (now, total)
        return max(0.0, (total - before) / max(now - then, 0.001)) if before else 0.0


def pipeline(row: dict[str, Any], rate: float) -> RenderableType:
    """The stages from scan to settlement, each with its count; wraps on a narrow terminal."""
    cells: dict[str, int | str] = {
        "scans": row["scans"],
        "events": row["events"],
        "markets": row["markets"],
        "prices": row["prices"],
        "prices/s": f"{rate:,.0f}",
        "cycles": row["cycles"],
        "candidates": row["candidates"],
        "near misses": row["near_misses"],
        "decisions": sum(row["decisions"].values()),
        "positions": sum(row["positions"].values()),
        "settled": sum(row["settled"].values()),
        "errors": len(row["errors"]),
    }
    if not rate:
        del cells["prices/s"]
    shown = [
        Text.assemble((f"{name} ", "dim"), (f"{value:,}" if isinstance(value, int) else value, "bold"))
        for name, value in cells.items()
    ]
    return Panel(Columns(shown, padding=(0, 3)), box=box.SQUARE, padding=(0, 1))


def profiles() -> RenderableType:
    """Money by profile; sim and live are never added up."""
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False, title="profiles", title_justify="left")
    for name in ("profile", "mode"):
        table.add_column(name)
    for name in ("cand.", "near", "open", "settled", "aborted", "cash", "open cost", "profit", "off by"):
        table.add_column(name, justify="right")
    for profile in Profile.objects.order_by("mode", "pk"):
        counts, money = summary.profile_counts(profile), balance_check.summary(profile)
        held = counts["positions"]
        profit = Text(dollars(money["realised"]), style="green" if money["realised"] >= 0 else "red")
        table.add_row(
            profile.name,
            Text(profile.mode, style="bold red" if profile.mode == "live" else "cyan"),
            str(counts["candidates"]),
            str(counts["near_misses"]),
            str(held.get("open", 0)),
            str(held.get("settled", 0)),
            str(held.get("aborted", 0)),
            dollars(money["cash"]),
            dollars(money["open_cost"]),
            profit,
            dollars(money["difference"]),
        )
    return table


def nearest() -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False, title="nearest misses", title_justify="left")
    for name in ("event", "profile", "why not", "value", "limit"):
        table.add_column(name, no_wrap=True)
    table.add_column("what would flip it", ratio=1, no_wrap=True)
    rows = NearMiss.objects.filter(ended_at=None).select_related("profile").order_by("distance_ppm")[:NEAREST]
    for miss in rows:
        table.add_row(miss.event_id, miss.profile.name, miss.constraint, miss.value, miss.limit, miss.flip)
    return table


def latest() -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False, title="latest positions", title_justify="left")
    for name in ("#", "profile", "mode", "event", "kind", "status"):
        table.add_column(name, no_wrap=True)
    for name in ("baskets", "cost", "floor", "profit"):
        table.add_column(name, justify="right")
    table.add_column("because", ratio=1, no_wrap=True)
    for position in Position.objects.select_related("profile").order_by("-pk")[:LATEST]:
        table.add_row(
            str(position.pk),
            position.profile.name,
            position.mode,
            position.event_id,
            position.kind,
            position.status,
            f"{position.matched_count / 100:g}",
            dollars(position.cost),
            dollars(position.floor) if position.cost else "",
            dollars(position.realised),
            pace.cause(position),
        )
    return table


def process_line(supervisor: Supervisor) -> RenderableType:
    parts = []
    for child in supervisor.children:
        again = f" ({child.restarts}x again)" if child.restarts else ""
        parts.append((f"{child.name}{again}  ", "green" if child.running else "bold red"))
    return Text.assemble(("processes  ", "dim"), *parts)


def print_result(row: dict[str, Any], *, still: bool) -> None:
    """The end of a run: profiles, what was bought when the books stood still, errors, and whether the loop closed."""
    console = Console(stderr=True)
    if not console.is_terminal:
        console = Console(stderr=True, width=PLAIN_WIDTH)
    console.print(pipeline(row, 0.0), profiles())
    for line in [*grades(row), *quoting.in_words(row["quoted"])]:
        console.print(line, markup=False, highlight=False)
    if not still:
        console.print(triage_screen.triage(row["triage"]))
        outcome = row["triage"]["story"]
        console.print(
            story.in_words(outcome), style="bold red" if outcome["missing"] else "green", markup=False, highlight=False
        )
    if still:
        console.print(still_result(row))
    for line in row["errors"]:
        console.print(f"error: {line}", style="red", markup=False)
    for line in row["problems"]:
        console.print(f"not closed: {line}", style="bold red", markup=False)
    if not row["problems"]:
        console.print("the loop closed: what was decided was bought, what ended was booked, every ledger balances")


def grades(row: dict[str, Any]) -> list[str]:
    """What was bought and settled of each grade, one line a mode."""
    return [
        f"{mode}: " + ", ".join(f"{label} {n['bought']} bought, {n['settled']} settled" for label, n in labels.items())
        for mode, labels in row["grades"].items()
    ]


def still_result(row: dict[str, Any]) -> RenderableType:
    labels = Counter(held["grade"] for held in row["bought"])
    bought = ", ".join(f"{labels[grade.label]} {grade.label}" for grade in Grade)
    lines = [f"books as recorded, baskets bought by grade: {bought}"]
    lines += [
        f"  {held['profile']}: {held['kind']} {held['event']} x {held['count'] / 100:g}, cost {dollars(held['cost'])},"
        f" floor {dollars(held['floor'])}"
        for held in row["bought"]
    ]
    return Text("\n".join(lines))
