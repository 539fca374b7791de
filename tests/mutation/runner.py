"""A pytest plugin that runs one mutant after the other: each in a child of the process in which everything is loaded.

A first child runs the tests that are new or changed (see ``reached``) and reports how long each takes and which lines it reaches. A
mutant's child runs only the tests that reach its line, those that are most about its module first, until one fails. A child is a copy
of the whole process, database in memory included; the Redis they share is emptied by the tests' own fixtures.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import os
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import coverage
import pytest

from kalbot.common.life import die_with_parent
from tests.mutation import reached
from tests.mutation.mutants import Mutant
from tests.mutation.reached import Reached
from tests.mutation.transplant import forget_cached, put

LONGEST = 120
"""Seconds of CPU for one mutant's tests; one that needs more does not end and counts as noticed, however busy the machine is."""
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
        self.sources = {str(path.relative_to(root)): path.read_text() for path in root.glob("trading/**/*.py")}
        self.failed = False
        self.reached = Reached()
        self.breadth: Counter[str] = Counter()
        """How many lines of trading each test reaches."""

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.failed = self.failed or report.failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if not session.items:
            raise pytest.UsageError("no tests")
        first = next(item for item in session.items if {"db", "_fresh_world"} & set(getattr(item, "fixturenames", ())))
        first.config.hook.pytest_runtest_protocol(item=first, nextitem=first)
        session._setupstate.teardown_exact(session)  # type: ignore[arg-type]  # all but the session's own fixtures
        self.reached = self._unchanged(session)
        self.breadth = Counter(
            name for lines in self.reached.tests.values() for found in lines.values() for name in found
        )
        items = {item.nodeid: item for item in session.items}
        for mutant in self.mutants:
            began = time.monotonic()
            noticed = self._notice(session, mutant, self._tests_of(mutant, items))
            self.report(mutant, noticed, time.monotonic() - began)
        return True

    def _tests_of(self, mutant: Mutant, items: dict[str, pytest.Item]) -> list[pytest.Item]:
        """First those that are about the module most of all: of the lines that they reach, the largest share is its own."""
        lines = self.reached.tests.get(mutant.module, {})
        own = Counter(name for found in lines.values() for name in found)
        names = set(lines.get(mutant.line, ())) if mutant.qualname else {n for found in lines.values() for n in found}
        chosen: list[pytest.Item] = []
        total = 0.0
        for name in sorted(
            (names & items.keys()) - set(self.reached.failed), key=lambda one: (-own[one] / self.breadth[one], one)
        ):
            total += self.reached.seconds.get(name, 0.0)
            if total > self.seconds and chosen:
                break
            chosen.append(items[name])
        return chosen

    def _unchanged(self, session: pytest.Session) -> Reached:
        """What earlier runs kept, brought up to date: the tests that need it are run in a child, unchanged."""
        kept = self.root / ".test" / "reached.json"
        found = Reached() if self.measure else reached.read(kept)
        missing = set(reached.refresh(found, self.root, self.sources, [item.nodeid for item in session.items]))
        if missing:
            part = kept.with_suffix(".measured")
            _in_child(
                lambda: self._measure(session, [one for one in session.items if one.nodeid in missing], part), None
            )
            if not part.exists():
                raise pytest.UsageError("the unchanged tests did not come to their end")
            found.learn(reached.read(part))
            part.unlink()
        found.write(kept)
        return found

    def _measure(self, session: pytest.Session, items: list[pytest.Item], to: Path) -> int:
        watch = coverage.Coverage(data_file=None, source=[str(self.root / "trading")], messages=False)
        watch.start()
        found = Reached()
        for item, following in zip(items, [*items[1:], session], strict=True):
            watch.switch_context(item.nodeid)
            forget_cached("trading")  # each test reaches what it needs, whoever was first
            self.failed, began = False, time.process_time()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            found.seconds[item.nodeid] = (
                time.process_time() - began
            )  # how busy the machine is does not choose the tests
            if self.failed:
                found.failed.append(item.nodeid)
        watch.stop()
        data = watch.get_data()
        for name in data.measured_files():
            contexts = data.contexts_by_lineno(name)
            path = str(Path(name).relative_to(self.root))
            found.tests[path] = {line: sorted(filter(None, ids)) for line, ids in contexts.items()}
        found.write(to)
        return 0

    def _notice(self, session: pytest.Session, mutant: Mutant, items: list[pytest.Item]) -> str | None:
        """The test that fails under the mutant, ``does not end``, or None when it survives."""
        if not items:
            return None
        code = _in_child(lambda: self._try(session, mutant, items), ASLEEP)
        if code is None or code == -signal.SIGXCPU:
            return "does not end"
        if code < 0 or code == BROKEN:
            return f"breaks the process ({code})"
        return None if code == 0 else items[min(code, len(items)) - 1].nodeid

    def _try(self, session: pytest.Session, mutant: Mutant, items: list[pytest.Item]) -> int:
        resource.setrlimit(resource.RLIMIT_CPU, (LONGEST, LONGEST + 5))
        put(_module(mutant.module), ast.parse(self.sources[mutant.module]), mutant.tree)
        forget_cached("trading")
        for number, item in enumerate(items):
            self.failed = False
            following = items[number + 1] if number + 1 < len(items) else session
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                return min(number + 1, 250)
        return 0


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
