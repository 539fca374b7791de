"""The wire: parsing tickers, deltas and event pages, and signing, against the plain way."""

from __future__ import annotations

import argparse
import gzip
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from markets.kalshi.schemas.pages import parse_event_page
from markets.kalshi.signing import Signer
from markets.kalshi.ws.intake import Intake

SNAPSHOTS = Path(__file__).resolve().parent.parent / "simulator" / "data"
MARKETS = 4096


def messages(kind: Callable[[random.Random, int], dict[str, Any]], count: int, seed: int) -> list[bytes]:
    """``count`` messages of invented but ordinary values."""
    draw = random.Random(seed)
    return [json.dumps(kind(draw, seq), separators=(",", ":")).encode() for seq in range(1, count + 1)]


def ticker(draw: random.Random, seq: int) -> dict[str, Any]:
    bid = draw.randrange(1, 98)
    return {
        "type": "ticker",
        "sid": 2,
        "msg": {
            "market_ticker": f"KXBENCH-26NOV23-T{draw.randrange(MARKETS)}",
            "market_id": "0d6d6c0e-5d5c-4a52-8f4e-0f6c6f3a1b11",
            "price_dollars": f"0.{bid:02d}00",
            "yes_bid_dollars": f"0.{bid:02d}00",
            "yes_ask_dollars": f"0.{bid + 1:02d}00",
            "yes_bid_size_fp": f"{draw.randrange(1, 900)}.{draw.choice(['00', '00', '25', '50'])}",
            "yes_ask_size_fp": f"{draw.randrange(1, 900)}.00",
            "last_trade_size_fp": "3.00",
            "volume_fp": f"{draw.randrange(100_000)}.00",
            "open_interest_fp": f"{draw.randrange(20_000)}.00",
            "dollar_volume": 2090,
            "dollar_open_interest": 905,
            "ts": 1795400000,
            "ts_ms": 1795400000000 + seq,
            "time": "2026-11-23T02:13:20.123Z",
        },
        "sending_ts_ms": 1795400000000 + seq,
    }


def delta(draw: random.Random, seq: int) -> dict[str, Any]:
    return {
        "type": "orderbook_delta",
        "sid": 1,
        "seq": seq,
        "msg": {
            "market_ticker": f"KXBENCH-26NOV23-T{draw.randrange(MARKETS)}",
            "market_id": "0d6d6c0e-5d5c-4a52-8f4e-0f6c6f3a1b11",
            "clock": seq,
            "price_dollars": f"0.{draw.randrange(1, 99):02d}00",
            "delta_fp": f"{draw.choice(['', '-'])}{draw.randrange(1, 900)}.00",
            "side": draw.choice(["yes", "no"]),
            "ts_ms": 1795400000000 + seq,
            "ts": "2026-11-23T02:13:21.456Z",
        },
        "sending_ts_ms": 1795400000000 + seq,
    }


def plain_messages(payloads: list[bytes]) -> list[dict[str, Any]]:
    """``json`` into dicts, prices and sizes as Decimal: what most clients do."""
    out = []
    for payload in payloads:
        message = json.loads(payload)
        body = message["msg"]
        for name in body:
            if name.endswith(("_dollars", "_fp")):
                body[name] = Decimal(body[name])
        out.append(message)
    return out


def event_page() -> bytes:
    """200 recorded events with their markets, and the texts and times that a live page has besides."""
    (path, *_) = sorted(SNAPSHOTS.glob("*/events.jsonl.gz"))
    with gzip.open(path) as lines:
        page = json.loads(next(iter(lines)))
    for event in page["events"]:
        event["last_updated_ts"] = "2026-07-18T09:30:40.045105Z"
        for market in event["markets"]:
            market.update(
                created_time="2026-07-18T09:30:40.035951Z",
                updated_time="2026-07-18T14:00:00.801802Z",
                open_time="2026-07-18T14:00:00Z",
                close_time="2026-07-20T04:59:00Z",
                latest_expiration_time="2026-07-26T14:00:00Z",
                settlement_timer_seconds=3600,
                last_price_dollars="0.3100",
                volume_fp="3041.44",
                volume_24h_fp="2957.99",
                open_interest_fp="2192.15",
                rules_primary="If the highest temperature recorded is less than 80°, then it resolves to Yes. " * 3,
                rules_secondary="Not all weather data is the same. Preliminary reporting may be rounded. " * 5,
                can_close_early=True,
                exchange_index=0,
            )
    return json.dumps(page, separators=(",", ":")).encode()


def plain_page(body: bytes) -> list[dict[str, Any]]:
    """``json`` into dicts, Decimal prices, datetime times."""
    page = json.loads(body, parse_float=Decimal)
    for event in page["events"]:
        for market in event["markets"]:
            for name, value in market.items():
                if isinstance(value, str) and name.endswith(("_dollars", "_fp")):
                    market[name] = Decimal(value)
                elif isinstance(value, str) and name.endswith("_time") and value:
                    market[name] = datetime.fromisoformat(value)
            for band in market["price_ranges"]:
                for name in ("start", "end", "step"):
                    band[name] = Decimal(band[name])
    return list(page["events"])


def compare(plain: Callable[[], object], ours: Callable[[], object], units: int, runs: int) -> dict[str, Any]:
    """Medians per second of CPU time of ``units`` pieces, both ways in turn."""
    seconds: dict[str, list[float]] = {"plain": [], "ours": []}
    for _ in range(runs):
        for name, work in (("plain", plain), ("ours", ours)):
            began = time.process_time()
            work()
            seconds[name].append(time.process_time() - began)
    slow, fast = statistics.median(seconds["plain"]), statistics.median(seconds["ours"])
    return {
        "plain_per_s": round(units / slow),
        "ours_per_s": round(units / fast),
        "ours_us_each": round(fast / units * 1e6, 2),
        "ratio": round(slow / fast, 2),
    }


def pem_of(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def signing(key: Any, count: int, runs: int) -> dict[str, Any]:
    """Header sets per second, against reading the key again for each request."""
    pem = pem_of(key)
    signer = Signer.from_pem("bench", pem)
    path = "/trade-api/v2/portfolio/events/orders"

    def plain() -> None:
        for now in range(count):
            loaded: Any = serialization.load_pem_private_key(pem, password=None)
            text = f"{now}POST{path}".encode()
            if isinstance(loaded, rsa.RSAPrivateKey):
                pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
                loaded.sign(text, pss, hashes.SHA256())
            else:
                loaded.sign(text)

    def ours() -> None:
        for now in range(count):
            signer.headers("POST", path, now)

    return compare(plain, ours, count, runs)


def main(argv: list[str]) -> int:
    options = argparse.ArgumentParser(prog="bin/bench wire", description=__doc__)
    options.add_argument("--messages", type=int, default=20_000, help="messages of each kind (default %(default)s)")
    options.add_argument("--runs", type=int, default=7, help="runs, of which the median counts (default %(default)s)")
    chosen = options.parse_args(argv)
    tickers = messages(ticker, chosen.messages, 1)
    deltas = messages(delta, chosen.messages, 2)
    page = event_page()
    parsed = parse_event_page(page)
    rows = sum(len(event.markets) for event in parsed.events)
    assert not parsed.rejected
    result = {
        "ticker": compare(
            lambda: plain_messages(tickers), lambda: Intake().feed(tickers), chosen.messages, chosen.runs
        ),
        "delta": compare(lambda: plain_messages(deltas), lambda: Intake().feed(deltas), chosen.messages, chosen.runs),
        "event_page": {
            "events": len(parsed.events),
            "markets": rows,
            "bytes": len(page),
            **compare(lambda: plain_page(page), lambda: parse_event_page(page), 1, chosen.runs),
        },
        "sign_rsa_2048": signing(rsa.generate_private_key(public_exponent=65537, key_size=2048), 8, chosen.runs),
        "sign_ed25519": signing(ed25519.Ed25519PrivateKey.generate(), 300, chosen.runs),
        "note": "ours includes the whole boundary: checks, sequence numbers, tally; medians of CPU time, plain and ours in turn",
    }
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
