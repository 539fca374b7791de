"""The recorder of this process: where the setting ``KALBOT_TAPE_DIR`` (or ``stream --tape``) says, and none where it says nothing.

Each process writes segments of its own. A hole becomes a row (``TapeGap``) as soon as it is noticed, so that it is seen before
anybody replays the tape, and it ends with the first block that could be written again.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import platform
import threading
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from kalbot.common import clock
from kalbot.common.units import format_count, format_price
from markets.kalshi.schemas.series import Series
from markets.kalshi.schemas.trades import Trade
from markets.models import TapeGap
from markets.tape import restated, retention
from markets.tape.records import Kind
from markets.tape.restated import Said
from markets.tape.segments import writer_name
from markets.tape.writer import TapeWriter

log = logging.getLogger(__name__)

PRUNE_SECONDS: Final = 600.0
_known: dict[tuple[int, str, str], Recorder] = {}
_lock = threading.Lock()
_paused = False


class _Named(msgspec.Struct):
    event_ticker: str = ""


_named = msgspec.json.Decoder(_Named)


class Recorder:
    """A tape writer with the product's own kinds of records. No method blocks or raises for what the disk does."""

    def __init__(self, folder: Path, role: str) -> None:
        """``role``: stream0, scan, status, trades, triage: the beginning of the segments' names."""
        self._folder, self._role = folder, role
        self._next_prune = 0.0
        self._whole = False
        self._terms: dict[str, bytes] = {}
        name = f"{role}_{platform.node() or 'host'}_{os.getpid()}"
        about: dict[str, Any] = {"source": "kalbot", "role": role, "cadence": "every frame"}
        about |= {"exchange": settings.KALSHI_REST_URL, "stream": settings.KALSHI_WS_URL}
        about |= {"absent": ["volume and open interest between two records of an event"], "assumed": []}
        self._writer_name = name
        self._of_connection = {"writer": writer_name(name)}
        self._gap: int | None = None
        self.has_recovered = False
        """A hole has ended, and what is known since is not on the tape yet: whoever keeps books says them again (``known``)."""
        self.writer = TapeWriter(folder, name, about, on_problem=self._began, on_recovery=self._ended)
        atexit.register(self.close)

    def opened(self, epoch: str) -> None:
        """A connection was opened."""
        self.writer.record(Kind.CONNECTION, epoch, {"state": "open", **self._of_connection})

    def closed(self, epoch: str) -> None:
        """A connection has ended: what it brought is no price any more."""
        self.writer.record(Kind.CONNECTION, epoch, {"state": "closed", **self._of_connection})

    def known(self, epoch: str, sequence: Mapping[int, int], messages: Sequence[Said]) -> None:
        """What an open connection knows by now, right before its next frames: after a hole it is known on the tape again. ``sequence``: the
        last number of each subscription. It is written out by the writing thread: no price waits for it."""
        if self.writer.is_behind:
            return  # the hole would begin again
        self.has_recovered = False
        at, said = time.time_ns(), {"state": "open", "sequence": restated.before(sequence, messages)}
        self.writer.record(Kind.CONNECTION, epoch, said | self._of_connection, at)
        self.writer.frames_later(epoch, lambda: restated.frames(sequence, messages), at)

    def frames(self, epoch: str, payloads: Sequence[bytes], received_ns: int) -> None:
        """A batch of payloads as the socket delivered them."""
        self.writer.frames(epoch, payloads, received_ns)
        if clock.monotonic() >= self._next_prune:
            self._next_prune = clock.monotonic() + PRUNE_SECONDS
            threading.Thread(target=self._prune, name="tape-prune", daemon=True).start()

    def events(self, raw: Iterable[msgspec.Raw], changed: Iterable[str]) -> None:
        """Events as the listing had them: those whose facts changed, and in the day's first scan all of them."""
        wanted = None if self._whole else set(changed)
        for body in raw:
            ticker = _named.decode(body).event_ticker
            if wanted is None or ticker in wanted:
                self.writer.raw(Kind.EVENT, ticker, bytes(body))

    def scanned(self) -> None:
        """A scan is over: everything that it found has been recorded."""
        self.writer.record(Kind.SCAN, "", {})

    def event(self, answer: bytes) -> None:
        """One event as it was fetched by itself, its markets inside it or beside it."""
        found: dict[str, Any] = json.loads(answer)
        event = found["event"]
        if not event.get("markets"):
            event["markets"] = found.get("markets") or []
        self.writer.record(Kind.EVENT, event["event_ticker"], event)

    def series(self, listed: Iterable[Series], changed: Container[str]) -> None:
        """The series of a scan, which begins with them: those that changed, and in the day's first scan all of them."""
        self._whole = self._is_new_day()
        for series in listed:
            if self._whole or series.ticker in changed:
                self.writer.raw(Kind.SERIES, series.ticker, msgspec.json.encode(series))

    def terms(self, versions: Iterable[Mapping[str, Any]]) -> None:
        """Registered contract terms, by their columns, right after the series of a scan: those that changed, or all."""
        for columns in versions:
            key = f"{columns['exchange']} {columns['url']} {columns['version']}"
            body = msgspec.json.encode(columns)
            if self._whole or self._terms.get(key) != body:
                self._terms[key] = body
                self.writer.raw(Kind.TERMS, key, body)

    def status(self, answer: msgspec.Struct) -> None:
        """What the exchange said of its status and its schedule."""
        self.writer.raw(Kind.STATUS, "", msgspec.json.encode(answer))

    def trades(self, trades: Iterable[Trade]) -> None:
        """Public trades that were read: known from now on, however long ago they were made."""
        for trade in trades:
            content = {
                "trade_id": trade.trade_id,
                "yes_price_dollars": format_price(trade.yes_price),
                "count_fp": format_count(trade.count),
                "taker_side": trade.taker_side.value,
                "created_time": None if trade.created is None else trade.created.isoformat(),
            }
            self.writer.record(Kind.TRADE, trade.ticker, content)

    def source(self, source: str, subject: str, fetched_ms: int, as_of_ms: int, data: Mapping[str, Any]) -> None:
        """What a triage source answered; it is known from now on."""
        content = {
            "source": source,
            "subject": subject,
            "fetched_ms": fetched_ms,
            "as_of_ms": as_of_ms,
            "data": dict(data),
        }
        self.writer.record(Kind.SOURCE, f"{source}:{subject}", content)

    def close(self) -> None:
        """Write what waits."""
        self.writer.close()

    def _is_new_day(self) -> bool:
        """Whether this role has written no segment today, so that every day's tape begins with the whole catalogue."""
        return not any(self._folder.glob(f"{datetime.now(UTC):%Y%m%d}*-{self._role}_*"))

    def _prune(self) -> None:
        try:
            gone = retention.prune(
                self._folder,
                clock.now(),
                keep_days=settings.KALBOT_TAPE_KEEP_DAYS,
                most_bytes=settings.KALBOT_TAPE_MOST_GB * 10**9,
            )
        except OSError as error:
            log.warning("old segments of the tape cannot be deleted: %s", error)
        else:
            if gone:
                log.info("%s old segments of the tape deleted", len(gone))

    def _began(self, reason: str) -> None:
        self._write(lambda: self._new_gap(reason))

    def _new_gap(self, reason: str) -> None:
        self._gap = TapeGap.objects.create(writer=self._writer_name[:120], began_at=clock.now(), reason=reason[:300]).pk

    def _ended(self, dropped: int) -> None:
        self.has_recovered = True
        gap, self._gap = self._gap, None
        if gap is not None:
            self._write(lambda: TapeGap.objects.filter(pk=gap).update(ended_at=clock.now(), dropped=dropped))

    def _write(self, work: Any) -> None:
        try:
            close_old_connections()
            work()
        except DatabaseError as error:
            log.error("the tape's gap could not be stored: %s", error)
        finally:
            if not connection.in_atomic_block:
                connection.close()  # the writing thread needs it when a disk is full, not for months in between


@contextmanager
def paused() -> Iterator[None]:
    """This process records nothing until the block ends: a replay is no news."""
    global _paused
    before, _paused = _paused, True
    try:
        yield
    finally:
        _paused = before


def recorder(role: str, folder: Path | None = None) -> Recorder | None:
    """This process's recorder of a role; None where nothing is to be recorded. A forked process gets one of its own."""
    if _paused:
        return None
    where = folder or (Path(settings.KALBOT_TAPE_DIR) if settings.KALBOT_TAPE_DIR else None)
    if where is None:
        return None
    key = (os.getpid(), role, str(where))
    with _lock:
        if key not in _known:
            try:
                _known[key] = Recorder(where, role)
            except OSError as error:
                log.error("no tape in %s: %s", where, error)
                TapeGap.objects.create(
                    writer=role, began_at=clock.now(), reason=f"{type(error).__name__}: {error}"[:300]
                )
                return None
        return _known[key]
