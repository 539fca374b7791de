"""A pytest plugin that runs one mutant after the other: each in a child of the process in which everything is loaded.

A mutant's child runs only the tests that reach its line, those that are most about its module first, until one fails. Which lines a test
reaches is measured once (see ``reached``), when it is first wanted: file by file, the likeliest first, as long as the mutant's seconds
last. A child is a copy of the whole process, database in memory included; the Redis they share is emptied by the tests' own fixtures.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import os
import re
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kalbot.common.life import die_with_parent
from tests.mutation import reached
from tests.mutation.marks import Marks
from tests.mutation.mutants import Mutant, mutable
from tests.mutation.reached import Reached
from tests.mutation.transplant import forget_cached, put

PACKAGES = ("trading", "strategies/quoting", "strategies/collateral", "markets/terms", "strategies/dutch")
"""What is changed: what decides about money, and what is called guaranteed."""
SLACK, FACTOR = 10.0, 3.0
"""A mutant whose tests need these seconds of CPU more than ``FACTOR`` times what they need unchanged does not end: it counts as noticed,
however busy the machine is."""
WHOLE = "tests/faults/test_kept_runs.py"
"""Tests that compare all that happens: about no module most of all, so they come last, and whatever seconds are left."""
OWN = ("tests/trading/", "tests/strategies/", "tests/markets/")
"""Tests elsewhere come after these: a page that shows one number of a module reaches little else, and asserts little of it."""
KEPT, UNCHANGED = Path(".test/reached.json"), Path(".test/unchanged.json")
KEEP_EVERY = 60.0
"""Seconds after which what was measured so far is kept: a run that is stopped goes on there."""
BROKEN = 251
"""Exit code of a child that could not do its work."""
ASLEEP = 1_800.0
"""Seconds after which one that needs no CPU does not end either."""


class Runner:
    """The plugin. ``report`` is called with each mutant and the name of what noticed it; ``measure`` forgets what earlier runs kept."""

    def __init__(
        self,
        root: Path,
        mutants: list[Mutant],
        report: Callable[[Mutant, str | None, float], None],
        seconds: float,
        *,
        measure: bool = False,
    ) -> None:
        self.root, self.mutants, self.report, self.seconds, self.measure = root, mutants, report, seconds, measure
        self.sources = {str(path.relative_to(root)): path.read_text() for path in _paths(root)}
        self.failed = False
        self.reached = Reached()
        self.breadth: Counter[str] = Counter()
        """How many lines of the packages each test reaches."""
        self.items: dict[str, pytest.Item] = {}
        self.unmeasured: dict[str, list[pytest.Item]] = {}
        """File -> its tests of which nothing is known."""
        self.tried: dict[Mutant, set[str]] = {}
        self.kept_at = 0.0
        self.sound: set[str] = set()
        """Tests that have passed unchanged in this run."""

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.failed = self.failed or report.failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if not session.items:
            raise pytest.UsageError("no tests")
        first = next(item for item in session.items if {"db", "_fresh_world"} & set(getattr(item, "fixturenames", ())))
        first.config.hook.pytest_runtest_protocol(item=first, nextitem=first)
        session._setupstate.teardown_exact(session)  # type: ignore[arg-type]  # all but the session's own fixtures
        self.marks = Marks([(path, _module(path), source) for path, source in self.sources.items() if mutable(path)])
        self.items = {item.nodeid: item for item in session.items}
        self._recall()
        waiting = self.mutants
        for last in (False, True):  # those that nothing noticed are tried by what was measured for others, too
            waiting = [mutant for mutant in waiting if not self._is_over(session, mutant, last)]
        self.reached.write(self.root / KEPT)
        return True

    def _recall(self) -> None:
        """What earlier runs kept, brought up to date."""
        self.reached = Reached() if self.measure else reached.read(self.root / KEPT)
        if not all(any(path.startswith(package) for path in self.reached.sources) for package in PACKAGES):
            self.reached = Reached()  # of an earlier version, which knew fewer packages
        for name in reached.refresh(self.reached, self.root, self.sources, self.items):
            self.unmeasured.setdefault(name.partition("::")[0], []).append(self.items[name])
        self.breadth = Counter(
            name for lines in self.reached.tests.values() for found in lines.values() for name in found
        )

    def _is_over(self, session: pytest.Session, mutant: Mutant, last: bool) -> bool:
        """Whether the mutant has been reported: at the latest in the last of the two rounds, in which nothing more is measured."""
        began = time.monotonic()
        noticed = self._notice(session, mutant, may_measure=not last)
        if noticed is None and not last and self.unmeasured:
            print(f"... {mutant.name}: not yet", flush=True)
            return False
        self.report(mutant, noticed, time.monotonic() - began)
        return True

    def _notice(self, session: pytest.Session, mutant: Mutant, *, may_measure: bool) -> str | None:
        """The test that fails under the mutant, ``does not end``, or None when it survives those that are known to reach it, and of the
        others those that are most about it, as long as its seconds last."""
        left = self.seconds
        while True:
            items = self._tests_of(mutant, left)
            self.tried.setdefault(mutant, set()).update(item.nodeid for item in items)
            took = sum(self.reached.seconds[item.nodeid] for item in items)
            noticed = self._run(session, mutant, items, took)
            left -= took
            if noticed or not may_measure or not self.unmeasured or left <= 0:
                return noticed
            left -= self._measure(session, max(self.unmeasured, key=lambda file: _about(self.root / file, mutant)))

    def _tests_of(self, mutant: Mutant, seconds: float) -> list[pytest.Item]:
        """Of those that were not tried first the ones that are about the module most of all: their file names it and the function, and of
        the lines that they reach, the largest share is its own. Those that compare all that happens come after them, the quickest first."""
        lines = self.reached.tests.get(mutant.module, {})
        own = Counter(name for found in lines.values() for name in found)
        names = set(lines.get(mutant.line, ())) if mutant.qualname else set(own)
        names = (names & self.items.keys()) - set(self.reached.failed) - self.tried.get(mutant, set())
        whole = {name for name in names if name.startswith(WHOLE)}
        chosen: list[str] = []

        def rank(name: str) -> tuple[Any, ...]:
            file = name.partition("::")[0]
            about = _about(self.root / file, mutant)[0]
            return not file.startswith(OWN), -about, -own[name] / self.breadth[name], name

        for name in sorted(names - whole, key=rank):
            seconds -= self.reached.seconds[name]
            if seconds < 0 and chosen:
                break
            chosen.append(name)
        return [self.items[name] for name in [*chosen, *sorted(whole, key=self.reached.seconds.__getitem__)]]

    def _measure(self, session: pytest.Session, file: str) -> float:
        """Run the tests of a file unchanged, in a child, and learn which lines they reach. Returns their seconds."""
        items, part = self.unmeasured.pop(file), self.root / UNCHANGED
        if _in_child(lambda: self._unchanged(session, items, part), None) != 0:
            raise pytest.UsageError(f"the unchanged tests of {file} did not come to their end")
        newer = reached.read(part)
        self.sound |= set(newer.seconds) - set(newer.failed)
        self.reached.learn(newer)
        for lines in newer.tests.values():
            self.breadth.update(name for found in lines.values() for name in found)
        if time.monotonic() - self.kept_at > KEEP_EVERY:
            self.reached.write(self.root / KEPT)
            self.kept_at = time.monotonic()
        return sum(newer.seconds.values())

    def _unchanged(self, session: pytest.Session, items: list[pytest.Item], to: Path) -> int:
        found = Reached()
        for item, following in zip(items, [*items[1:], session], strict=True):
            self.marks.clear()
            _forget_cached()  # each test reaches what it needs, whoever was first
            self.failed, began = False, time.process_time()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            # how busy the machine is does not choose the tests
            found.add(item.nodeid, time.process_time() - began, failed=self.failed, lines=self.marks.reached())
        found.write(to)
        return 0

    def _run(self, session: pytest.Session, mutant: Mutant, items: list[pytest.Item], seconds: float) -> str | None:
        if not items:
            return None
        code = _in_child(lambda: self._try(session, mutant, items, int(SLACK + FACTOR * seconds)), ASLEEP)
        if code is None or code == -signal.SIGXCPU:
            return "does not end"
        if code < 0 or code == BROKEN:
            return f"breaks the process ({code})"
        if code == 0:
            return None
        name = items[min(code, len(items)) - 1].nodeid
        if self._passes(session, name):
            return name
        self.reached.failed.append(name)
        return self._run(session, mutant, items[code:], seconds)

    def _passes(self, session: pytest.Session, name: str) -> bool:
        """Whether a test passes unchanged, here and now: one that does not has noticed nothing."""
        if name not in self.sound:
            code = _in_child(lambda: self._unchanged(session, [self.items[name]], self.root / UNCHANGED), None)
            if code != 0 or reached.read(self.root / UNCHANGED).failed:
                return False
            self.sound.add(name)
        return True

    def _try(self, session: pytest.Session, mutant: Mutant, items: list[pytest.Item], longest: int) -> int:
        resource.setrlimit(resource.RLIMIT_CPU, (longest, longest + 5))
        put(_module(mutant.module), ast.parse(self.sources[mutant.module]), mutant.tree)
        _forget_cached()
        for number, item in enumerate(items):
            self.failed = False
            following = items[number + 1] if number + 1 < len(items) else session
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                return min(number + 1, 250)
        return 0


def _about(file: Path, mutant: Mutant) -> tuple[int, int]:
    """How likely the tests of a file are about a mutant, by the names that it mentions; the shorter one of two that are as likely."""
    words, module = _words(file), Path(mutant.module).stem
    function = mutant.qualname.rpartition(".")[2].lstrip("_")
    return 4 * (module in file.stem) + 3 * (module in words) + 2 * (function in words), -len(words)


@cache
def _words(file: Path) -> frozenset[str]:
    return frozenset(re.findall(r"[A-Za-z_]\w+", file.read_text()))


def _paths(root: Path) -> list[Path]:
    return [path for package in PACKAGES for path in sorted((root / package).glob("**/*.py"))]


def _forget_cached() -> None:
    for package in PACKAGES:
        forget_cached(package.replace("/", "."))


def _module(path: str) -> ModuleType:
    return importlib.import_module(path.removesuffix(".py").replace("/", ".").removesuffix(".__init__"))


def _in_child(work: Callable[[], int], seconds: float | None) -> int | None:
    """The exit code of a copy of this process that does ``work``, or the signal that ended it, below zero; None when it was still at it
    after ``seconds``."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        die_with_parent()
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        code = BROKEN
        with contextlib.suppress(BaseException):
            code = work()
        os._exit(code)
    deadline = time.monotonic() + seconds if seconds else None
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if deadline is not None and time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0.01)
