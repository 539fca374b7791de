"""Quoted against taken by the product itself, on recorded flows: a simulated event whose books are a flow of single orders is recorded as a
tape, and replayed under the three models of a queue by profiles that quote and by one that takes, all on the same tape.

What is held at the end counts at its fair value, which the simulated exchange knows.

    python -m bench.taped_flows [--minutes 10] [--seeds 2]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

KINDS: Final = ("benign", "informed", "thin")
LISTED: Final = (
    ("T80", "less", None, 80),
    ("B80.5", "between", 80, 81),
    ("B82.5", "between", 82, 83),
    ("T83", "greater", 83, None),
)
"""Markets of the simulated event: name, kind of strike, bounds."""
NAMES: Final = {"less": "79\u00b0 or below", "greater": "84\u00b0 or above", "between": "{0}\u00b0 to {1}\u00b0"}
STEP_MS: Final = 500
MOVES_EVERY: Final = 7
"""Steps between two moves of the event's values."""
WIDE: Final[dict[str, Any]] = {
    "least_grade": "if_determined",
    "kinds": ["all_no"],
    "min_profit": 1,
    "min_margin_ppm": 0,
    "leg_risk_budget": 20_000_000,
    "max_per_position": 500_000_000,
    "max_per_event": 500_000_000,
    "max_per_leg": 500_000_000,
}
QUOTING: Final[dict[str, Any]] = {
    "quote_min_margin_ppm": 1_000,
    "quote_stop_seconds": 60,
    "orphan_budget": 20_000_000,
    "orphan_budget_day": 1_000_000_000,
    "count_step": 100,
    "quote_count": 5_000,
    "max_orders_per_minute": 1_000,
}
PROFILES: Final[dict[str, dict[str, Any]]] = {
    "taken": WIDE,
    "every leg quoted, held": WIDE | QUOTING | {"quoting": "all_legs", "orphans": "hold"},
    "several legs quoted, the others taken": WIDE | QUOTING | {"quoting": "several", "orphans": "hold"},
}


def main(argv: Sequence[str] = ()) -> int:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(prog="bin/bench taped_flows", description=__doc__)
    parser.add_argument("--minutes", type=int, default=10, help="of each recorded flow")
    parser.add_argument("--seeds", type=int, default=2, help="courses of each flow")
    options = parser.parse_args(list(argv))
    import django

    django.setup()
    print(json.dumps(measure(options.seeds, options.minutes), indent=2))
    return 0


def measure(seeds: int, minutes: int) -> dict[str, Any]:
    """Flow -> profile -> queue model -> sums over the courses: dollars, fills, sets, contracts alone and what those cost less what they
    are worth."""
    from trading.venues.queues import QueueModel

    found: dict[str, Any] = {}
    with TemporaryDirectory() as name:
        for kind in KINDS:
            tapes = [recorded(Path(name), kind, seed, minutes) for seed in range(seeds)]
            found[kind] = {
                way: {
                    model.value: _sum([_replayed(tape, fair, columns, model) for tape, fair in tapes])
                    for model in (QueueModel if "quoting" in columns else [QueueModel.REALISTIC])
                }
                for way, columns in PROFILES.items()
            }
    return found


def recorded(folder: Path, kind: str, seed: int, minutes: int) -> tuple[Path, dict[str, float]]:
    """A tape of one course of a flow, and what YES on each market is worth at its end, as a share of a dollar."""
    from random import Random

    from markets.tape.imports.source import iso
    from markets.tape.records import Kind, Record, pack_frames
    from simulator.flow import maker_flow, market_makers
    from tests.backtest import tapes
    from tests.simulator.world import HIGH, Listener, make_exchange, write_snapshot

    exchange = make_exchange(write_snapshot(folder / f"snapshot {kind} {seed}"), seed=seed)
    event, rng, tape = exchange.events[HIGH], Random(seed), tapes.Recorder()
    listener = Listener(exchange)
    start = exchange.now()
    tape.opened(0)
    tape.listed(0, HIGH, [_listed(HIGH, iso(tapes.START + 86_400 * 10**9), *one) for one in LISTED])

    def written() -> None:
        exchange.commit()
        at = tapes.START + (exchange.now() - start) * 10**6 + 1
        tape.records += [Record(at, Kind.FRAMES, tape.epoch, pack_frames([frame])) for frame in listener.session.take()]

    maker_flow.begin(exchange, event, kind)
    for channel in ("orderbook_delta", "trade", "ticker"):
        _subscribe(listener, channel, event.markets)
        written()
    for number in range(minutes * 60_000 // STEP_MS):
        if number % MOVES_EVERY == 0:
            market_makers.move_event(exchange, event, rng)
        exchange.advance(exchange.now() + STEP_MS)
        written()
    markets = [exchange.markets[ticker] for ticker in event.markets]
    values = market_makers.fair_probabilities(exchange, event, markets)
    path = tape.write(folder / f"{kind} {seed}")
    return path, {ticker: value / sum(values) for ticker, value in zip(event.markets, values, strict=True)}


def _subscribe(listener: Any, channel: str, tickers: Sequence[str]) -> None:
    from simulator.ws.commands import receive

    listener.number += 1
    params = {"channels": [channel], "market_tickers": list(tickers)}
    receive(listener.session, json.dumps({"id": listener.number, "cmd": "subscribe", "params": params}))


def _listed(event: str, ends: str, name: str, kind: str, low: int | None, high: int | None) -> dict[str, Any]:
    """A market with rules that are read."""
    from bench.replay import WORDS
    from markets.tape.imports.listing import market
    from tests.markets.terms.wording import WEATHER_NOTE, WEATHER_RULE

    strikes = {"strike_type": kind, "floor_strike": low, "cap_strike": high}
    times = {"close_time": ends, "expected_expiration_time": ends}
    found = market(f"{event}-{name}", name=NAMES[kind].format(low, high), strikes=strikes, times=times)
    rule = WEATHER_RULE.replace("July 16, 2026", "July 20, 2026")
    return found | {"rules_primary": rule.format(WORDS[kind].format(low, high)), "rules_secondary": WEATHER_NOTE}


def _replayed(tape: Path, fair: dict[str, float], columns: dict[str, Any], model: Any) -> dict[str, float]:
    from backtest.replay import session
    from tests.backtest import tapes

    found = session.run(tapes.options(tape, profile=columns, queue=model))
    dollars = alone = lost = sets = 0.0
    for position in found.positions:
        held = {leg["ticker"]: leg["bought"] - leg["sold"] for leg in position["legs"]}
        whole = min(held.values())
        sets += whole / 100
        dollars += position["profit"] / 1_000_000
        for leg in position["legs"]:
            have, bought = held[leg["ticker"]], leg["bought"]
            if position["ended_ms"] or not have:
                continue
            worth, cost = 1 - fair[leg["ticker"]], leg["cost"] / 1_000_000 / (bought / 100)
            dollars += (worth - cost) * have / 100
            alone += (have - whole) / 100
            lost += (cost - worth) * (have - whole) / 100
    rested, fills = found.rested, sum(line.startswith("fill ") for _, line in found.timeline)
    return {
        "dollars": dollars,
        "decisions": found.decisions,
        "orders that rested": rested,
        "fills": fills,
        "sets": sets,
        "alone": alone,
        "lost on what is alone, dollars": lost,
    }


def _sum(courses: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(sum(one[name] for one in courses), 2) for name in courses[0]}


if __name__ == "__main__":
    import sys

    sys.exit(main(sys.argv[1:]))
