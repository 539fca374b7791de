"""WebSocket frames with their receive time: one market a file (``ws/gold15m``), or one connection (``ws/orderbook_stream_*``).

A file of the first is one market's share of a subscription that carried several, so its sequence numbers jump. They are renumbered for
each file; a number that falls is a new connection, and the time between is a named gap.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from markets.tape.imports.answers import as_listed, settled
from markets.tape.imports.listing import Listing, event_of, market, series_of
from markets.tape.imports.packed import files, opened
from markets.tape.imports.rest_books import _catalogued
from markets.tape.imports.source import Aside, Part, Refused, instant, lines
from markets.tape.records import Kind, Record, pack_frames
from markets.tape.store import json_record


def parts(root: Path) -> Iterator[Part]:
    """One part for each file of frames: one market a file, or a whole connection."""
    yield from _connections(root)
    listing = Listing(_catalogued(root))
    for path in files(root, "ws/gold15m/*.ndjson"):
        about = {
            "source": "WebSocket frames as received",
            "cadence": "every frame, to the millisecond",
            "absent": ["frames of other markets of the subscription"],
            "assumed": ["sequence numbers renumbered for each file"],
            "licence": "none stated",
        }
        yield Part("frames-gold15m", path.name.split(".")[0], about, _Reader(path, listing))


def _connections(root: Path) -> Iterator[Part]:
    """``ws/orderbook_stream_*``: everything that one connection received in a minute."""
    for path in files(root, "ws/orderbook_stream_*.json"):
        about = {
            "source": "WebSocket frames as received",
            "cadence": "every frame, to the millisecond",
            "absent": ["rules", "times of close"],
            "assumed": ["one-cent steps"],
            "licence": "none stated",
        }
        yield Part("frames-games", path.name.split(".")[0], about, _Connection(path, Listing(_catalogued(root))))


class _Connection:
    def __init__(self, path: Path, listing: Listing) -> None:
        self._path, self._listing = path, listing

    def __call__(self, aside: Aside) -> Iterator[Record]:
        with opened(self._path) as file:
            recording = json.loads(file.read())
        frames = list(self._frames(recording, aside))
        if not frames:
            raise Refused(f"{self._path.name} has no frame that can be read")
        at, last = frames[0].received_ns, frames[-1].received_ns
        legs: dict[str, list[str]] = {}
        for ticker in sorted(recording["tickers"]):
            legs.setdefault(event_of(ticker), []).append(ticker)
        yield from self._listing.records({series_of(event) for event in legs}, at)
        for event, tickers in legs.items():
            is_whole = len(tickers) > 1  # both sides of a game without a draw; one side proves nothing
            markets = [market(ticker) for ticker in tickers]
            yield json_record(at, Kind.EVENT, event, self._listing.event(event, markets, exclusive=is_whole))
        yield json_record(at, Kind.CONNECTION, self._path.name.split(".")[0], {"state": "open"})
        yield from frames
        yield json_record(last, Kind.CONNECTION, self._path.name.split(".")[0], {"state": "closed"})

    def _frames(self, recording: dict[str, Any], aside: Aside) -> Iterator[Record]:
        """One that cannot be read leaves its number out, which a replay sees as it sees a lost frame."""
        for number, line in enumerate(recording["frames"], 1):
            aside.place = f"{self._path.name} frame {number}"
            with aside.unreadable():
                frame = json.dumps(line["frame"], separators=(",", ":")).encode()
                yield Record(
                    instant(line["received_ms"]), Kind.FRAMES, self._path.name.split(".")[0], pack_frames([frame])
                )


class _Reader:
    def __init__(self, path: Path, listing: Listing) -> None:
        self._path, self._listing = path, listing

    def __call__(self, aside: Aside) -> Iterator[Record]:
        seqs: dict[int, int] = {}
        before: dict[int, int] = {}
        last, seen = 0, 0
        ticker = self._path.name.split(".")[0]
        for line in lines(self._path, aside):
            with aside.unreadable():
                event: dict[str, Any] = line["event"]
                at, sid, seq = instant(line["recv_ms"]), int(event["sid"]), int(event["seq"])
                frame = json.dumps(event | {"seq": seqs.get(sid, 0) + 1}, separators=(",", ":"), default=str).encode()
                if not last:
                    yield from self._opening(ticker, at)
                elif seq < before.get(sid, 0) or aside.count > seen:
                    why = "lines that cannot be read" if aside.count > seen else "reconnected"
                    gap = {"after_ns": last, "before_ns": at, "reason": why}
                    yield json_record(last, Kind.GAP, ticker, gap)
                    seqs, before = {}, {}
                    frame = json.dumps(event | {"seq": 1}, separators=(",", ":"), default=str).encode()
                    yield json_record(at, Kind.CONNECTION, ticker, {"state": "open"})
                before[sid], last, seqs[sid], seen = seq, at, seqs.get(sid, 0) + 1, aside.count
                yield Record(at, Kind.FRAMES, ticker, pack_frames([frame]))
        if not last:
            raise Refused(f"{self._path.name} has no frame that can be read")
        yield json_record(last, Kind.CONNECTION, ticker, {"state": "closed"})

    def _opening(self, ticker: str, at: int) -> Iterator[Record]:
        path = self._path.parent / "metadata" / f"{ticker.rsplit('-', 1)[0]}.json"
        yield from self._listing.records([ticker.split("-", 1)[0]], at)
        if path.exists():
            answer = json.loads(path.read_text())
            answer = answer.get("response", answer)
            answer = answer if "markets" in answer else {**answer, "markets": answer["event"].get("markets", [])}
            yield json_record(at, Kind.EVENT, answer["event"]["event_ticker"], as_listed(answer))
            for one in answer["markets"]:
                yield from settled(one)
        yield json_record(at, Kind.CONNECTION, ticker, {"state": "open"})
