"""Runs that somebody requested on a page: rows are the queue, and workers take the oldest.

Each run has a process of its own: a replay puts clock, database and venue of its process in the place of the real ones. At most
``KALBOT_BACKTEST_JOBS`` run at once, so that replays never take every worker. A message only says that there may be work: one that is
lost costs the time until the next request or the end of the present run.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db import transaction

from backtest import runs
from backtest.models import BacktestRun
from backtest.options import Options, checked, from_document
from backtest.replay import session
from kalbot.common import clock, messages
from kalbot.common.life import ROOT, die_with_parent
from markets.tape.coverage import coverage
from markets.tape.reader import Tape

MOST_SECONDS: Final = 3_600
"""A run that takes longer is ended."""
POLL_SECONDS: Final = 2
Status = BacktestRun.Status


def request(options: Options, changes: dict[str, Any], *, actor: str, name: str = "") -> BacktestRun:
    """Two runs: the profile of ``options`` as it is, and with ``changes`` to its columns. Returns the second, which names the first.

    Raises BadOption for a change that is none, FileNotFoundError without a tape.
    """
    after = options.changed(**changes)
    checked(after.profile)
    with transaction.atomic():
        before = queue(options, actor=actor, name=name)
        return queue(after, actor=actor, name=name, before=before, changes=changes)


def queue(options: Options, *, actor: str, name: str = "", **columns: Any) -> BacktestRun:
    """One run for the workers; the message goes out when the transaction is committed. Raises FileNotFoundError without a tape."""
    tape = Tape.open(options.tape)
    first, last = max(options.start_ns, tape.first_ns), min(options.end_ns, tape.last_ns + 1)
    row = BacktestRun.objects.create(
        name=name[:120],
        tape=options.tape.name[:200],
        profile=options.name[:48],
        first_at=clock.from_ms(first // 10**6),
        last_at=clock.from_ms(last // 10**6),
        options=options.document(),
        actor=actor[:150],
        status=Status.QUEUED,
        **columns,
    )
    messages.send_on_commit(messages.RUN_BACKTEST)
    return row


def take() -> BacktestRun | None:
    """The oldest run that waits, which is this worker's from now on; None without one."""
    _end_abandoned()
    for row in BacktestRun.objects.filter(status=Status.QUEUED).order_by("pk")[:20]:
        if _moved(row, Status.QUEUED, Status.RUNNING, started_at=clock.now()):
            return row
    return None


def work(renew: Callable[[], object]) -> int | None:
    """Do the oldest run that waits, in a process of its own; ``renew`` is called every few seconds meanwhile. Its key, or None."""
    row = take()
    if row is None:
        return None
    command = [sys.executable, str(ROOT / "manage.py"), "stored_backtest", str(row.pk)]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT, preexec_fn=die_with_parent
    )
    problem = _wait(process, renew)
    if problem:
        _moved(row, Status.RUNNING, Status.FAILED, failure=problem[:400])
    if BacktestRun.objects.filter(status=Status.QUEUED).exists():
        messages.send(messages.RUN_BACKTEST)
    return int(row.pk)


def _wait(process: subprocess.Popen[str], renew: Callable[[], object]) -> str:
    """Wait for a run; why it failed, empty when it did not."""
    until = time.monotonic() + MOST_SECONDS
    while True:
        try:
            _, said = process.communicate(timeout=POLL_SECONDS)
        except subprocess.TimeoutExpired:
            renew()
            if time.monotonic() > until:
                process.kill()
                process.communicate()
                return f"It took longer than {MOST_SECONDS} s."
            continue
        lines = said.strip().splitlines()
        return (
            "" if process.returncode == 0 else (lines[-1] if lines else f"It ended with status {process.returncode}.")
        )


def perform(pk: int) -> None:
    """Replay a row's options and write what came of it, in this process."""
    row = BacktestRun.objects.get(pk=pk)
    options = from_document(row.options)
    result = session.run(options)
    covered = coverage(Tape.open(options.tape), options.start_ns, options.end_ns)
    columns = runs.columns(result, covered)
    _moved(row, Status.RUNNING, Status.DONE, **columns)


def _end_abandoned() -> None:
    """Runs whose worker ended with them."""
    since = clock.now() - timedelta(seconds=MOST_SECONDS + 60)
    abandoned = BacktestRun.objects.filter(status=Status.RUNNING, started_at__lt=since)
    abandoned.update(status=Status.FAILED, failure="The worker that ran it ended.")


def _moved(row: BacktestRun, expected: Status, status: Status, **columns: Any) -> bool:
    return BacktestRun.objects.filter(pk=row.pk, status=expected).update(status=status, **columns) == 1


def jobs() -> int:
    """How many runs may go on at once."""
    return max(1, int(settings.KALBOT_BACKTEST_JOBS))
