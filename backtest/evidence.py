"""The table of docs/evidence.md: every profile over every recorded tape, made by one command so that anybody can make it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from backtest import session
from backtest.options import Options, profile_columns
from backtest.results import Result
from kalbot.common.life import die_with_parent
from kalbot.common.units import dollars
from markets.tape.coverage import State, coverage
from markets.tape.reader import Tape

TOUCH_SIZE: Final = 10_000
"""Contracts (1/100) assumed behind best prices that were recorded without sizes: such tapes give upper bounds."""
CYCLE_SECONDS: Final = 60
"""Beat's cycles are thinned out where every change is on the tape; events near to paying are evaluated at every change all the same."""

_ANY_PROFIT: Final = ('least_grade="if_determined"', "min_profit=0", "min_margin_ppm=0")
VARIANTS: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("careful", "careful", ()),
    ("careful, if determined", "careful", ('least_grade="if_determined"',)),
    ("the same, least profit zero", "careful", _ANY_PROFIT),
    ("the same, unequal counts", "careful", (*_ANY_PROFIT, 'shape="proportional"')),
    ("coverage", "coverage", ()),
    ("coverage at .75", "coverage", ("coverage_threshold_ppm=750000",)),
)
"""Name in the table, profile, columns that differ."""


@dataclass(frozen=True, slots=True)
class Line:
    """One tape with one variant."""

    tape: Path
    name: str
    profile: str
    columns: tuple[str, ...]
    has_sizes: bool = field(default=True)
    rules: tuple[Path, ...] = ()
    """Rules texts for events that were recorded without."""
    is_continuous: bool = False
    """Every change is on the tape; else passes, whose prices are stale after seconds."""

    def options(self) -> Options:
        """As a run."""
        return Options(
            tape=self.tape,
            profile=profile_columns(self.profile, list(self.columns)),
            touch_size=0 if self.has_sizes else TOUCH_SIZE,
            rules=self.rules,
            cycle_seconds=CYCLE_SECONDS if self.is_continuous else 3,
        )


def lines(
    folder: Path, rules: tuple[Path, ...] = (), variants: Sequence[tuple[str, str, tuple[str, ...]]] = VARIANTS
) -> Iterator[Line]:
    """Every variant on every tape below ``folder``."""
    for tape in sorted(path for path in folder.iterdir() if any(path.glob("*.tape"))):
        about = Tape.open(tape).about
        lacking = about.get("absent", [])
        if "books" in lacking:
            continue  # prints alone: nothing could have been bought from them
        has_sizes = "sizes" not in lacking
        for name, profile, columns in variants:
            yield Line(tape, name, profile, columns, has_sizes, rules, about.get("cadence", "").startswith("every"))


def run_line(line: Line) -> Result:
    """One run, in whatever process."""
    return session.run(line.options())


def run_all(
    wanted: Sequence[Line], jobs: int, done: Callable[[Line, Result], None] = lambda line, result: None
) -> list[tuple[Line, Result]]:
    """Every line, ``jobs`` at a time, each process with databases of its own. In the order of ``wanted``."""
    results: list[tuple[Line, Result]] = []
    if jobs <= 1:
        work: Iterator[Result] = map(run_line, wanted)
        for line, result in zip(wanted, work, strict=True):
            done(line, result)
            results.append((line, result))
        return results
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_set_up) as pool:
        for line, result in zip(wanted, pool.map(run_line, wanted), strict=True):
            done(line, result)
            results.append((line, result))
    return results


def _set_up() -> None:
    die_with_parent()
    import django

    django.setup()


HEAD: Final = (
    "tape",
    "profile",
    "events",
    "not judged",
    "rules not recorded",
    "rules assumed",
    "decisions",
    "baskets",
    "unwound",
    "spent",
    "profit",
    "open: floor less cost",
    "fees",
)


def markdown(results: Sequence[tuple[Line, Result]]) -> str:
    """The table, with a mark at tapes without sizes."""
    rows = [HEAD, tuple("---" for _ in HEAD), *map(_row, results)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows) + "\n"


def _row(pair: tuple[Line, Result]) -> tuple[str, ...]:
    line, found = pair
    return (
        line.tape.name + ("" if line.has_sizes else " (no sizes)"),
        line.name,
        f"{found.events:,}",
        f"{found.unjudged:,}",
        f"{found.without_rules:,}",
        f"{found.assumed_rules:,}",
        f"{found.decisions:,}",
        f"{found.baskets:,}",
        f"{found.unwound:,}",
        dollars(found.spent),
        dollars(found.profit),
        dollars(found.open_floor - found.open_cost),
        dollars(found.fees),
    )


def tapes_table(folder: Path) -> str:
    """What each tape is: hours, records, what it lacks."""
    head = ("tape", "from", "to", "hours present", "degraded", "missing", "records", "not recorded")
    rows: list[tuple[str, ...]] = [head, tuple("---" for _ in head)]
    for path in sorted(path for path in folder.iterdir() if any(path.glob("*.tape"))):
        tape = Tape.open(path)
        found = coverage(tape)
        lacking = sorted({one for about in found.about for one in about.get("absent", [])})
        covered = (str(found.count(state)) for state in (State.PRESENT, State.DEGRADED, State.MISSING))
        first, last = found.hours[0].text, found.hours[-1].text
        records = sum(found.kinds.values())
        rows.append((path.name, first, last, *covered, f"{records:,}", ", ".join(lacking)))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows) + "\n"


def document(results: Sequence[tuple[Line, Result]]) -> list[dict[str, Any]]:
    """For JSON."""
    return [{"tape": line.tape.name, "variant": line.name, "result": result.document()} for line, result in results]
