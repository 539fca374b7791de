"""Quoted baskets whole: events judged, frame to repriced order, quotes carried a core, write tokens of a filled basket, results by flow.

The parts are ``bench.judging``, ``bench.requoting``, ``bench.flows`` and ``bench.taped_flows``; beside them a basket is quoted in each
way on the simulated exchange and filled leg by leg, and the tokens of every request until it is whole are compared with those of taking
every leg.

    python -m bench.quoting [--rounds 7] [--moves 60] [--legs 6] [--seeds 20] [--courses 4] [--flows-alone]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any, Final

import django

from bench import flows, judging, requoting, taped_flows

CREATE, CANCEL, OTHER = 10, 2, 10
"""Write tokens of an order, of a cancel, and of anything else (expiries, order groups)."""
WAYS: Final = ("one_leg", "several", "all_legs")
STEPS: Final = 60
REPLAYED: Final = "the product on recorded flows, by queue model"
MINUTES: Final = 3
"""Of each recorded flow."""


def main(argv: Sequence[str] = ()) -> int:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(prog="bin/bench quoting", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=7, help="rounds of judging, of which the median counts (default %(default)s)"
    )
    parser.add_argument("--moves", type=int, default=60, help="moves of the book (default %(default)s)")
    parser.add_argument("--legs", type=int, default=6, help="legs of a quoted basket (default %(default)s)")
    parser.add_argument("--seeds", type=int, default=20, help="runs of each quoter on each flow of orders")
    parser.add_argument("--courses", type=int, default=4, help="recorded courses of each flow that are replayed")
    parser.add_argument("--flows-alone", action="store_true", help="quoted against taken, nothing else")
    options = parser.parse_args(list(argv))
    document: dict[str, Any] = {"results on flows of orders": flows.measure(options.seeds)}
    if options.flows_alone:
        django.setup()
        document[REPLAYED] = taped_flows.measure(options.courses, MINUTES)
        print(json.dumps(document, indent=2))
        return 0
    document["judging"] = judging.measure(options.rounds)
    with requoting.stage() as database:
        document["database"] = database
        document["repricing"] = requoting.measure(options.moves, options.legs)
        document["write tokens of a whole basket"] = {way: _tokens(way, options.legs) for way in WAYS}
        document[REPLAYED] = taped_flows.measure(options.courses, MINUTES)
    print(json.dumps(document, indent=2))
    return 0


def _tokens(way: str, legs: int) -> dict[str, float]:
    """One basket of ten contracts a leg, each quote filled in two parts."""
    from tests.faults.rows import clear
    from tests.trading import quoted, world
    from tests.trading.twin import Twin
    from trading.execution import executor
    from trading.models import Denial, Order
    from trading.reconciliation import reconcile
    from trading.venues import connection

    clear()
    world.active()
    twin = Twin(f"KXW-{WAYS.index(way)}")
    each = 10_000 * (legs - 1) // legs // 100 * 100
    for _ in range(legs):
        twin.add_market([(10_000 - each, 100_000)], [(10_000 - each + 500, 100)])
    connection.use(twin.client())
    reconcile.ensure_reconciled()
    twin.sync()
    profile = requoting.profile(world, quoting=way, count_step=100)
    begun = len(twin.session.sent)
    position = executor.execute(requoting.decision(twin, profile, each - 500, each).pk)
    if position is None or position.status != "quoting":
        denied = list(Denial.objects.values_list("code", "detail"))
        raise SystemExit(f"{way}: nothing is quoted: {denied or (position and position.close_code)}")
    for _ in range(STEPS):
        resting = Order.objects.filter(position=position, status="resting").select_related("leg").order_by("leg")
        for order in resting if way == "all_legs" else resting[:1]:
            twin.quote(order.leg.market_id, "bid", 10_000 - order.price, 100 + min(500, order.count), rest=False)
        position = quoted.step(twin, position)
        if position.status == "open":
            if not position.guaranteed:
                raise SystemExit(f"{way}: the basket is not whole: {position.residual}")
            tokens = sum(_cost(*request) for request in twin.session.sent[begun:])
            return {"tokens": tokens, "ratio to taking every leg": round(tokens / (CREATE * legs), 1)}
    raise SystemExit(f"{way}: the basket is {position.status} after {STEPS} steps")


def _cost(method: str, path: str, body: Any) -> int:
    if method == "GET":
        return 0
    if path.endswith("orders/batched"):
        return (CREATE if method == "POST" else CANCEL) * len(body["orders"])
    if "events/orders" in path:
        return CANCEL if method == "DELETE" else CREATE
    return OTHER


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
