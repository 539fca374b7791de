"""``manage.py alive trading beat stream``: exit 0 when each of these got on lately, else 1 and a sentence. For health checks.

``--restart`` also ends (SIGKILL) a process that has hung for a minute, so that whatever started it starts it again: a container with
``restart: unless-stopped``, systemd, or ``bin/keep``. ``--every N`` goes on watching all of this host's, checked every N seconds.
Only the standard library is imported, and neither Redis nor the database is contacted.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence

from kalbot.common import life


def main(argv: Sequence[str]) -> int:
    """The command. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="manage.py alive", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("who", nargs="*", help="queues, beat or stream; with --every none means all of this host")
    parser.add_argument("--restart", action="store_true", help="end what has hung for a minute")
    parser.add_argument("--every", type=float, metavar="SECONDS", help="go on watching")
    options = parser.parse_args(argv)
    if not options.who and options.every is None:
        parser.error("name at least one queue, beat or stream")
    while True:
        silent = check(options.who, options.restart)
        if silent:
            print(f"no sign of life from {', '.join(silent)}", file=sys.stderr, flush=True)
        if options.every is None:
            return 1 if silent else 0
        time.sleep(options.every)


def check(who: Sequence[str], restart: bool) -> list[str]:
    """Those of ``who`` (all that left a sign, when empty) without a fresh sign. ``restart``: hung ones are ended."""
    signs = life.signs()
    names = list(who) or sorted({sign.who for sign in signs})
    if restart:
        for sign in signs:
            if sign.who in names and sign.age > life.HUNG_SECONDS:
                end(sign)
    return [name for name in names if not any(s.who == name and s.age <= life.LATE_SECONDS for s in signs)]


def end(sign: life.Sign) -> None:
    """SIGKILL: what hangs, or is stopped, reads no gentler signal. Everything is written before it is done, so nothing is lost."""
    if not sign.exists:
        return
    print(f"{sign.who} (pid {sign.pid}) has not got on for {sign.age:.0f} s and is ended", file=sys.stderr, flush=True)
    os.kill(sign.pid, signal.SIGKILL)
    sign.path.unlink(missing_ok=True)
