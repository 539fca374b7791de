"""Which lines of ``trading`` each test reaches unchanged, kept from run to run and brought up to date.

Only tests of files that are new or have changed are measured again. Lines that have moved since keep their tests; a line that is new
takes those of its function. What is kept only chooses the tests of a mutant: where it is out of date (a change in a module that tests
share), a test is not chosen, and a mutant that it would notice is listed as a survivor, never the other way round. ``--measure`` begins
from nothing.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from difflib import SequenceMatcher
from pathlib import Path

Lines = dict[int, list[str]]
"""Line -> the tests that reach it."""


@dataclass(slots=True)
class Reached:
    """Seconds of CPU of each test, those that fail unchanged, the tests of each line of each file, and what that was measured on."""

    seconds: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    tests: dict[str, Lines] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    """The modules as they were when the lines were counted."""
    files: dict[str, str] = field(default_factory=dict)
    """Digest of each file of tests."""

    def write(self, to: Path) -> None:
        """Keep it. Whole or not at all: a run that is killed leaves the file of before."""
        to.parent.mkdir(exist_ok=True)
        names = sorted(self.seconds)
        number = {name: at for at, name in enumerate(names)}
        lines = {
            path: {line: [number[name] for name in found] for line, found in lines.items()}
            for path, lines in self.tests.items()
        }
        part = to.with_suffix(".part")
        part.write_text(json.dumps({**asdict(replace(self, tests={})), "names": names, "tests": lines}))
        part.replace(to)

    def add(self, name: str, seconds: float, *, failed: bool, lines: Iterable[tuple[str, set[int]]]) -> None:
        """Add one test: how long it took and the lines of each file that it reached."""
        self.seconds[name] = seconds
        if failed:
            self.failed.append(name)
        for path, numbers in lines:
            mine = self.tests.setdefault(path, {})
            for line in numbers:
                mine.setdefault(line, []).append(name)

    def learn(self, newer: Reached) -> None:
        """Add tests that were measured on the present sources; what was known of them is forgotten before."""
        self.forget(newer.seconds)
        self.seconds |= newer.seconds
        self.failed += newer.failed
        for path, lines in newer.tests.items():
            mine = self.tests.setdefault(path, {})
            for line, names in lines.items():
                mine[line] = sorted({*mine.get(line, ()), *names})

    def forget(self, names: Iterable[str]) -> None:
        """Leave out these tests."""
        gone = set(names) & {*self.seconds, *self.failed}
        if not gone:
            return
        self.seconds = {name: took for name, took in self.seconds.items() if name not in gone}
        self.failed = [name for name in self.failed if name not in gone]
        for lines in self.tests.values():
            for line, names_ in lines.items():
                lines[line] = [name for name in names_ if name not in gone]


def read(kept: Path) -> Reached:
    """What an earlier run kept; nothing where there is no such file."""
    if not kept.exists():
        return Reached()
    raw = json.loads(kept.read_text())
    names = raw.pop("names", None)
    if names is None:
        return Reached()
    raw["tests"] = {
        path: {int(line): [names[at] for at in found] for line, found in lines.items()}
        for path, lines in raw["tests"].items()
    }
    return Reached(**raw)


def refresh(found: Reached, root: Path, sources: dict[str, str], names: Iterable[str]) -> list[str]:
    """Bring lines to the present ``sources`` and forget the tests of changed files. Returns which of ``names`` are to be measured."""
    for path, source in sources.items():
        before = found.sources.get(path, "")
        if source != before and path in found.tests:
            found.tests[path] = moved(found.tests[path], before, source)
    found.sources = sources
    wanted = list(names)
    files = {name.partition("::")[0] for name in [*found.seconds, *wanted]}
    digests = {file: hashlib.sha256((root / file).read_bytes()).hexdigest() for file in files if (root / file).exists()}
    found.forget(
        [
            name
            for name in found.seconds
            if digests.get(file := name.partition("::")[0], "gone") != found.files.get(file)
        ]
    )
    found.files = digests
    return [name for name in wanted if name not in found.seconds]


def moved(lines: Lines, before: str, after: str) -> Lines:
    """The tests of each line of ``after``: those of the same line in ``before``, of a new line those of its function."""
    old, new = before.splitlines(), after.splitlines()
    found: Lines = {}
    same: set[int] = set()
    for block in SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
        for step in range(1, block.size + 1):
            same.add(block.b + step)
            if names := lines.get(block.a + step):
                found[block.b + step] = names
    for first, last in _functions(after):
        around = sorted({name for line in range(first, last + 1) for name in found.get(line, ()) if line in same})
        for line in range(first, last + 1):
            if line not in same and around:
                found[line] = around
    return found


def _functions(source: str) -> Iterator[tuple[int, int]]:
    """First and last line of each function, outer ones first: the innermost has the last word."""
    found = [
        (node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    yield from sorted(found, key=lambda span: span[0] - span[1])
