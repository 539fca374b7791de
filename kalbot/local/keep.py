"""``bin/keep NAME COMMAND...``: keeps one process of production running where neither a container
engine nor systemd does.

It starts the command again when it ends (after half a second at first, at most ten), and ends it
when its signs of life stop for a minute. NAME is only for the messages. SIGTERM and Ctrl-C go on to
the command, which has half a minute to finish its work.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Final

from kalbot.common import life
from kalbot.local.supervisor import Child, Supervisor

CHECK_SECONDS: Final = 1.0
STOP_SECONDS: Final = 30.0


def hung(child: Child) -> str:
    """Why the child's process counts as hung; empty while it gets on, or leaves no signs at all."""
    for sign in life.signs():
        if child.process is not None and sign.pid == child.process.pid and sign.age > life.HUNG_SECONDS:
            return f"{sign.who} has not got on for {sign.age:.0f} s"
    return ""


def main(argv: Sequence[str]) -> int:
    """The command. Returns the exit status."""
    if list(argv[:1]) in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    if len(argv) < 2 or argv[0].startswith("-"):
        print(f"bin/keep: a name and a command are needed\n{__doc__}", file=sys.stderr)
        return 2
    stopping = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopping.set())
    child = Child(argv[0], argv[1:], os.environ, log=None, stop_seconds=STOP_SECONDS, grace_seconds=0)
    child.silent = lambda: hung(child)
    supervisor = Supervisor(on_change=lambda line: print(line, file=sys.stderr, flush=True))
    try:
        supervisor.add(child)
        while not stopping.wait(CHECK_SECONDS):
            supervisor.tick()
    except OSError as error:
        print(f"bin/keep: {argv[1]} cannot be run: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126
    finally:
        supervisor.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
