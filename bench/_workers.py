"""Real workers for a benchmark, as ``docker-compose.yml`` starts them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kalbot.common.life import die_with_parent

ROOT: Final = Path(__file__).resolve().parent.parent
CONCURRENCY: Final = 2
START: Final = 90.0


@contextlib.contextmanager
def workers(folder: Path, queues: str, count: int) -> Iterator[list[int]]:
    """So many workers of these queues, each with ``CONCURRENCY`` processes, once they wait for work; yields their process ids. Raises
    RuntimeError with what they said where one ended."""
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "kalbot",
        "worker",
        "-Q",
        queues,
        "--concurrency",
        str(CONCURRENCY),
    ]
    command += ["--without-mingle", "--without-gossip", "--loglevel", "WARNING"]
    log = (folder / "workers.log").open("ab")
    started = [
        subprocess.Popen(
            [*command, "-n", f"w{number}@bench"], cwd=ROOT, stdout=log, stderr=log, preexec_fn=die_with_parent
        )
        for number in range(count)
    ]
    try:
        _wait_until_they_wait(queues, count)
        if any(process.poll() is not None for process in started):
            raise RuntimeError((folder / "workers.log").read_text()[-3000:])
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.terminate()
        for process in started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
        log.close()


def _wait_until_they_wait(queues: str, count: int) -> None:
    from kalbot.common import cache, express, idle_receivers

    end = time.monotonic() + START
    while time.monotonic() < end:
        if queues == "strategy":
            ready = bool(cache.prices().exists(express.keys()[1]))
        else:
            ready = int(cache.prices().zcard(cache.key(idle_receivers.WAITING))) >= count * CONCURRENCY
        if ready:
            break
        time.sleep(0.2)
    time.sleep(3 * count)  # what they rehearse, and those of strategy that are not the first
