"""From a price that moved to the repriced quote on the wire, quotes carried a core-second, and write tokens, our own code alone.

The simulated exchange answers in this process and at once. Somebody outbids one leg after the other by a cent; a step withdraws that
leg's quote and rests it again. Compared in the same run with a step that finds nothing to move, and with the tokens of withdrawing and
resting every leg at each move. The stream's part, from the frame to the written book, is that of ``bench.reaction``.

    python -m bench.requoting [--moves 60] [--legs 6]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
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
    parser = argparse.ArgumentParser(prog="bench.requoting", description=__doc__)
    parser.add_argument("--moves", type=int, default=60)
    parser.add_argument("--legs", type=int, default=6)
    options = parser.parse_args(list(argv))
    with tempfile.TemporaryDirectory(prefix="kalbot-bench-") as folder:
        server = start_redis(Path(folder) / "redis")
        try:
            database = _prepare(Path(folder), server.url)
            print(json.dumps({"database": database, **_measure(options.moves, options.legs)}, indent=2))
        finally:
            server.stop()
    return 0


def _measure(moves: int, legs: int) -> dict[str, Any]:
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
    twin.sync()
    position = executor.execute(_decision(twin, legs, clock.now_ms()).pk)
    if position is None or position.status != "quoting":
        raise SystemExit(f"nothing is quoted: {position and position.status}")
    moved: list[_Spent] = []
    whole: list[_Spent] = []
    idle: list[_Spent] = []
    sent = len(twin.session.sent)
    for number in range(moves):
        Order.objects.update(created_at=clock.now() - timedelta(seconds=5))
        yes_ask = 10_000 - BID - 100 * (number // legs + 1)
        twin.quote(twin.markets[number % legs], "ask", yes_ask, 500)
        twin.sync()
        watch.start()
        executor.step(position.pk)
        if watch.first is None:
            raise SystemExit(f"move {number} repriced nothing")
        moved.append(watch.first)
        whole.append(watch.spent())
        watch.start()
        executor.step(position.pk)
        idle.append(watch.spent())
    requests = [method for method, path, _ in twin.session.sent[sent:] if "orders" in path]
    tokens = CREATE * requests.count("POST") + CANCEL * requests.count("DELETE")
    plain = moves * legs * (CREATE + CANCEL)
    return {
        "legs": legs,
        "moves": moves,
        "written_book_to_repriced_order_ms": _both(moved),
        "step_that_reprices_ms": _both(whole),
        "step_that_moves_nothing_ms": _both(idle),
        "repricings_a_core_second": round(1000 * moves / sum(one.cpu for one in whole), 1),
        "quotes_carried_a_core (one step a second each)": round(1000 * moves / sum(one.cpu for one in idle), 1),
        "write_tokens_a_move": round(tokens / moves, 1),
        "ratio to withdrawing and resting every leg": round(plain / tokens, 1),
    }


def _decision(twin: Any, legs: int, now_ms: int) -> Any:
    from tests.trading import world

    wide = {"max_orders_per_minute": 10**6, "capital": 10**6 * world.DOLLAR, "quote_min_margin_ppm": 1_000}
    budgets = {"orphan_budget": 1_000 * world.DOLLAR, "orphan_budget_day": 1_000 * world.DOLLAR}
    profile = world.add_profile("maker", mode="live", quoting="all_legs", quote_stop_seconds=60, **wide, **budgets)
    quote = {"way": "all_legs", "leg": "", "until_ms": now_ms + DAY_MS, "orphans": 0}
    limits = dict.fromkeys(twin.markets, BID)
    most = 10_000 * 1_000 * (legs - 1) * 1_000 // 1_001
    return world.decide(profile, twin.row, limits, 1_000, "all_no", "no", quote=quote, max_cost=most)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
