"""The price stream against a flood, Redis included, beside the plain way and the peers in the same run; and its latency."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from bench.streaming import latency, ours, peers, plain
from bench.streaming.stage import Running, certificate, flood, redis_server

PLAIN_SHARE = 20
"""The plain way gets this part of the messages: it needs that much longer for each."""
RATES = (2_000, 25_000)


def measure(name: str, target: Any, messages: int, markets: int, server: dict[str, Any], **more: Any) -> dict[str, Any]:
    """One run against a flood of its own."""
    with flood(markets=markets, messages=messages, **server) as port:
        count, wall, cpu, facts = Running(target, port, markets, messages, **more).answer()
    found = {"messages": count, "per_second": round(count / wall), "per_cpu_second": round(count / cpu), **facts}
    print(f"{name}: {found['per_second']:,} messages/s", file=sys.stderr)
    return found


def throughput(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Plain, ours, ours over TLS, and the peers that are installed (without Redis, which is to their advantage)."""
    truth, pem = str(folder / "truth.json"), certificate(folder)
    short = max(2_000, options.messages // PLAIN_SHARE)
    found = {
        "plain": measure("plain", plain.run, short, options.markets, {}),
        "ours": measure("ours", ours.run, options.messages, options.markets, {"truth": truth}, truth=truth),
    }
    os.environ["REQUESTS_CA_BUNDLE"] = pem
    over_tls = {"certificate": pem, "truth": truth}
    found["ours_tls"] = measure(
        "ours, TLS", ours.run, options.messages // 2, options.markets, over_tls, scheme="wss", truth=truth
    )
    for name, peer in peers.installed().items():
        if peer is not None:
            found[name] = measure(name, peer, options.messages // 4, options.markets, {})
    ratios = {name: round(run["per_second"] / found["plain"]["per_second"], 1) for name, run in found.items()}
    ratios |= {
        f"{name}_per_cpu_second": round(run["per_cpu_second"] / found["plain"]["per_cpu_second"], 1)
        for name, run in found.items()
    }
    missing = [name for name, peer in peers.installed().items() if peer is None]
    return {"runs": found, "times_the_plain_way": ratios, "peers_not_installed": missing}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bin/bench stream", description=__doc__)
    parser.add_argument("--markets", type=int, default=4096, help="markets (default %(default)s)")
    parser.add_argument("--messages", type=int, default=400_000, help="messages of the flood (default %(default)s)")
    parser.add_argument("--rate", type=float, action="append", help="only latency, at so many messages a second")
    parser.add_argument("--seconds", type=float, default=5, help="length of a latency run")
    options = parser.parse_args(argv)
    with redis_server() as folder:
        found = {} if options.rate else throughput(options, folder)
        found["latency"] = []
        for rate in options.rate or RATES:
            found["latency"].append(run := latency.measure(rate, options.seconds, options.markets))
            print(f"latency at {rate:,.0f}/s: p50 {run['p50_ms']}, p99 {run['p99_ms']} ms", file=sys.stderr)
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
