"""One WebSocket connection (docs/kalshi-protocol.md 12): signed upgrade, commands and acknowledgements, frames out.

Not ``run_forever``: the caller owns the loop, the reconnects and the epochs. One thread per session.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
import websocket
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from kalbot.common.db.batches import batched

from ..clock_skew import Clock, SkewMeter, now_ms
from ..environment import Environment
from ..errors import Disconnected, Unreachable
from ..refusals import refusal
from ..signing import Signer
from .batch_reader import BatchReader
from .error_codes import TERMINAL
from .frames import Ack, BookSnapshot, ErrorFrame, Frame
from .intake import Intake
from .reader import FrameReader

CHUNK: Final = 1000
"""Market tickers in one command."""
SILENCE_MS: Final = 27_000
"""The exchange pings every 10 s (docs/kalshi-protocol.md 12.1); a connection without a frame for this long is dead."""


GIVE_UP_SECONDS: Final = 0.1
"""Between two attempts to end an upgrade that is overdue."""


class Command(msgspec.Struct):
    """A command that has not been answered in full. ``awaited`` counts the answers still to come."""

    id: int
    cmd: str
    params: dict[str, Any]
    sent_ms: int
    awaited: int = 1


class Session:
    """One connection and its subscriptions. After Disconnected make a new one: sequences and sids start over.

    ``intake.tally`` counts frames; ``pending`` holds unanswered commands by id.
    """

    def __init__(
        self,
        environment: Environment,
        signer: Signer,
        clock: Clock = now_ms,
        *,
        reader: Callable[[websocket.WebSocket], FrameReader] = BatchReader,
        connect_timeout: float = 10.0,
        chunk: int = CHUNK,
    ) -> None:
        self.environment = environment
        self.intake = Intake()
        self.skew = SkewMeter()
        self.pending: dict[int, Command] = {}
        self._signer = signer
        self._clock = clock
        self._make_reader = reader
        self._connect_timeout = connect_timeout
        self._chunk = chunk
        self._reader: FrameReader | None = None
        self._sids: dict[str, int] = {}
        self._channels: set[str] = set()
        self._next_id = 1
        self._heard = 0
        self._heard_ms = 0

    def connect(self) -> None:
        """Open the connection with a fresh signature.

        Raises Rejected kinds (401, 429, ...) or Unreachable.
        """
        url = self.environment.ws_url
        sent = self._clock()
        path = "/" + url.split("://", 1)[1].partition("/")[2]
        headers = self._signer.headers("GET", path, sent)
        connection = websocket.WebSocket(
            skip_utf8_validation=True,
            sockopt=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            sslopt={"ca_certs": os.environ.get("REQUESTS_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH},  # as for REST
        )
        upgraded = threading.Event()
        watch = threading.Thread(target=_give_up, args=(connection, upgraded, self._connect_timeout), daemon=True)
        watch.start()
        try:
            connection.connect(  # type: ignore[no-untyped-call]  # the library left this method untyped
                url,
                timeout=self._connect_timeout,
                header=[f"{name}: {value}" for name, value in headers.items()],
                suppress_origin=True,
                http_no_proxy=["*"],
                redirect_limit=0,
            )
        except websocket.WebSocketBadStatusException as error:
            status = error.status_code
            if status is not None and 400 <= status < 500:
                raise refusal(status, error.resp_body or b"") from error
            raise Unreachable(f"the WebSocket upgrade was answered with {status}", status) from error
        except (
            Exception
        ) as error:  # the library raises any kind at an answer that is none (TypeError without a status line)
            raise Unreachable(f"no WebSocket: {type(error).__name__}: {error}") from error
        finally:
            upgraded.set()
        answered = connection.handshake_response
        if answered is not None:
            self.skew.observe(answered.headers.get("date"), sent, self._clock())
        self._reader = self._make_reader(connection)
        self._heard_ms = self._clock()

    def subscribe(
        self,
        channels: Sequence[str],
        market_tickers: Sequence[str] | None = None,
        *,
        use_yes_price: bool = False,
        send_initial_snapshot: bool = False,
        skip_ticker_ack: bool = False,
    ) -> int:
        """Subscribe, or extend a subscription: known tickers change nothing. Sent in chunks; the last
        command's id.

        ``use_yes_price`` concerns books only and is always sent for them: the exchange's default will flip.
        Without tickers a channel gives all markets, except books, which need tickers.
        """
        params: dict[str, Any] = {"channels": list(channels)}
        self._channels.update(channels)
        if "orderbook_delta" in channels:
            if not market_tickers:
                raise ValueError("orderbook_delta needs market tickers")
            params["use_yes_price"] = use_yes_price
        if send_initial_snapshot:
            params["send_initial_snapshot"] = True
        if skip_ticker_ack:
            params["skip_ticker_ack"] = True
        if market_tickers is None:
            return self._command("subscribe", params, awaited=len(channels))
        last = 0
        for chunk in self._chunks(market_tickers):
            last = self._command("subscribe", {**params, "market_tickers": chunk}, awaited=len(channels))
        return last

    def add_markets(self, sid: int, market_tickers: Sequence[str]) -> int:
        """Extend a subscription; books answer with a snapshot of each new market. The last command's id."""
        return self._update(sid, "add_markets", market_tickers)

    def delete_markets(self, sid: int, market_tickers: Sequence[str]) -> int:
        """Shrink a subscription. The last command's id."""
        return self._update(sid, "delete_markets", market_tickers)

    def get_snapshot(self, sid: int, market_tickers: Sequence[str]) -> int:
        """Ask for fresh snapshots on a book subscription: the repair after a gap. The last command's id."""
        return self._update(sid, "get_snapshot", market_tickers)

    def unsubscribe(self, sids: Sequence[int]) -> int:
        """End subscriptions. From now on they are not these channels' any more, whenever the answer comes."""
        for sid in sids:
            self._forget(sid)
        return self._command("unsubscribe", {"sids": list(sids)}, awaited=len(sids))

    def list_subscriptions(self) -> int:
        """Ask which subscriptions there are; answered by an Ack of kind ``list``."""
        return self._command("list_subscriptions", None)

    def receive(self, timeout: float) -> list[Frame]:
        """Frames that have come, waiting up to ``timeout`` seconds for the first; may be empty.

        Raises Disconnected when the connection has ended; frames before the end are handed out first.
        """
        reader = self._connected()
        payloads = reader.read(timeout)
        if reader.heard != self._heard:
            self._heard = reader.heard
            self._heard_ms = self._clock()
        if not payloads:
            return []
        frames = self.intake.feed(payloads)
        for frame in frames:
            if type(frame) is Ack:
                self._on_ack(frame)
            elif type(frame) is ErrorFrame:
                self._on_error(frame)
            elif type(frame) is BookSnapshot and frame.id is not None:
                self._answered(self.pending.get(frame.id))
        return frames

    def sid_of(self, channel: str) -> int | None:
        """The subscription of a channel, once acknowledged and as long as it lives."""
        return self._sids.get(channel)

    @property
    def idle_ms(self) -> int:
        """Time since the last frame of any kind, pings included."""
        return self._clock() - self._heard_ms

    @property
    def is_silent(self) -> bool:
        """Whether the connection must be taken for dead."""
        return self.idle_ms > SILENCE_MS

    def overdue(self, limit_ms: int = 10_000) -> list[Command]:
        """Commands without a full answer for longer than ``limit_ms``."""
        now = self._clock()
        return [command for command in self.pending.values() if now - command.sent_ms > limit_ms]

    def close(self) -> None:
        """End the connection; never raises."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _update(self, sid: int, action: str, market_tickers: Sequence[str]) -> int:
        last = 0
        for chunk in self._chunks(market_tickers):
            params = {"sids": [sid], "action": action, "market_tickers": chunk}
            awaited = len(chunk) if action == "get_snapshot" else 1
            last = self._command("update_subscription", params, awaited)
        return last

    def _command(self, cmd: str, params: dict[str, Any] | None, awaited: int = 1) -> int:
        command = Command(self._next_id, cmd, params or {}, self._clock(), awaited)
        body: dict[str, Any] = {"id": command.id, "cmd": cmd}
        if params is not None:
            body["params"] = params
        self._next_id += 1
        self.pending[command.id] = command
        if command.params.get("use_yes_price"):
            self.intake.yes_price_commands.add(command.id)
        self._connected().send(msgspec.json.encode(body))
        return command.id

    def _chunks(self, market_tickers: Sequence[str]) -> list[list[str]]:
        if not market_tickers:
            raise ValueError("a command about no market")
        return [list(chunk) for chunk in batched(market_tickers, self._chunk)]

    def _on_ack(self, ack: Ack) -> None:
        command = self.pending.get(ack.id or 0)
        if ack.kind == "subscribed" and ack.channel in self._channels and ack.sid is not None:
            self._sids[ack.channel] = ack.sid
        elif ack.kind == "unsubscribed" and ack.sid is not None:
            self._forget(ack.sid)
        elif ack.kind == "ok" and command is not None:
            command.awaited = 1
        self._answered(command)

    def _on_error(self, error: ErrorFrame) -> None:
        if error.code in TERMINAL and error.sid is not None:
            self._forget(error.sid)
        if error.id is not None:
            self.pending.pop(error.id, None)

    def _answered(self, command: Command | None) -> None:
        if command is None:
            return
        command.awaited -= 1
        if command.awaited <= 0:
            self.pending.pop(command.id, None)

    def _forget(self, sid: int) -> None:
        self._sids = {channel: known for channel, known in self._sids.items() if known != sid}

    def _connected(self) -> FrameReader:
        if self._reader is None:
            raise Disconnected("not connected")
        return self._reader


def _give_up(connection: websocket.WebSocket, upgraded: threading.Event, seconds: float) -> None:
    """End an upgrade that takes too long: the library's timeout counts from each byte on. The socket is there only after the TLS
    handshake, which has the same time for itself, so it may have to be waited for."""
    wait = seconds
    while not upgraded.wait(wait):
        sock, wait = connection.sock, GIVE_UP_SECONDS
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
