"""The table of docs/evidence.md: every profile over every recorded tape, made by one command so that anybody can make it again."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from backtest.options import Options, profile_columns
from backtest.replay import session
from backtest.report import whole
from backtest.studies import touch
from kalbot.common.several import processes
from kalbot.common.units import dollars
from markets.tape.coverage import State, coverage
from markets.tape.imports.listed_fees import FEES
from markets.tape.reader import Tape

log = logging.getLogger(__name__)
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
    fees: str = ""
    """Fee type assumed for series that were recorded without fees."""
    is_continuous: bool = False
    """Every change is on the tape; else passes, whose prices are stale after seconds."""

    def options(self) -> Options:
        """As a run."""
        return Options(
            tape=self.tape,
            profile=profile_columns(self.profile, list(self.columns)),
            touch_size=0 if self.has_sizes else TOUCH_SIZE,
            rules=self.rules,
            fees=self.fees,
            cycle_seconds=CYCLE_SECONDS if self.is_continuous else 3,
        )


def tapes(folder: Path) -> list[Path]:
    """The tapes below ``folder``, by name."""
    return sorted(path for path in folder.iterdir() if any(path.glob("*.tape")))


def is_continuous(about: dict[str, Any]) -> bool:
    """Whether a tape has every change, by its META record; else passes."""
    return str(about.get("cadence", "")).startswith("every")


def lines(
    folder: Path,
    rules: tuple[Path, ...] = (),
    fees: str = "",
    variants: Sequence[tuple[str, str, tuple[str, ...]]] = VARIANTS,
) -> Iterator[Line]:
    """Every variant on every tape below ``folder``."""
    for tape in tapes(folder):
        about = Tape.open(tape).about
        lacking = about.get("absent", [])
        if "books" in lacking:
            continue  # prints alone: nothing could have been bought from them
        has_sizes = "sizes" not in lacking
        for name, profile, columns in variants:
            yield Line(tape, name, profile, columns, has_sizes, rules, fees, is_continuous(about))


def run_line(line: Line, kept: Path | None = None) -> dict[str, Any]:
    """One run as a document, in whatever process. ``kept``: a folder in which it is written down, and read again if it is there."""
    file = None if kept is None else kept / f"{line.tape.name}-{_fingerprint(line)}.json"
    if file is not None and file.exists():
        found: dict[str, Any] = json.loads(file.read_text())
        return found
    document = session.run(line.options()).document()
    text = json.dumps(document, default=str)
    if file is not None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            whole.write(file, text)
        except OSError as error:
            log.warning("%s was not kept, it is run again next time: %s", file.name, error)
    found = json.loads(text)
    return found


@cache
def _code() -> str:
    """The same while the programs that decide a run are."""
    found = hashlib.sha256()
    for package in ("backtest", "kalbot/common", "markets", "strategies", "trading", "triage"):
        for path in sorted((Path(settings.BASE_DIR) / package).rglob("*.py")):
            found.update(path.read_bytes())
    return found.hexdigest()


def _fingerprint(line: Line) -> str:
    """The same for a run of the same settings by the same code on a tape of the same size."""
    options = asdict(line.options()) | {"tape": line.tape.name, "rules": [path.name for path in line.rules]}
    sizes = sorted((path.name, path.stat().st_size) for path in line.tape.glob("*.tape"))
    return hashlib.sha256(json.dumps([options, sizes, _code()], default=str, sort_keys=True).encode()).hexdigest()[:16]


Ran = tuple[Line, dict[str, Any]]


def run_all(
    wanted: Sequence[Line],
    jobs: int,
    kept: Path | None = None,
    done: Callable[[Line, dict[str, Any]], None] = lambda line, result: None,
) -> list[Ran]:
    """Every line, ``jobs`` at a time, each process with databases of its own. In the order of ``wanted``."""
    results: list[Ran] = []
    if jobs <= 1:
        for line in wanted:
            result = run_line(line, kept)
            done(line, result)
            results.append((line, result))
        return results
    with processes(jobs) as pool:
        for line, result in zip(wanted, pool.map(partial(run_line, kept=kept), wanted), strict=True):
            done(line, result)
            results.append((line, result))
    return results


HEAD: Final = (
    "tape",
    "profile",
    "events",
    "not judged",
    "rules not recorded",
    "rules assumed",
    "fees assumed",
    "decisions",
    "baskets",
    "unwound",
    "spent",
    "profit",
    "open: floor less cost",
    "fees",
)


def markdown(results: Sequence[Ran]) -> str:
    """The table, with a mark at tapes without sizes."""
    rows = [HEAD, tuple("---" for _ in HEAD), *map(_row, results)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows) + "\n"


def _row(pair: Ran) -> tuple[str, ...]:
    line, found = pair
    counts = ("events", "unjudged", "without_rules", "assumed_rules", "assumed_fees", "decisions", "baskets", "unwound")
    return (
        line.tape.name + ("" if line.has_sizes else " (no sizes)"),
        line.name,
        *(f"{found[name]:,}" for name in counts),
        dollars(found["spent"]),
        dollars(found["profit"]),
        dollars(found["open_floor"] - found["open_cost"]),
        dollars(found["fees"]),
    )


AGED: Final = re.compile(r"(.*), ([\d,]+) days (later|earlier)")


def folded(fees: Sequence[str]) -> list[str]:
    """The fees of a long tape were read for each of its days: those that differ in the age of their list alone are one line."""
    ages: dict[tuple[str, ...], list[int]] = {}
    for text in fees:
        aged = AGED.fullmatch(text)
        key = (aged[1], aged[3]) if aged else (text,)
        ages.setdefault(key, []).extend([int(aged[2].replace(",", ""))] if aged else [])
    return [key[0] if not days else f"{key[0]}, {_span(days)} days {key[1]}" for key, days in ages.items()]


def _span(days: Sequence[int]) -> str:
    first, last = min(days), max(days)
    return f"{first:,}" if first == last else f"{first:,} to {last:,}"


def tapes_table(folder: Path, only: str = "") -> str:
    """What each tape whose name contains ``only`` is: hours, records, what it lacks."""
    head = (
        "tape",
        "from, UTC",
        "to, UTC",
        "hours present",
        "degraded",
        "missing",
        "records",
        "not recorded",
        "fees assumed",
    )
    rows: list[tuple[str, ...]] = [head, tuple("---" for _ in head)]
    for path in (one for one in tapes(folder) if only in one.name):
        tape = Tape.open(path)
        found = coverage(tape)
        lacking = sorted({one for about in found.about for one in about.get("absent", [])})
        covered = (str(found.count(state)) for state in (State.PRESENT, State.DEGRADED, State.MISSING))
        first, last = found.hours[0].text, found.hours[-1].text
        records = sum(found.kinds.values())
        fees = [one.removeprefix(FEES) for one in found.assumed if one.startswith(FEES)]
        rows.append((path.name, first, last, *covered, f"{records:,}", ", ".join(lacking), "; ".join(folded(fees))))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows) + "\n"


def touch_table(folder: Path, only: str = "") -> str:
    """What best prices alone would have paid: no sizes, no certificates, so upper bounds."""
    head = (
        "tape",
        "kind",
        "exclusive events",
        "moments",
        "of them paid",
        "share of the time",
        "moved within 10 min",
        "within 1 min",
    )
    rows: list[tuple[str, ...]] = [(*head, "median life", "median best"), tuple("---" for _ in range(len(head) + 2))]
    for path in tapes(folder):
        tape = Tape.open(path)
        if only in path.name and "books" not in tape.about.get("absent", []):
            continuous = is_continuous(tape.about)
            found = touch.measure(tape.records(), is_continuous=continuous).document()
            if found["moments"]:
                rows += [_touched(path.name, kind, found, continuous=continuous) for kind in ("yes", "no")]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows) + "\n"


def _touched(name: str, kind: str, found: dict[str, Any], *, continuous: bool) -> tuple[str, ...]:
    side = found[kind]
    shares = [None, None, None] if not continuous else [side["share"], *side["fresh_share"]]
    life, best = side["median_seconds"] if continuous else None, side["median_best"]
    return (
        name,
        kind.upper(),
        f"{found['events']:,}",
        f"{found['moments']:,}",
        f"{side['moments']:,}",
        *("" if share is None else f"{share:.2%}" for share in shares),
        "" if life is None else f"{life:.1f} s",
        "" if best is None else f"{best / 100:.2f} cents",
    )


def document(results: Sequence[Ran]) -> list[dict[str, Any]]:
    """For JSON."""
    return [{"tape": line.tape.name, "variant": line.name, "result": result} for line, result in results]
