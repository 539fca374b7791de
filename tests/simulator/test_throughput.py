"""What the simulator sustains: 5,000 messages a second to one client on one core, thousands of requests a second in process."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from simulator.accounts.auth import signed_headers

from .served import Served
from .world import B825, Client, make_exchange, write_snapshot

pytestmark = pytest.mark.slow


class Sink(threading.Thread):
    """A client that reads as fast as it can and parses nothing, so that the simulator is what is measured."""

    def __init__(self, served: Served) -> None:
        super().__init__(daemon=True)
        path = "/trade-api/ws/v2"
        headers = signed_headers(served.key.key_id, served.private, "GET", path, int(time.time() * 1000))
        headers |= {
            "Host": "127.0.0.1",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.socket = socket.create_connection(("127.0.0.1", served.ready["port"]))
        self.socket.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        assert self.socket.recv(4_096).startswith(b"HTTP/1.1 101")

    def send(self, command: dict[str, object]) -> None:
        body = json.dumps(command).encode()
        self.socket.sendall(b"\x81" + bytes((0x80 | 127,)) + len(body).to_bytes(8, "big") + bytes(4) + body)

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while self.socket.recv(1 << 20):
                pass


def _flood(served: Served, channel: str, rate: int, seconds: float) -> tuple[float, float]:
    """Messages a second that left for one client, and the simulator's CPU share meanwhile."""
    sink = Sink(served)
    sink.start()
    tickers = [
        m["ticker"] for m in served.call("GET", "/markets", limit=500)[1]["markets"] if float(m["yes_ask_size_fp"]) > 0
    ]
    params = {"channels": [channel]} | ({} if channel == "ticker" else {"market_tickers": tickers})
    sink.send({"id": 1, "cmd": "subscribe", "params": params})
    time.sleep(0.5)
    cpu, sent = _cpu(served.process.pid), served.truth("none")["counts"]["frames_sent"]
    began = time.monotonic()
    served.control("flood", rate=rate, seconds=seconds, channel=channel)
    time.sleep(seconds)
    took = time.monotonic() - began
    found = (served.truth("none")["counts"]["frames_sent"] - sent) / took, (_cpu(served.process.pid) - cpu) / took
    sink.socket.close()
    return found


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("channel", ["ticker", "orderbook_delta"])
def test_five_thousand_messages_a_second_to_one_client(tmp_path: Path, channel: str) -> None:
    with Served(tmp_path, "--no-rate-limits", "--speed", "60", "--edge-every", "5") as served:
        for rate, seconds in ((5_000, 4.0), (100_000, 3.0)):
            sent, cpu = _flood(served, channel, rate, seconds)
            print(
                json.dumps(
                    {
                        "channel": channel,
                        "requested_per_s": rate,
                        "sent_per_s": round(sent),
                        "simulator_cpu_share": round(cpu, 2),
                    }
                )
            )
            assert sent > 4_800
            if rate == 5_000:
                assert cpu < 0.9
        served.stop()


def test_thousands_of_requests_a_second_in_process(tmp_path: Path) -> None:
    client = Client(make_exchange(write_snapshot(tmp_path)))
    began = time.perf_counter()
    for _ in range(3_000):
        order = client.placed(B825, "bid", "0.1000", "1")
        client.cancel(order, exchange_index=0)
    rate = 6_000 / (time.perf_counter() - began)
    print(json.dumps({"create_and_cancel_per_s": round(rate)}))
    assert rate > 3_000
