"""Other people's replays, run by a Python that has them: changes of one level a second, with a callback that reads the best prices.

No dependency of ours: ``bin/bench replay --peers PYTHON`` starts it. What is not installed is named. Nautilus is given deltas of order
books (L2) and calls a Python strategy; flumine is given a Betfair stream file of one market with six runners, its only kind of data.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any, Final

CHANGES: Final = 100_000
LEGS: Final = 6
LAST: Final = 128
"""Nautilus' flag of a delta after which the book may be read."""


def main(argv: list[str] | None = None) -> int:
    """One line of JSON."""
    argparse.ArgumentParser(prog="bin/bench replay_peers", description=__doc__).parse_args(argv)
    found: dict[str, Any] = {}
    for name, run in (("nautilus_trader", _nautilus), ("flumine", _flumine)):
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
            continue
        seen, seconds = run()
        found[f"{name} {version}"] = {"changes": seen, "seconds": round(seconds, 2), "a second": round(seen / seconds)}
    print(json.dumps(found))
    return 0


def _nautilus() -> tuple[int, float]:
    from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
    from nautilus_trader.common.config import LoggingConfig
    from nautilus_trader.model import Money, Price, Quantity, TraderId, Venue
    from nautilus_trader.model.currencies import USD
    from nautilus_trader.model.data import BookOrder, OrderBookDelta
    from nautilus_trader.model.enums import AccountType, BookAction, BookType, OmsType, OrderSide
    from nautilus_trader.test_kit.providers import TestInstrumentProvider
    from nautilus_trader.trading.strategy import Strategy

    venue = Venue("BENCH")
    engine = BacktestEngine(
        BacktestEngineConfig(trader_id=TraderId("BENCH-001"), logging=LoggingConfig(bypass_logging=True))
    )
    engine.add_venue(
        venue,
        oms_type=OmsType.NETTING,
        account_type=AccountType.CASH,
        base_currency=USD,
        starting_balances=[Money(1_000_000, USD)],
        book_type=BookType.L2_MBP,
    )
    instruments = [TestInstrumentProvider.equity(f"L{leg}", "BENCH") for leg in range(LEGS)]
    for instrument in instruments:
        engine.add_instrument(instrument)

    class Reads(Strategy):  # type: ignore[misc, unused-ignore]  # the package is not installed where this is checked
        changes = 0
        best = 0

        def on_start(self) -> None:
            for instrument in instruments:
                self.subscribe_order_book_deltas(instrument.id, book_type=BookType.L2_MBP)

        def on_order_book_deltas(self, deltas: Any) -> None:
            self.changes += 1
            self.best = self.cache.order_book(deltas.instrument_id).best_bid_price()

    numbers, data = random.Random(1), []
    for change in range(CHANGES):
        instrument = numbers.choice(instruments)
        at = 1_786_406_400_000_000_000 + change * 10_000_000
        order = BookOrder(
            OrderSide.BUY,
            Price(numbers.randrange(10, 30) / 100, 2),
            Quantity(numbers.randrange(1, 500), 0),
            0,
        )
        data.append(OrderBookDelta(instrument.id, BookAction.UPDATE, order, LAST, change, at, at))
    engine.add_data(data)
    strategy = Reads()
    engine.add_strategy(strategy)
    began = time.process_time()
    engine.run()
    return strategy.changes, time.process_time() - began


def _flumine() -> tuple[int, float]:
    from flumine import BaseStrategy, FlumineSimulation, clients
    from flumine.streams.betfairhistoricalstream import BetfairHistoricalStream
    from flumine.utils import get_price

    class Reads(BaseStrategy):  # type: ignore[misc, unused-ignore]  # the package is not installed where this is checked
        changes = 0
        best: Any = None

        def check_market_book(self, market: Any, market_book: Any) -> bool:
            return True

        def process_market_book(self, market: Any, market_book: Any) -> None:
            self.changes += 1
            for runner in market_book.runners:
                self.best = get_price(runner.ex.available_to_back, 0)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "1.100000000"
        path.write_text("\n".join(json.dumps(line) for line in _betfair()))
        framework = FlumineSimulation(client=clients.SimulatedClient())
        strategy = Reads(stream=BetfairHistoricalStream(str(path)))
        framework.add_strategy(strategy)
        began = time.process_time()
        framework.run()
        return strategy.changes, time.process_time() - began


def _betfair() -> Any:
    """A stream file: the market's definition with an image, then one change of a level a line."""
    numbers, start = random.Random(1), 1_786_406_400_000
    runners = [{"status": "ACTIVE", "sortPriority": leg + 1, "id": leg + 1} for leg in range(LEGS)]
    definition = {
        "bspMarket": False,
        "turnInPlayEnabled": False,
        "persistenceEnabled": False,
        "marketBaseRate": 5.0,
        "eventId": "1",
        "eventTypeId": "1",
        "numberOfWinners": 1,
        "bettingType": "ODDS",
        "marketType": "MATCH_ODDS",
        "marketTime": "2026-09-11T00:00:00.000Z",
        "suspendTime": "2026-09-11T00:00:00.000Z",
        "bspReconciled": False,
        "complete": True,
        "inPlay": False,
        "crossMatching": True,
        "runnersVoidable": False,
        "numberOfActiveRunners": LEGS,
        "betDelay": 0,
        "status": "OPEN",
        "runners": runners,
        "regulators": ["MR_INT"],
        "discountAllowed": True,
        "timezone": "GMT",
        "openDate": "2026-09-11T00:00:00.000Z",
        "version": 1,
        "name": "Match Odds",
        "eventName": "bench",
    }
    image = [{"id": leg + 1, "atb": [[2.0, 100.0]], "atl": [[3.0, 100.0]]} for leg in range(LEGS)]
    market = {"id": "1.100000000", "marketDefinition": definition, "rc": image, "img": True}
    yield {"op": "mcm", "clk": "0", "pt": start, "mc": [market]}
    for change in range(1, CHANGES):
        level = [round(1.5 + numbers.randrange(50) / 100, 2), float(numbers.randrange(1, 500))]
        moved = {"id": numbers.randrange(LEGS) + 1, "atb": [level]}
        yield {"op": "mcm", "clk": str(change), "pt": start + 10 * change, "mc": [{"id": "1.100000000", "rc": [moved]}]}


if __name__ == "__main__":
    sys.exit(main())
