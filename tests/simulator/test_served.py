"""The process: one ready line, one port for everything, clean stops, hard kills, one sentence for bad input."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests

from simulator.accounts.auth import load_or_create

from .served import ROOT, Served, frames_until
from .world import B825, HIGH, T80, write_snapshot


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    options = (
        "--snapshot",
        str(write_snapshot(folder)),
        "--still",
        "--no-rate-limits",
        "--state",
        str(folder / "state"),
    )
    with Served(folder, *options) as served:
        yield served
        assert served.stop() < 2.0


def order(
    served: Served, client_id: str, price: str = "0.4200", count: str = "1", **more: object
) -> tuple[int, dict[str, Any]]:
    return served.call(
        "POST",
        "/portfolio/events/orders",
        {
            "ticker": B825,
            "side": "bid",
            "price": price,
            "count": count,
            "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": "maker",
            "client_order_id": client_id,
            "exchange_index": 0,
            **more,
        },
    )


def test_rest_over_the_wire(served: Served) -> None:
    assert served.ready["ready"] is True
    assert served.ready["key_id"] == served.key.key_id
    assert served.call("GET", "/markets", limit=3)[1]["cursor"]
    status, body = order(served, "wire-1")
    assert (status, body["fill_count"]) == (201, "1.00")
    assert served.call("GET", "/portfolio/positions")[1]["market_positions"][0]["position_fp"] == "1.00"
    assert served.call("DELETE", "/portfolio/events/orders") == (204, None)
    unsigned = requests.get(f"{served.url}/trade-api/v2/portfolio/orders", timeout=60)
    assert unsigned.status_code == 401
    assert served.truth()["balanced"]


def test_websocket_over_the_wire(served: Served) -> None:
    async def session() -> None:
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(served.ready["ws"])
            assert refused.value.status == 401
            async with served.connect(http) as ws:
                await ws.send_str(
                    json.dumps(
                        {"id": 1, "cmd": "subscribe", "params": {"channels": ["orderbook_delta"], "market_ticker": T80}}
                    )
                )
                assert [f["type"] for f in await frames_until(ws, 2)] == ["subscribed", "orderbook_snapshot"]
                served.control("market/book", ticker=T80, yes=[["0.1000", "5"]], no=[])
                deltas = await frames_until(ws, 5)
                assert [d["seq"] for d in deltas] == [2, 3, 4, 5, 6]
                served.control("disconnect")
                assert (await ws.receive()).type in (
                    aiohttp.WSMsgType.CLOSED,
                    aiohttp.WSMsgType.CLOSE,
                    aiohttp.WSMsgType.ERROR,
                )

    asyncio.run(session())


def test_pings_carry_heartbeat(served: Served) -> None:
    served.control("settings", ping_interval_s=0.05)

    async def session() -> None:
        async with aiohttp.ClientSession() as http, served.connect(http, autoping=False) as ws:
            message = await ws.receive(timeout=60)
            assert (message.type, bytes(message.data)) == (aiohttp.WSMsgType.PING, b"heartbeat")

    asyncio.run(session())
    served.control("settings", ping_interval_s=10.0)


def test_a_flood_sends_as_many_as_its_rate_and_its_seconds_say(served: Served) -> None:
    async def session() -> int:
        async with aiohttp.ClientSession() as http, served.connect(http) as ws:
            await ws.send_str(json.dumps({"id": 1, "cmd": "subscribe", "params": {"channels": ["ticker"]}}))
            await frames_until(ws, 1)
            served.control("flood", rate=2_000, seconds=1)
            count = len(await frames_until(ws, 1_999))
            while True:
                try:
                    await ws.receive(timeout=1)
                except TimeoutError:
                    return count
                count += 1

    assert asyncio.run(session()) in (1_999, 2_000)


def test_a_timed_out_request_hangs_and_its_order_exists(served: Served) -> None:
    served.control("faults", kind="timeout", when="after", path="/portfolio/events/orders")
    with pytest.raises(requests.ReadTimeout):
        served.call(
            "POST",
            "/portfolio/events/orders",
            {
                "ticker": B825,
                "side": "bid",
                "price": "0.0100",
                "count": "1",
                "time_in_force": "good_till_canceled",
                "self_trade_prevention_type": "maker",
                "client_order_id": "lost",
            },
            timeout=0.3,
        )
    assert order(served, "lost")[0] == 409


def test_admin_says_what_is_wrong(served: Served) -> None:
    for name, body in (
        ("nothing", {}),
        ("faults", {"kind": "x"}),
        ("market/pause", {"ticker": "x"}),
        ("clock", {"advance_ms": 1}),
    ):
        answer = requests.post(f"{served.url}/twin/{name}", json=body, timeout=60)
        assert answer.status_code in (400, 404)
        assert answer.json()["error"]


def test_balance_and_positions_survive_sigkill(tmp_path: Path) -> None:
    options = (
        "--snapshot",
        str(write_snapshot(tmp_path)),
        "--still",
        "--no-rate-limits",
        "--state",
        str(tmp_path / "state"),
    )
    with Served(tmp_path, *options) as first:
        for number in range(5):
            assert order(first, f"k-{number}")[0] == 201
        before = first.truth("positions")
        first.kill()
    with Served(tmp_path, *options) as second:
        after = second.truth("positions")
        assert (after["cash"], after["positions"]) == (before["cash"], before["positions"])
        assert order(second, "k-1")[0] == 409
        assert second.stop() < 2.0


def test_a_manual_clock_moves_only_on_request(tmp_path: Path) -> None:
    with Served(tmp_path, "--snapshot", str(write_snapshot(tmp_path)), "--manual-clock", "--still") as served:
        start = requests.get(f"{served.url}/twin/clock", timeout=60).json()["now_ms"]
        closes = next(e for e in [served.call("GET", f"/events/{HIGH}")[1]])["markets"][0]["close_time"]
        assert served.control("clock", advance_ms=86_400_000)["now_ms"] == start + 86_400_000
        answer = requests.get(f"{served.url}/trade-api/v2/events/{HIGH}", timeout=60).json()
        assert answer["markets"][0]["close_time"] == closes


def test_bad_input_gives_one_sentence_and_code_2(tmp_path: Path) -> None:
    credentials, broken = ("--credentials", str(tmp_path / "c")), tmp_path / "broken"
    small = ("--snapshot", str(write_snapshot(tmp_path)))
    load_or_create(tmp_path / "c")
    broken.mkdir()
    (broken / "private_key.pem").write_text("not a key")
    state = tmp_path / "state"
    state.write_text("not a state")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        cases = {
            (*credentials, "--snapshot", str(tmp_path)): "is not a snapshot",
            (*credentials, *small, "--port", str(taken.getsockname()[1])): "is in use",
            (*small, "--credentials", str(broken)): "is not an unencrypted PEM private key",
            (*credentials, *small, "--state", str(state)): "is not a state file",
            (*credentials, *small, "--speed", "-1"): "speed must be above zero",
            (*credentials, *small, "--fault", "explode"): "unknown fault",
        }
        pipe = subprocess.PIPE
        running = [
            (
                subprocess.Popen(
                    [sys.executable, "-m", "simulator", *options], stdout=pipe, stderr=pipe, cwd=ROOT, text=True
                ),
                words,
            )
            for options, words in cases.items()
        ]
        for process, words in running:
            out, error = process.communicate(timeout=60)
            assert (process.returncode, out) == (2, ""), words
            assert words in error
            assert error.count("\n") == 1
            assert "Traceback" not in error


def test_replay_is_renumbered_and_rebuilds_the_recorded_book(tmp_path: Path) -> None:
    ticker = "KXGOLD15M-26AUG102015-15"
    rows: list[tuple[str, dict[str, Any]]] = [
        ("orderbook_snapshot", {"yes_dollars_fp": [["0.4000", "10.00"]], "no_dollars_fp": [["0.5500", "7.50"]]})
    ]
    rows += [("orderbook_delta", {"price_dollars": "0.4100", "delta_fp": f"{n}.00", "side": "yes"}) for n in (3, -3, 5)]
    rows += [("orderbook_delta", {"price_dollars": "0.5500", "delta_fp": "-7.50", "side": "no"})]
    rows += [
        (
            "trade",
            {
                "trade_id": "5b7d2b8e-7a0f-4a1c-9a52-77f6b8a1c001",
                "yes_price_dollars": "0.4500",
                "no_price_dollars": "0.5500",
                "count_fp": "7.50",
                "taker_side": "yes",
            },
        )
    ]
    with gzip.open(tmp_path / "tape.ndjson.gz", "wt") as out:
        for number, (kind, body) in enumerate(rows):
            event = {"type": kind, "sid": 4, "seq": 11_852_875 + 7 * number, "msg": {"market_ticker": ticker, **body}}
            out.write(json.dumps({"recv_ms": 1_786_406_485_476 + number, "event": event}) + "\n")

    async def session(served: Served) -> list[dict[str, Any]]:
        async with aiohttp.ClientSession() as http, served.connect(http) as ws:
            await ws.send_str(
                json.dumps({"id": 1, "cmd": "subscribe", "params": {"channels": ["trade"], "market_ticker": ticker}})
            )
            await ws.send_str(
                json.dumps(
                    {"id": 2, "cmd": "subscribe", "params": {"channels": ["orderbook_delta"], "market_ticker": ticker}}
                )
            )
            return await frames_until(ws, 9)

    options = (
        "--snapshot",
        str(write_snapshot(tmp_path)),
        "--still",
        "--replay",
        str(tmp_path / "tape.ndjson.gz"),
        "--replay-speed",
        "max",
    )
    with Served(tmp_path, *options) as served:
        frames = asyncio.run(session(served))
        book = served.call("GET", f"/markets/{ticker}/orderbook")[1]["orderbook_fp"]
    assert book == {"yes_dollars": [["0.4000", "10.00"], ["0.4100", "5.00"]], "no_dollars": []}
    books = [f for f in frames if f["type"].startswith("orderbook")]
    assert [f["seq"] for f in books] == list(range(1, len(books) + 1))
    assert [f["seq"] for f in frames if f["type"] == "trade"] == [1]
