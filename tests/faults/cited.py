"""The lines of docs/failures.md with the tests that they name, run on Postgres: one line of a table for each, with its result."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from kalbot.common.life import die_with_parent

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "failures.md"
TESTS: Final = ROOT / "tests"
NAMED: Final = re.compile(r"`(?P<file>[\w/]*\w+\.py)?(?:::(?P<test>\w+))?`|`(?P<folder>tests/[\w/]+)`")
BY_WORD: Final = {
    "guard": "tests/faults/test_guards.py",
    "schedule": "tests/faults/test_schedules.py",
    "harsh run": "tests/faults/test_harsh.py",
    "bin/kill-rounds": "tests/faults/test_killing.py",
}
"""What the page calls runs of more than one test."""
GROUP: Final = 6
"""Files of one run of pytest; between two the whole may be stopped."""
HANGS: Final = 900
"""Seconds after which a test hangs: a busy machine takes minutes to make the database of a group, and all of its tests failed for that."""
CLEAN: Final = ("REDIS_URL", "DATABASE_URL", "KALBOT_STATE", "KALBOT_TEST_REDIS", "LOG_LEVEL")


@dataclass(frozen=True)
class Line:
    """One failure and what would notice it: files or folders of tests, or single tests as ``file::name``."""

    failure: str
    tests: tuple[str, ...]


def lines() -> list[Line]:
    """The tables of the page but for that of mutations. LookupError for a line that names no test, or one whose file is not there."""
    found = []
    for row in PAGE.read_text().partition("\n## Mutations\n")[0].splitlines():
        cells = [cell.strip() for cell in row.strip().strip("|").split("|")]
        if not row.startswith("| ") or len(cells) < 2 or cells[0] == "what happened to somebody":
            continue
        tests = tuple(_tests(" | ".join(cells[1:])))
        if not tests:
            raise LookupError(f"no test is named for: {cells[0]}")
        found.append(Line(cells[0], tests))
    return found


def _tests(cell: str) -> Iterable[str]:
    last = ""
    for match in NAMED.finditer(cell):
        if match["folder"]:
            yield match["folder"]
        elif match["file"] and Path(match["file"]).name.startswith("test_"):
            last = _file(match["file"])
            yield f"{last}::{match['test']}" if match["test"] else last
        elif match["test"] and match["test"].startswith("test_") and not match["file"]:
            yield f"{last}::{match['test']}"
    for word, file in BY_WORD.items():
        if re.search(rf"(?<![\w/]){re.escape(word)}s?\b", cell):
            yield file


@cache
def _file(name: str) -> str:
    """The path of a test file from the root, by the end of its path; of several the one of trading, which the page leaves out."""
    short = name.removeprefix("tests/")
    found = [path for path in (TESTS / short, TESTS / "trading" / short) if path.exists()][:1]
    found = found or [path for path in TESTS.rglob(Path(short).name) if path.as_posix().endswith(f"/{short}")]
    if len(found) != 1:
        raise LookupError(f"{len(found)} files of tests end with {short}")
    return found[0].relative_to(ROOT).as_posix()


def run(kept: Path | None, minutes: float) -> int:
    """Run every test that is named, print the table; 0 when all hold, 1 when one does not, 3 when there was no time for all."""
    table = lines()
    results: dict[str, str] = json.loads(kept.read_text()) if kept and kept.exists() else {}
    wanted: dict[str, set[str]] = defaultdict(set)
    for line in table:
        for test in line.tests:
            wanted[test.partition("::")[0]].add(test)
    missing = [file for file in sorted(wanted) if not any(_covers(file, name) for name in results)]
    began = time.monotonic()
    while missing and not (minutes and time.monotonic() - began > minutes * 60):
        group, missing = missing[:GROUP], missing[GROUP:]
        results |= _run(sorted(_simple(wanted[file])) for file in group)
        for file in group:
            if not any(_covers(file, name) for name in results):
                results[file] = "failed: nothing ran"
        if kept:
            kept.write_text(json.dumps(results, indent=0))
        print(f"{len(results)} tests have run; {len(missing)} files to go", flush=True)
    return report(table, results, unfinished=bool(missing))


def _simple(tests: set[str]) -> set[str]:
    """A whole file includes its tests."""
    return {test for test in tests if "::" not in test} or tests


def _covers(named: str, ran: str) -> bool:
    """Whether the test ``ran`` is one of those that ``named`` stands for."""
    return ran == named or (ran.startswith(named) and ran[len(named)] in ":[/")


def _run(files: Iterable[list[str]]) -> dict[str, str]:
    """{test: ``passed``, ``skipped: why`` or ``failed: why``}"""
    names = [name for tests in files for name in tests]
    environment = {name: value for name, value in os.environ.items() if name not in CLEAN}
    environment["KALBOT_TEST_DATABASE"] = "postgres"
    with tempfile.TemporaryDirectory(prefix="kalbot-cited-") as folder:
        report = Path(folder) / "report.xml"
        plain = ["-q", "-p", "no:cacheprovider", "-m", "slow or not slow", f"--timeout={HANGS}", f"--junitxml={report}"]
        command = [sys.executable, "-m", "pytest", *plain, *names]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, preexec_fn=die_with_parent
        )
        if done.returncode not in (0, 1):
            print(done.stdout[-2_000:] + done.stderr[-2_000:], file=sys.stderr)
            return {}
        return dict(_outcome(case) for case in ElementTree.parse(report).iter("testcase"))


def _outcome(case: ElementTree.Element) -> tuple[str, str]:
    name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
    for kind, word in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
        if (found := case.find(kind)) is not None:
            return name, f"{word}: {found.get('message', '').splitlines()[0][:120]}" if found.get("message") else word
    return name, "passed"


def report(table: list[Line], results: dict[str, str], *, unfinished: bool) -> int:
    """Print a line for each failure; the exit code."""
    failed = 0
    for line in table:
        outcomes = [results[name] for named in line.tests for name in results if _covers(named, name)]
        bad = sorted({outcome for outcome in outcomes if outcome.startswith("failed")})
        skipped = len([outcome for outcome in outcomes if outcome.startswith("skipped")])
        failed += bool(bad)
        said = "; ".join(bad) or (f"{len(outcomes) - skipped} tests hold" if len(outcomes) > skipped else "has not run")
        print(f"{line.failure[:100]:100}  {said}{f', {skipped} skipped' if skipped else ''}")
    ran = len(results)
    print(
        f"{len(table)} failures, {ran} tests on Postgres, {failed} failures not noticed{'; not finished' if unfinished else ''}"
    )
    return 1 if failed else 3 if unfinished else 0
