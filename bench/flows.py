"""Quoted against taken on simulated flows of orders: what the same events bring to a naive quoter of every leg, to the two careful ways
of the product and to a taker, by kind of flow. Results in dollars, what is held worth its fair value.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

KINDS: Final = ("benign", "informed", "thin")


def measure(seeds: int, seconds: int = 60) -> dict[str, Any]:
    """Flow -> quoter -> dollars, baskets, contracts alone and fills of resting orders, over ``seeds`` runs."""
    from tests.simulator.world import make_exchange, write_snapshot
    from tests.strategies.quoting.flow_quoters import Careful, Joining, Naive, Taker

    ways = {"naive": Naive, "several legs": Careful, "all legs, held": Joining, "taken": Taker}
    found: dict[str, Any] = {}
    with TemporaryDirectory() as name:
        folder = write_snapshot(Path(name))
        for kind in KINDS:
            found[kind] = {}
            for way, sort in ways.items():
                results, quoters = [], []
                for seed in range(seeds):
                    quoters.append(sort(make_exchange(folder, seed=seed), kind))
                    results.append(quoters[-1].run(seconds))
                found[kind][way] = {
                    "dollars": round(sum(results) / 1_000_000, 2),
                    "runs that lost": sum(result < 0 for result in results),
                    "baskets": sum(quoter.sets for quoter in quoters) / 100,
                    "alone": sum(sum(q.held().values()) - q.sets * len(q.legs) for q in quoters) / 100,
                    "fills": sum(quoter.fills for quoter in quoters),
                }
    return found
