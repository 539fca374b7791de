"""What the demo prints at its end: profiles, what was bought, errors, whether the loop closed, and whether the machine kept up."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.text import Text

from kalbot.local import pace, quoting, screen_parts, story, triage_screen
from markets.terms.grades import Grade

PLAIN_WIDTH: Final = 110


def print_result(row: dict[str, Any], *, still: bool) -> None:
    """Everything that a person needs who sees the end of the run only."""
    console = Console(stderr=True)
    if not console.is_terminal:
        console = Console(stderr=True, width=PLAIN_WIDTH)
    console.print(screen_parts.pipeline(row), "", screen_parts.profiles(console.width), "")
    for line in [*grades(row), *quoting.in_words(row["quoted"])]:
        console.print(line, markup=False, highlight=False)
    if not still:
        console.print(triage_screen.triage(row["triage"], console.width))
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
    if slow := pace.slow():
        console.print(slow, style="bold yellow", markup=False, highlight=False)
    if not row["problems"]:
        console.print("the loop closed: what was decided was bought, what ended was booked, every ledger balances")


def grades(row: dict[str, Any]) -> list[str]:
    """What was bought and settled of each grade, one line a mode."""
    return [
        f"{mode}: " + ", ".join(f"{label} {n['bought']} bought, {n['settled']} settled" for label, n in labels.items())
        for mode, labels in row["grades"].items()
    ]


def still_result(row: dict[str, Any]) -> RenderableType:
    """What was bought while the books stood as recorded, by grade and basket by basket."""
    dollars = screen_parts.dollars
    labels = Counter(held["grade"] for held in row["bought"])
    bought = ", ".join(f"{labels[grade.label]} {grade.label}" for grade in Grade)
    lines = [f"books as recorded, baskets bought by grade: {bought}"]
    lines += [
        f"  {held['profile']}: {held['kind']} {held['event']} x {held['count'] / 100:g}, cost {dollars(held['cost'])},"
        f" floor {dollars(held['floor'])}"
        for held in row["bought"]
    ]
    return Text("\n".join(lines))
