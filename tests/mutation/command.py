"""``bin/mutants [PATH ...] [--known] [--sample N] [--seed N] [--part K/N] [--again LOG] [--seconds S] [--measure] [--tests PATH ...]``

PATH: modules or folders of ``trading`` (default: all of it), ``strategies/quoting``, ``strategies/collateral``,
``strategies/dutch`` and ``markets/terms``. Prints each survivor as it is found and the score at the end. Exit code 1 when a known
mutation survives, 2 for wrong arguments. By night: a whole run takes hours.
"""

from __future__ import annotations

import argparse
import ast
import random
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from tests.mutation import known, mutants, runner, survivors

ROOT = Path(__file__).resolve().parent.parent.parent
BESIDE = {
    "markets/terms": ("tests/strategies/families", "tests/markets/test_settled_values.py"),
    "strategies/dutch": (
        "tests/strategies/test_evaluate.py",
        "tests/strategies/test_explain.py",
        "tests/strategies/test_screening.py",
    ),
}
"""Where the tests of what decides about a guarantee lie beside their own: no basket need be bought for it."""
MONEY = ("tests/trading", "tests/faults", "tests/strategies", "tests/console", "tests/triage")
"""Where the tests of what moves money lie: what a person or triage wants of trading is asserted beside them."""
TESTS = {package: (f"tests/{package}", *BESIDE.get(package, MONEY)) for package in runner.PACKAGES}
"""Package -> the tests that are to notice a change of it."""


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(
        prog="bin/mutants", description="Single-point mutations of what moves money or is called guaranteed."
    )
    parser.add_argument(
        "paths", nargs="*", default=["trading"], help=f"modules or folders of {', '.join(TESTS)} (default: trading)"
    )
    parser.add_argument("--known", action="store_true", help="the known faults instead of every operator")
    parser.add_argument("--like", default="", metavar="TEXT", help="only those whose description contains it")
    parser.add_argument("--again", metavar="LOG", help="only those that survived in the output of an earlier run")
    parser.add_argument(
        "--sample", type=int, default=0, metavar="N", help="only N of them, drawn by the seed, in the order drawn"
    )
    parser.add_argument("--seed", type=int, default=1, help="another draw of --sample (default 1)")
    parser.add_argument(
        "--part", default="1/1", metavar="K/N", help="of these only the Kth of N parts, to stop and go on"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="of tests for one mutant (default 60)")
    parser.add_argument("--tests", nargs="+", help="test paths (default: those of the packages)")
    parser.add_argument("--measure", action="store_true", help="which lines each test reaches, from nothing")
    options = parser.parse_args()
    try:
        found = of_known() if options.known else of_paths(options.paths)
        if options.again:
            found = survived(found, Path(options.again).read_text())
    except (OSError, ValueError, SyntaxError) as error:
        parser.error(str(error))
    found = [one for one in found if options.like in one.name]
    if options.sample:
        found = random.Random(options.seed).sample(found, min(options.sample, len(found)))
    equivalent = [] if options.known else [one for one in found if survivors.reason(one)]
    found = [one for one in found if one not in equivalent]
    try:
        part, parts = (int(number) for number in options.part.split("/"))
        found = found[len(found) * (part - 1) // parts : len(found) * part // parts]
    except (ValueError, ZeroDivisionError):
        parser.error(f"{options.part} is no part; write 1/10")
    if not found:
        parser.error("there is nothing to change")
    if equivalent:
        print(f"{len(equivalent)} left out: no test can notice them, or none needs to (tests/mutation/survivors.py)")
    return run(found, options.tests or tests_of(found), options.seconds, strict=options.known, measure=options.measure)


def tests_of(found: list[mutants.Mutant]) -> list[str]:
    """The tests of the packages that are changed, each path once."""
    return list(dict.fromkeys(path for one in found for path in TESTS[str(_package(Path(one.module)))]))


def _package(path: Path) -> Path | None:
    """Which of the packages a module or folder is, or is in."""
    return next((package for package in map(Path, runner.PACKAGES) if package in (path, *path.parents)), None)


def of_paths(paths: list[str]) -> list[mutants.Mutant]:
    """Every mutant of these modules and folders. ValueError for a path that is none."""
    found: list[mutants.Mutant] = []
    for path in paths:
        place = ROOT / path
        if not place.exists() or _package(place.relative_to(ROOT)) is None:
            raise ValueError(f"{path} is no module of {', '.join(TESTS)}")
        for file in [place] if place.is_file() else sorted(place.rglob("*.py")):
            name = str(file.relative_to(ROOT))
            if mutants.mutable(name):
                found += mutants.of_source(name, file.read_text())
    return found


def survived(found: list[mutants.Mutant], printed: str) -> list[mutants.Mutant]:
    """Those of ``found`` that an earlier run printed as survivors, wherever their lines are by now."""
    lines = [line for line in printed.splitlines() if "SURVIVES" in line]
    return [one for one in found if any(f"{one.module}:" in line and f" {one.what}" in line for line in lines)]


def of_known() -> list[mutants.Mutant]:
    """The known faults as mutants. ValueError when the text of one does not occur exactly once."""
    return [_known(one) for one in known.KNOWN]


def _known(one: known.Known) -> mutants.Mutant:
    source = (ROOT / one.path).read_text()
    if source.count(one.old) != 1:
        raise ValueError(f"{one.path}: {one.old!r} occurs {source.count(one.old)} times ({one.what})")
    line = source[: source.index(one.old)].count("\n") + 1 + one.old.startswith("\n")
    make = partial(ast.parse, source.replace(one.old, one.new))
    return mutants.Mutant(one.path, line, _function_at(ast.parse(source), line), one.what, make)


def _function_at(tree: ast.Module, line: int) -> str:
    names = [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    return ".".join(names)


def run(found: list[mutants.Mutant], tests: list[str], seconds: float, *, strict: bool, measure: bool) -> int:
    """Run them all. ``strict``: a survivor is a failure. ``measure``: forget which lines each test reached before."""
    alive: list[mutants.Mutant] = []
    done = 0
    began = time.monotonic()

    def report(mutant: mutants.Mutant, noticed: str | None, took: float) -> None:
        nonlocal done
        done += 1
        if noticed is None:
            alive.append(mutant)
        print(f"{done}/{len(found)} {took:5.1f} s {mutant.name}: {noticed or 'SURVIVES'}", flush=True)

    runner_of = runner.Runner(ROOT, found, report, seconds, measure=measure)
    code = pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:randomly", *tests], plugins=[runner_of])
    if done < len(found):
        print(f"pytest ended with {code} before the mutants were through", file=sys.stderr)
        return 2
    if runner_of.reached.failed:
        print(f"left out, for they fail unchanged: {', '.join(runner_of.reached.failed)}")
    killed = done - len(alive)
    print(f"{killed} of {done} noticed ({killed / done:.0%}), {(time.monotonic() - began) / done:.1f} s each")
    for mutant in alive:
        print(f"SURVIVES {mutant.name}")
    return 1 if strict and alive else 0


if __name__ == "__main__":
    sys.exit(main())
