"""A WebSocket session against a real server on loopback."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from markets.kalshi.environment import from_settings
from markets.kalshi.errors import Disconnected, KalshiError, RateLimited, Unauthorised, Unreachable
from markets.kalshi.signing import Signer
from markets.kalshi.ws import frames
from markets.kalshi.ws.session import SILENCE_MS, Session

from .bodies import DELTA, SNAPSHOT, TICKER, but, present
from .sockets import FakeSocketServer, socket_server


@pytest.fixture
def server() -> Iterator[FakeSocketServer]:
    with socket_server() as running:
        yield running


@pytest.fixture
def session(server: FakeSocketServer, signer: Signer) -> Iterator[Session]:
    opened = Session(server.environment, signer, chunk=2)
    opened.connect()
    yield opened
    opened.close()


def receive(session: Session, count: int) -> list[Any]:
    """At least ``count`` frames, or what came in twenty seconds."""
    found: list[Any] = []
    end = time.monotonic() + 20
    while len(found) < count and time.monotonic() < end:
        found += session.receive(0.1)
    return found


def subscribed(server: FakeSocketServer, channel: str, sid: int) -> dict[str, Any]:
    command: dict[str, Any] = server.command()
    server.say({"type": "subscribed", "id": command["id"], "msg": {"channel": channel, "sid": sid}})
    return command


def test_the_upgrade_is_signed(
    server: FakeSocketServer, session: Session, ed25519_key: ed25519.Ed25519PrivateKey
) -> None:
    headers = server.upgrades[0].headers
    assert server.upgrades[0].path == "/trade-api/ws/v2"
    text = f"{headers['KALSHI-ACCESS-TIMESTAMP']}GET/trade-api/ws/v2"
    ed25519_key.public_key().verify(base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"]), text.encode())
    assert abs(present(session.skew.skew_ms)) < 1500


def test_each_connection_has_a_signature_of_its_own(server: FakeSocketServer, signer: Signer) -> None:
    ticks = iter([1_795_400_000_000, 1, 2, 1_795_400_005_000, 3, 4, 5, 6])
    for _ in range(2):
        session = Session(server.environment, signer, clock=lambda: next(ticks))
        session.connect()
        session.close()
    stamps = [upgrade.headers["KALSHI-ACCESS-TIMESTAMP"] for upgrade in server.upgrades]
    assert stamps == ["1795400000000", "1795400005000"]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, b'{"error":{"code":"header_timestamp_expired","message":"late"}}', Unauthorised),
        (429, b'{"error":"slow"}', RateLimited),
        (503, b"", Unreachable),
    ],
)
def test_a_refused_upgrade_says_why(
    server: FakeSocketServer, signer: Signer, status: int, body: bytes, error: type[KalshiError]
) -> None:
    server.refuse = (status, body)
    with pytest.raises(error):
        Session(server.environment, signer).connect()


def test_a_server_that_is_not_there_is_unreachable(signer: Signer) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(Unreachable):
        Session(from_settings(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"), signer).connect()


def test_books_are_subscribed_in_chunks_with_their_orientation_said(server: FakeSocketServer, session: Session) -> None:
    last = session.subscribe(["orderbook_delta"], ["A", "B", "C"])
    first, second = server.command(), server.command()
    assert first == {
        "id": 1,
        "cmd": "subscribe",
        "params": {"channels": ["orderbook_delta"], "use_yes_price": False, "market_tickers": ["A", "B"]},
    }
    assert (second["id"], second["params"]["market_tickers"]) == (last, ["C"])
    with pytest.raises(ValueError, match="needs market tickers"):
        session.subscribe(["orderbook_delta"])


def test_channels_of_all_markets_are_subscribed_without_tickers(server: FakeSocketServer, session: Session) -> None:
    session.subscribe(["ticker"])
    session.subscribe(["ticker"], ["A"], send_initial_snapshot=True, skip_ticker_ack=True)
    assert server.command()["params"] == {"channels": ["ticker"]}
    assert server.command()["params"] == {
        "channels": ["ticker"],
        "send_initial_snapshot": True,
        "skip_ticker_ack": True,
        "market_tickers": ["A"],
    }


def test_acknowledgements_give_the_sid_and_clear_what_is_pending(server: FakeSocketServer, session: Session) -> None:
    session.subscribe(["fill", "user_orders"])
    command: dict[str, Any] = server.command()
    server.say({"type": "subscribed", "id": command["id"], "msg": {"channel": "fill", "sid": 4}})
    receive(session, 1)
    assert list(session.pending) == [1]
    server.say({"type": "subscribed", "id": command["id"], "msg": {"channel": "user_orders", "sid": 5}})
    receive(session, 1)
    assert session.pending == {}
    assert (session.sid_of("fill"), session.sid_of("user_orders"), session.sid_of("ticker")) == (4, 5, None)


def test_subscriptions_that_nobody_made_are_not_kept(server: FakeSocketServer, session: Session) -> None:
    session.subscribe(["fill"])
    server.command()
    server.say(*({"type": "subscribed", "id": 1, "msg": {"channel": f"c{n}", "sid": n}} for n in range(50)))
    receive(session, 50)
    assert {session.sid_of(f"c{n}") for n in range(50)} == {None}


def test_a_subscription_is_extended_shrunk_repaired_and_ended(server: FakeSocketServer, session: Session) -> None:
    session.subscribe(["orderbook_delta"], ["A"])
    subscribed(server, "orderbook_delta", 1)
    receive(session, 1)
    session.add_markets(1, ["B", "C", "D"])
    session.delete_markets(1, ["A"])
    snapshots = session.get_snapshot(1, ["B"])
    session.list_subscriptions()
    session.unsubscribe([1])
    commands = [server.command() for _ in range(6)]
    assert [c["params"].get("action") for c in commands[:4]] == [
        "add_markets",
        "add_markets",
        "delete_markets",
        "get_snapshot",
    ]
    assert commands[0]["params"] == {"sids": [1], "action": "add_markets", "market_tickers": ["B", "C"]}
    assert commands[4] == {"id": 6, "cmd": "list_subscriptions"}
    assert commands[5] == {"id": 7, "cmd": "unsubscribe", "params": {"sids": [1]}}
    assert len(session.pending) == 6
    server.say(
        {"type": "ok", "id": 2, "sid": 1, "seq": 1, "msg": {"market_tickers": ["A", "B", "C"]}},
        {"type": "ok", "id": 3, "sid": 1, "seq": 2},
        {"type": "ok", "id": 4, "sid": 1, "seq": 3},
        but(SNAPSHOT, id=snapshots, seq=4),
        {"type": "ok", "id": 6, "msg": [{"channel": "orderbook_delta", "sid": 1}]},
        {"type": "unsubscribed", "id": 7, "sid": 1, "seq": 5},
    )
    found = receive(session, 6)
    assert [type(frame) for frame in found] == [
        frames.Ack,
        frames.Ack,
        frames.Ack,
        frames.BookSnapshot,
        frames.Ack,
        frames.Ack,
    ]
    assert session.pending == {}
    assert session.sid_of("orderbook_delta") is None
    with pytest.raises(ValueError, match="no market"):
        session.add_markets(1, [])


def test_a_command_that_is_refused_is_no_longer_pending_and_a_silent_one_is_overdue(
    server: FakeSocketServer, signer: Signer
) -> None:
    now = [1000]
    session = Session(server.environment, signer, clock=lambda: now[0])
    session.connect()
    bad = session.subscribe(["nonsense"])
    session.subscribe(["ticker"])
    server.say({"type": "error", "id": bad, "msg": {"code": 8, "msg": "Unknown channel name"}})
    receive(session, 1)
    now[0] += 10_001
    assert [command.cmd for command in session.overdue()] == ["subscribe"]
    assert [command.params["channels"] for command in session.overdue()] == [["ticker"]]
    session.close()


def test_yes_priced_books_are_turned_round(server: FakeSocketServer, session: Session) -> None:
    session.subscribe(["orderbook_delta"], ["KXDEMO-26NOV23-A"], use_yes_price=True)
    assert subscribed(server, "orderbook_delta", 3)["params"]["use_yes_price"] is True
    server.say(but(SNAPSHOT, sid=3, msg__no_dollars_fp=[["0.4300", "7.25"], ["0.4500", "30.00"]]))
    snapshot = receive(session, 2)[1]
    assert snapshot.no == ((5700, 725), (5500, 3000))


@pytest.mark.parametrize("code", [10, 25])
def test_a_terminal_error_ends_the_subscription(server: FakeSocketServer, session: Session, code: int) -> None:
    session.subscribe(["orderbook_delta"], ["A"])
    subscribed(server, "orderbook_delta", 1)
    server.say(SNAPSHOT, {"type": "error", "sid": 1, "seq": 2, "msg": {"code": code, "msg": "overflow"}})
    receive(session, 3)
    assert session.sid_of("orderbook_delta") is None
    session.subscribe(["orderbook_delta"], ["A"])
    subscribed(server, "orderbook_delta", 2)
    server.say(but(SNAPSHOT, sid=2))
    assert not any(isinstance(frame, frames.GapFrame) for frame in receive(session, 2))
    assert session.sid_of("orderbook_delta") == 2


def test_gaps_and_duplicates_are_seen_and_repaired_by_a_snapshot(server: FakeSocketServer, session: Session) -> None:
    session.subscribe(["orderbook_delta"], ["KXDEMO-26NOV23-A"])
    subscribed(server, "orderbook_delta", 1)
    server.say(SNAPSHOT, DELTA, DELTA, but(DELTA, seq=5))
    found = receive(session, 5)
    assert [type(frame) for frame in found[1:]] == [
        frames.BookSnapshot,
        frames.BookDelta,
        frames.GapFrame,
        frames.BookDelta,
    ]
    command = session.get_snapshot(1, ["KXDEMO-26NOV23-A"])
    server.command()
    server.say(but(SNAPSHOT, id=command, seq=6), but(DELTA, seq=7))
    assert [type(frame) for frame in receive(session, 2)] == [frames.BookSnapshot, frames.BookDelta]
    tally = session.intake.tally
    assert (tally.received, tally.duplicates, tally.balances) == (7, 1, True)


def test_many_frames_come_in_one_call(server: FakeSocketServer, session: Session) -> None:
    for number in range(300):
        server.say(but(TICKER, msg__market_ticker=f"T{number}"))
    time.sleep(0.2)
    found: list[Any] = list(session.receive(1.0))
    assert len(found) > 50
    found += receive(session, 300 - len(found))
    assert [frame.market_ticker for frame in found] == [f"T{number}" for number in range(300)]


def test_a_message_in_pieces_is_put_together(server: FakeSocketServer, session: Session) -> None:
    text = json.dumps(TICKER)
    server.connection.send([text[:20], text[20:50], text[50:]])
    (frame,) = receive(session, 1)
    assert frame.yes_bid == 4000


def test_a_large_message_arrives_whole(server: FakeSocketServer, session: Session) -> None:
    levels = [[f"0.{price:04d}", "1.00"] for price in range(1, 5000)]
    server.say(but(SNAPSHOT, msg__yes_dollars_fp=levels, msg__no_dollars_fp=[], msg__padding="x" * 3_000_000))
    (frame,) = receive(session, 1)
    assert len(frame.yes) == 4999


def test_pings_keep_a_quiet_connection_alive_and_are_answered(server: FakeSocketServer, signer: Signer) -> None:
    now = [1_000_000]
    session = Session(server.environment, signer, clock=lambda: now[0])
    session.connect()
    now[0] += SILENCE_MS + 1
    assert session.is_silent
    answered = server.connection.ping("heartbeat")
    assert session.receive(1.0) == []
    assert answered.wait(timeout=20)
    assert not session.is_silent
    assert session.idle_ms == 0
    session.close()


def test_quiet_time_is_no_error(session: Session) -> None:
    start = time.monotonic()
    assert session.receive(0.05) == []
    assert time.monotonic() - start < 20


def test_frames_before_the_end_are_handed_out_and_then_the_end_is_raised(
    server: FakeSocketServer, session: Session
) -> None:
    server.say(TICKER)
    threading.Thread(target=server.connection.close, args=(4000, "maintenance"), daemon=True).start()
    time.sleep(0.1)
    assert [type(frame) for frame in receive(session, 1)] == [frames.TickerFrame]
    with pytest.raises(Disconnected, match="4000 maintenance"):
        session.receive(0.2)
    with pytest.raises(Disconnected):
        session.receive(0.2)


def test_a_connection_that_breaks_off_is_reported(server: FakeSocketServer, session: Session) -> None:
    server.connection.socket.shutdown(socket.SHUT_RDWR)
    with pytest.raises(Disconnected):
        receive(session, 1)


def test_without_a_connection_nothing_is_pretended(server: FakeSocketServer, signer: Signer) -> None:
    session = Session(server.environment, signer)
    with pytest.raises(Disconnected):
        session.receive(0)
    with pytest.raises(Disconnected):
        session.subscribe(["ticker"])
    session.close()
