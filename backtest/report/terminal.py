"""A run on a terminal: what the tape had, what was bought and earned, what could not be judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from backtest.report.results import UNJUDGED, Result
from kalbot.common.units import dollars
from kalbot.common.wording import many
from markets.tape.coverage import Coverage, State, in_words
from strategies.reasons import sentence_of

FEW: int = 30
"""Fewer baskets than this prove nothing either way."""


def renderables(results: Sequence[Result], covered: Coverage) -> Iterator[RenderableType]:
    """The whole report, in order."""
    yield coverage_line(covered)
    yield table(results)
    for result in results:
        yield from _details(result)


def coverage_line(covered: Coverage) -> str:
    """What the tape has, in one sentence."""
    hours = {state: covered.count(state) for state in State}
    lacking = sorted({absent for about in covered.about for absent in about.get("absent", [])})
    assumed = covered.assumed
    text = (
        f"Tape: {hours[State.PRESENT]} hours present, {hours[State.DEGRADED]} degraded, {hours[State.MISSING]} missing."
    )
    if covered.missing_days:
        text += f" {missing_days(covered.missing_days)}"
    text += f" Not recorded: {', '.join(lacking)}." if lacking else ""
    return text + (f" Assumed: {'; '.join(assumed)}." if assumed else "")


def missing_days(days: list[date]) -> str:
    """Days of which the tape has nothing, in one sentence."""
    return f"Nothing is known of {many(len(days), 'day')}, which count for nothing: {in_words(days)}."


HOLES: str = "books unknown after holes"
ROWS: tuple[tuple[str, Any], ...] = (
    ("events", lambda r: f"{r.events:,}"),
    ("could not be judged", lambda r: f"{r.unjudged:,}"),
    ("rules not recorded", lambda r: f"{r.without_rules:,}"),
    ("rules assumed from a file", lambda r: f"{r.assumed_rules:,}"),
    ("fees assumed", lambda r: f"{r.assumed_fees:,}" + (f" ({r.options['fees']} x 1)" if r.assumed_fees else "")),
    (HOLES, lambda r: unknown(r.holes, r.unknown_ms, r.stayed_unknown)),
    ("decisions", lambda r: f"{r.decisions:,}"),
    ("denied", lambda r: f"{sum(r.denials.values()):,}"),
    ("baskets", lambda r: f"{r.baskets:,}"),
    ("unwound", lambda r: f"{r.unwound:,}"),
    ("profit realised", lambda r: dollars(r.profit)),
    ("fees", lambda r: dollars(r.fees)),
    ("spent", lambda r: dollars(r.spent)),
    ("most locked at once", lambda r: dollars(r.most_locked)),
    ("return on locked capital", lambda r: percent(r.return_on_locked)),
    ("the same, a year", lambda r: percent(r.annualised)),
    ("drawdown", lambda r: dollars(r.drawdown)),
    ("open at the end", lambda r: f"{r.open_positions} (cost {dollars(r.open_cost)}, floor {dollars(r.open_floor)})"),
    ("residual legs", lambda r: f"{r.residuals:,}"),
    ("orders that rested", lambda r: f"{r.rested:,}"),
    ("verdict", lambda r: judgement(r)),
)
"""Name and text of each line of the table, one column a run."""


def rows(results: Sequence[Result]) -> list[tuple[str, Any]]:
    """The lines that these runs have: that of holes only where there was one."""
    return [row for row in ROWS if row[0] != HOLES or any(result.holes for result in results)]


def unknown(holes: int, unknown_ms: int, stayed: int) -> str:
    """For how long a run knew no books after ``holes`` of its tape; ``stayed``: events of which they never came back."""
    seconds = -(-unknown_ms // 1_000)
    hours, minutes = divmod(seconds // 60, 60)
    text = f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds % 60:02} s"
    text += f" ({many(holes, 'hole')}"
    return text + (f"; to the end for {many(stayed, 'event')})" if stayed else ")")


def percent(share: float | None) -> str:
    """A share for a person; nothing to divide by is no number."""
    return "none" if share is None else f"{share * 100:.2f} %"


def judgement(result: Result) -> str:
    """Whether the number of baskets allows any."""
    if not result.baskets:
        return "almost nothing: no basket"
    return "too few baskets to judge" if result.baskets < FEW else f"{result.baskets} baskets"


def table(results: Sequence[Result]) -> Table:
    """One column a run."""
    found = Table(box=None, pad_edge=False)
    found.add_column("")
    for result in results:
        found.add_column(f"{result.profile} ({result.options['queue']})", justify="right")
    for name, text in rows(results):
        found.add_row(name, *(text(result) for result in results))
    return found


def _details(result: Result) -> Iterator[RenderableType]:
    yield f"\n{result.profile}: {moment(result.first_ms)} to {moment(result.last_ms)}, {result.records:,} records"
    funnel = Table("events", "last verdict", "", box=None, pad_edge=False)
    for code, count in result.funnel.items():
        mark = "could not be judged" if code in UNJUDGED else ""
        funnel.add_row(f"{count:,}", sentence_of(code) or code, mark)
    yield funnel
    if result.denials:
        yield "Denied: " + ", ".join(f"{code} {count}" for code, count in result.denials.items())
    for name in ("profile", "category", "kind", "entry", "hour"):
        groups = result.by.get(name, {})
        if groups:
            yield f"By {name}: " + ", ".join(
                f"{key} {group['baskets']} ({dollars(group['profit'])})" for key, group in groups.items()
            )
    if result.advice:
        columns = ("advice", "given", "right", "leaving less holding", "followed", "of which followed")
        advice = Table(*columns, box=None, pad_edge=False)
        for row in result.advice:
            cells = (f"{row.advice}: {row.reason}", f"{row.opened}", f"{row.right}", dollars(row.difference))
            advice.add_row(*cells, f"{row.followed}", dollars(row.followed_difference))
        yield advice
    for one in result.positions[:20]:
        yield (
            f"{moment(one['at_ms'])} {one['kind']} {one['event']}: spent {dollars(one['spent'])}, "
            f"{one['close_type'] or one['status']}, profit {dollars(one['profit'])}"
        )


def moment(ms: int) -> str:
    """A time for a person, UTC."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
