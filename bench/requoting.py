"""From a frame of the book to the repriced quote on the wire, quotes carried a core-second, and write tokens, our own code alone.

The simulated exchange answers in this process and at once. Somebody outbids one leg after the other by a cent: the frame is parsed, applied
and written to Redis by the stream's own classes, and a step withdraws that leg's quote and rests it again. Compared in the same run with a
step that finds nothing to move, and with the tokens of withdrawing and resting every leg at each move. What lies between the two, the
message to a worker, is the broker's; the stream sends it for an event at most every 0.2 s.

    python -m bench.requoting [--moves 60] [--legs 6]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from bench.execution import _both, _prepare, _Spent, _Stopwatch
from kalbot.local.servers import start_redis

CREATE, CANCEL = 10, 2
"""Write tokens of a request of each sort."""
BID, ASK = 6_000, 9_000
DAY_MS: Final = 86_400_000


def main(argv: Sequence[str] = ()) -> int:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(prog="bin/bench requoting", description=__doc__)
    parser.add_argument("--moves", type=int, default=60, help="moves of the book (default %(default)s)")
    parser.add_argument("--legs", type=int, default=6, help="legs of a quoted basket (default %(default)s)")
    options = parser.parse_args(list(argv))
    with stage() as database:
        print(json.dumps({"database": database, **measure(options.moves, options.legs)}, indent=2))
    return 0


@contextmanager
def stage() -> Iterator[str]:
    """A Redis and a database of its own; the database's kind."""
    with tempfile.TemporaryDirectory(prefix="kalbot-bench-") as folder:
        server = start_redis(Path(folder) / "redis")
        try:
            yield _prepare(Path(folder), server.url)
        finally:
            server.stop()


class _Stream:
    """The books of a simulated event as the price stream keeps and writes them, from frames in the exchange's own form."""

    def __init__(self, twin: Any) -> None:
        from kalbot.common import cache, clock
        from markets.kalshi.ws.intake import Intake
        from markets.streaming.output.leader import Leadership
        from markets.streaming.output.publisher import Publisher
        from markets.streaming.state.books import Books

        self._twin, self._clock, self._intake, self._books = twin, clock, Intake(), Books()
        leadership = Leadership(cache.prices())
        leadership.acquire()
        self._publisher = Publisher(cache.prices(), leadership)
        self._books.watch(twin.event, dict.fromkeys(twin.markets, "active"))
        self._books.start_epoch("bench")
        self._seq = 0
        self._known: dict[tuple[str, str, int], int] = {}
        self.write([self._frame("orderbook_snapshot", {"market_ticker": ticker}) for ticker in twin.markets])
        self.write(self.changes())

    def changes(self) -> list[bytes]:
        """A delta for each level that has changed."""
        now = {
            (ticker, side, price): count
            for ticker, book in self._twin.books().items()
            for side, levels in zip(("yes", "no"), book, strict=True)
            for price, count in levels
        }
        found = []
        for key in {**self._known, **now}:
            by = now.get(key, 0) - self._known.get(key, 0)
            if by:
                ticker, side, price = key
                found.append(
                    self._frame(
                        "orderbook_delta",
                        {
                            "market_ticker": ticker,
                            "side": side,
                            "price_dollars": f"{price / 10_000:.4f}",
                            "delta_fp": f"{by / 100:.2f}",
                            "ts_ms": self._clock.now_ms(),
                        },
                    )
                )
        self._known = now
        return found

    def write(self, payloads: list[bytes]) -> None:
        """From bytes to Redis."""
        from markets.kalshi.ws.frames import BookDelta, BookSnapshot

        now = self._clock.now_ms()
        for frame in self._intake.feed(payloads):
            if isinstance(frame, BookDelta):
                self._books.delta(frame, now)
            elif isinstance(frame, BookSnapshot):
                self._books.snapshot(frame, now)
        records, changed = self._books.take_changes()
        self._publisher.flush("bench", now, records, changed)

    def _frame(self, kind: str, message: dict[str, Any]) -> bytes:
        self._seq += 1
        return json.dumps({"type": kind, "sid": 2, "seq": self._seq, "msg": message}).encode()


def measure(moves: int, legs: int) -> dict[str, Any]:
    from kalbot.common import clock
    from tests.trading import world
    from tests.trading.twin import Twin
    from trading.execution import executor
    from trading.models import Order
    from trading.reconciliation import reconcile
    from trading.venues import account_limits, connection

    world.active()
    twin = Twin("KXB-1")
    for _ in range(legs):
        twin.add_market([(10_000 - ASK, 100_000)], [(10_000 - BID, 100_000)])
    watch = _Stopwatch(twin.session)
    connection.use(twin.client())
    twin.exchange.limits.set_tier("prime")
    reconcile.ensure_reconciled()
    account_limits.refresh(connection.client())
    stream = _Stream(twin)
    position = executor.execute(decision(twin, profile(world, quoting="all_legs"), BID, ASK).pk)
    if position is None or position.status != "quoting":
        raise SystemExit(f"nothing is quoted: {position and position.status}")
    written: list[_Spent] = []
    moved: list[_Spent] = []
    whole: list[_Spent] = []
    idle: list[_Spent] = []
    sent = len(twin.session.sent)
    for number in range(moves):
        earlier = clock.now() - timedelta(seconds=5)  # a quote stays for a while before it moves
        Order.objects.update(created_at=earlier)
        Order.objects.filter(ended_at__isnull=False).update(ended_at=earlier)
        yes_ask = 10_000 - BID - 100 * (number // legs + 1)
        twin.quote(twin.markets[number % legs], "ask", yes_ask, 500)
        payloads = stream.changes()
        watch.start()
        stream.write(payloads)
        written.append(watch.spent())
        executor.step(position.pk)
        if watch.first is None:
            raise SystemExit(f"move {number} repriced nothing")
        moved.append(watch.first)
        whole.append(watch.spent())
        stream.write(stream.changes())
        watch.start()
        executor.step(position.pk)
        idle.append(watch.spent())
    requests = [method for method, path, _ in twin.session.sent[sent:] if "orders" in path]
    tokens = CREATE * requests.count("POST") + CANCEL * requests.count("DELETE")
    plain = moves * legs * (CREATE + CANCEL)
    return {
        "legs": legs,
        "moves": moves,
        "frame_to_written_book_ms": _both(written),
        "frame_to_repriced_order_ms": _both(moved),
        "step_that_reprices_ms": _both(whole),
        "step_that_moves_nothing_ms": _both(idle),
        "repricings_a_core_second (amends)": round(1000 * moves / sum(one.cpu for one in whole), 1),
        "quotes_carried_a_core (one step a second each)": round(1000 * moves / sum(one.cpu for one in idle), 1),
        "write_tokens_a_move": round(tokens / moves, 1),
        "ratio to withdrawing and resting every leg": round(plain / tokens, 1),
    }


def profile(world: Any, **columns: Any) -> Any:
    """A live profile that no limit stops."""
    wide = {"max_orders_per_minute": 10**6, "capital": 10**6 * world.DOLLAR, "quote_min_margin_ppm": 1_000}
    budgets = {"orphan_budget": 1_000 * world.DOLLAR, "orphan_budget_day": 10_000 * world.DOLLAR}
    return world.add_profile("maker", mode="live", quote_stop_seconds=60, **wide, **budgets, **columns)


def decision(twin: Any, profile: Any, bid: int, ask: int) -> Any:
    """Ten baskets of NO on every outcome, quoted as the profile wants for a day."""
    from kalbot.common import clock
    from tests.trading import world

    leg = twin.markets[0] if profile.quoting == "one_leg" else ""
    quote = {"way": profile.quoting, "leg": leg, "until_ms": clock.now_ms() + DAY_MS, "orphans": 0}
    limits = dict.fromkeys(twin.markets, bid if profile.quoting == "all_legs" else ask)
    limits[twin.markets[0]] = bid
    most = 10_000 * 1_000 * (len(twin.markets) - 1) * 1_000 // 1_001
    return world.decide(profile, twin.row, limits, 1_000, "all_no", "no", quote=quote, max_cost=most)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
