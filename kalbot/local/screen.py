"""The demo while it runs: a live screen (rich) that fits its window, or a line of progress every ten seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live as RichLive
from rich.text import Text

from kalbot.local import pace, screen_parts, summary, triage_screen
from kalbot.local.processes import Plan
from kalbot.local.supervisor import Supervisor

REFRESH_SECONDS = 1.0
MOST_ROWS: Final = 6
"""Of positions and of near misses, where the window is high enough."""
FEWEST_ROWS: Final = 2
FEW_MESSAGES: Final = 2
"""How many of the last messages stand on a window of fewer than 40 rows."""


class View(Protocol):
    """Something that shows the demo while it runs."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...
    def update(self, supervisor: Supervisor, messages: Iterable[str]) -> None: ...


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

    def __init__(self, plan: Plan, console: Console | None = None) -> None:
        self.plan, self.started, self.drawn = plan, time.monotonic(), 0.0
        self.console = console or Console()
        self.live = RichLive(console=self.console, screen=True, auto_refresh=False)
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
        """The whole screen as one renderable, no higher than the window."""
        row, (width, height) = summary.summary(), self.console.size
        latest = list(messages)
        above = [
            screen_parts.header(self.plan, int(time.monotonic() - self.started)),
            screen_parts.pipeline(row, self.rate(row["prices"])),
        ]
        below = [
            Text(f"! {line}", style="yellow", no_wrap=True, overflow="ellipsis")
            for line in (latest if height >= 40 else latest[-FEW_MESSAGES:])
        ]
        tables: list[Table] = [
            ("profiles", lambda _rows: screen_parts.profiles(width), 1),
            ("latest positions", lambda rows: screen_parts.latest(width, rows), MOST_ROWS),
            ("triage", lambda _rows: triage_screen.triage(row["triage"], width), 1),
            ("nearest misses", lambda rows: screen_parts.nearest(width, rows), MOST_ROWS),
        ]
        state = screen_parts.process_line(supervisor)
        left = height - self.lines(*above, state, *below)
        shown, hidden = self.fitting(tables, left)
        if hidden:
            also = (f"   on a higher window also: {', '.join(hidden)}", "dim")
            state = Text.assemble(state, also, no_wrap=True, overflow="ellipsis")
        return Group(*above, *shown, state, *below)

    def fitting(self, tables: Iterable[Table], left: int) -> tuple[list[RenderableType], list[str]]:
        """Those of the tables that fit into ``left`` lines, each with as many rows as fit and an empty line before it; and the names of
        the others. The first ones are the more important."""
        shown: list[RenderableType] = []
        hidden = []
        for name, draw, most in tables:
            for rows in range(most, min(most, FEWEST_ROWS) - 1, -1):
                table = draw(rows)
                if (needed := 1 + self.lines(table)) <= left:
                    shown += ["", table]
                    left -= needed
                    break
            else:
                hidden.append(name)
        return shown, hidden

    def lines(self, *parts: RenderableType) -> int:
        """How many lines of the window these take."""
        return sum(len(self.console.render_lines(part, pad=False)) for part in parts)

    def rate(self, total: int) -> float:
        """Price messages a second since the last call."""
        now = time.monotonic()
        (then, before), self.last = self.last, (now, total)
        return max(0.0, (total - before) / max(now - then, 0.001)) if before else 0.0


Table = tuple[str, Callable[[int], RenderableType], int]
"""A table's name, what draws it with so many rows, and how many rows it has at most."""
