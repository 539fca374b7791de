"""The command line: options become an exchange, or one clear sentence and exit code 2."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import NoReturn

from simulator import server
from simulator.accounts.auth import CredentialsError, KeyRing, load_or_create
from simulator.accounts.rate_limits import TIERS
from simulator.clock import Clock, ManualClock, RealClock
from simulator.config import SimulatorConfig
from simulator.exchange import Exchange
from simulator.faults.schedule import FaultError, parse_fault
from simulator.persistence import replay
from simulator.persistence.snapshot import SnapshotError, load_snapshot
from simulator.persistence.state import StateError, StateFile, restore
from simulator.units import CENT, CENTICENT, parse_units

BUNDLED = Path(__file__).parent / "data" / "20260719T155529Z"


class UsageError(Exception):
    """A wrong argument; the message is one sentence for a person."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def parser() -> argparse.ArgumentParser:
    """All options; ``simulator/README.md`` explains them at length."""
    found = _Parser(prog="python -m simulator", description="A Kalshi exchange on localhost, from a recorded snapshot.")
    add = found.add_argument
    add("--snapshot", type=Path, default=BUNDLED, metavar="DIR", help="recorded snapshot (default: the bundled one)")
    add("--port", type=int, default=0, help="port on 127.0.0.1 (0: a free one, printed)")
    add("--seed", type=int, default=1, help="seed of the markets, outcomes and faults")
    add(
        "--credentials",
        type=Path,
        default=Path("credentials"),
        metavar="DIR",
        help="key_id and private_key.pem, written if absent",
    )
    add("--key-type", choices=("rsa", "ed25519"), default="rsa", help="kind of a key that is written")
    add("--speed", type=float, default=1.0, help="how much faster than recorded events run")
    add(
        "--edge-every",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="plant a mispriced basket this often (0: never)",
    )
    add(
        "--turn-every",
        type=int,
        default=0,
        metavar="N",
        help="let the weather turn against the first and every Nth planted coverage basket (0: never)",
    )
    add(
        "--maker-events",
        type=int,
        default=0,
        metavar="N",
        help="so many weather events at once in which a resting leg pays, benign, informed and thin in turn (0: none)",
    )
    add("--still", action="store_true", help="books exactly as recorded: no flow, no edge, no new events")
    add("--state", type=Path, metavar="FILE", help="go on from this file and keep it")
    add("--save-every", type=float, default=5.0, metavar="SECONDS", help="checkpoint into --state this often")
    add(
        "--replay",
        type=Path,
        metavar="FILE",
        help="send recorded WebSocket messages (ndjson, gzipped or not, or a folder of them)",
    )
    add("--replay-speed", default="1", metavar="X|max", help="speed of --replay")
    add("--tier", choices=tuple(TIERS), default="basic", help="rate limits")
    add("--no-rate-limits", action="store_true", help="token buckets off")
    add("--fee-grid", choices=("0.0001", "0.01"), default="0.0001", help="balance grid: direct member or cleared")
    add("--balance", default="10000", metavar="DOLLARS", help="starting cash of the account")
    add("--balance-split", default="0:40,1:10,2:20,3:30", metavar="SHARD:PERCENT,...", help="its shares on the shards")
    add(
        "--read-delay", type=int, default=0, metavar="MS", help="age of order, fill, position and balance reads (0-500)"
    )
    add(
        "--stale-cache",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="age of cached market and series answers (CDN: 15)",
    )
    add("--latency", type=int, default=0, metavar="MS", help="delay of every answer")
    add("--scalar-rate", type=float, default=0.0, help="share of events that end void")
    add("--settlement-timer", type=int, default=3, metavar="SECONDS", help="from determination to payment")
    add("--weekly-maintenance", action="store_true", help="pause trading on Thursdays 03:00-05:00 Eastern")
    add("--fault", action="append", default=[], metavar="KIND:NAME=VALUE,...", help="a fault rule; may be given often")
    add("--manual-clock", action="store_true", help="time moves only by POST /twin/clock")
    return found


def config_of(args: argparse.Namespace) -> SimulatorConfig:
    """Arguments as settings; UsageError if one is impossible."""
    try:
        balance = parse_units(args.balance, 6)
        split = {
            int(shard): int(percent) for shard, percent in (pair.split(":") for pair in args.balance_split.split(","))
        }
        if set(split) - {0, 1, 2, 3} or balance % CENT:
            raise ValueError
    except ValueError:
        raise UsageError(
            "--balance wants dollars and cents, --balance-split wants shard:percent pairs like 0:40,1:10,2:20,3:30"
        ) from None
    if not 0 <= args.read_delay <= 60_000:
        raise UsageError("--read-delay is between 0 and 60000 ms")
    try:
        return SimulatorConfig(
            seed=args.seed,
            speed=args.speed,
            still=args.still,
            edge_every_s=args.edge_every,
            turn_every=args.turn_every,
            maker_events=args.maker_events,
            tier=args.tier,
            fee_grid=CENTICENT if args.fee_grid == "0.0001" else CENT,
            balance=balance,
            balance_split=split,
            read_delay_ms=args.read_delay,
            stale_cache_ms=round(args.stale_cache * 1000),
            latency_ms=args.latency,
            scalar_rate=args.scalar_rate,
            settlement_timer_s=args.settlement_timer,
            rate_limits=not args.no_rate_limits,
            weekly_maintenance=args.weekly_maintenance,
        )
    except ValueError as error:
        raise UsageError(str(error)) from None


def build(args: argparse.Namespace) -> tuple[Exchange, str]:
    """The exchange of these arguments and the key id; raises one of the errors that ``main`` turns into a sentence."""
    config = config_of(args)
    key, _ = load_or_create(args.credentials, args.key_type)
    clock: Clock = ManualClock(RealClock().now_ms()) if args.manual_clock else RealClock()
    exchange = Exchange(
        config, clock, KeyRing({key.key_id: key}, config.auth_window_ms, clock.now_ms() // 1000 + 86_400 * 365)
    )
    loaded = load_snapshot(args.snapshot, config, exchange.streams, clock.now_ms())
    file = StateFile(args.state) if args.state else None
    if file is not None and file.exists():
        checkpoint, lines = file.load()
        exchange.recorded = loaded
        restore(exchange, checkpoint, lines)
    else:
        exchange.list_snapshot(loaded)
        exchange.open_accounts()
    if file is not None:
        try:
            file.path.parent.mkdir(parents=True, exist_ok=True)
            file.save(exchange)
        except OSError as error:
            raise StateError(f"the state file {file.path} cannot be written: {error.strerror or error}") from None
    exchange.ledger.take_changes(clock.now_ms())
    exchange.relisted.clear()
    exchange.file = file
    for text in args.fault:
        exchange.faults.add(**parse_fault(text))
    exchange.begin()
    return exchange, key.key_id


def main(argv: list[str] | None = None) -> int:
    """Serve until a signal; 2 with one sentence on stderr for anything that is wrong with the input."""
    try:
        args = parser().parse_args(argv)
        tape = replay.load(args.replay, args.replay_speed) if args.replay else None
        exchange, key_id = build(args)

        def ready(port: int) -> None:
            base = f"127.0.0.1:{port}"
            print(
                json.dumps(
                    {
                        "ready": True,
                        "port": port,
                        "rest": f"http://{base}/trade-api/v2",
                        "ws": f"ws://{base}/trade-api/ws/v2",
                        "key_id": key_id,
                        "credentials": str(args.credentials.resolve()),
                    }
                ),
                flush=True,
            )

        asyncio.run(server.serve(exchange, args.port, ready, save_every_s=args.save_every, tape=tape))
    except (
        UsageError,
        CredentialsError,
        SnapshotError,
        StateError,
        FaultError,
        replay.ReplayError,
        server.ListenError,
    ) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    return 0
