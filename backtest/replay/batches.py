"""Records of frames that come one after the other, fed to their connection as one batch, and quotes: the inner loop of a replay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from backtest.replay.feed import Feed
from markets.tape.records import UNREADABLE, Kind, Record, one_frame, unpack_frames

_FRAMES: Final = Kind.FRAMES
_QUOTE: Final = Kind.QUOTE
Applied = tuple[int, int, Record | None]
"""When the last record was received (Unix nanoseconds), how many there were, and which one comes next."""


@dataclass(frozen=True, slots=True)
class Inner:
    """``records`` are those that follow. ``follow`` sees to the best prices that moved until a time and says until when a batch may go on
    now; ``is_far``: whether it has nothing to do for an event as long as no price of it moves. Before ``start_ns`` nothing is done but to
    keep up with the tape."""

    feed: Feed
    records: Iterator[Record]
    set_clock: Callable[[int], None]
    follow: Callable[[int], int]
    is_far: Callable[[str], bool]
    start_ns: int

    def apply(self, first: Record, limit_ns: int, *, alone: bool) -> Applied:
        """Apply ``first`` and, where it holds frames, those that follow on its connection until ``limit_ns``, each at its time; where it is
        a quote, those that follow.

        A batch ends where something comes that is more than prices; ``alone``: after the first record.
        """
        at, kind, epoch, _ = first
        if kind is _FRAMES and epoch in self.feed.prices.alive:
            return self._frames(first, limit_ns, alone=alone)
        if kind is _QUOTE and not (alone or self.feed.has_news):
            return self._quotes(first, limit_ns)
        self.set_clock(at)
        self.feed.apply(first)
        if self.feed.books.moved:
            self.follow(at)
        return at, 1, next(self.records, None)

    def _quotes(self, first: Record, limit_ns: int) -> Applied:
        feed, records, set_clock, quote = self.feed, self.records, self.set_clock, self.feed.quote
        end_ns = 2**63 if first[0] >= self.start_ns else self.start_ns - 1
        limit_ns = min(limit_ns, end_ns)
        moved = feed.books.moved
        feed.is_noteworthy = True
        record: Record | None = first
        count = at = 0
        while record is not None and (not count or (record[1] is _QUOTE and record[0] <= limit_ns)):
            at, count = record[0], count + 1
            set_clock(at)
            try:
                is_same = quote(record)
            except (*UNREADABLE, msgspec.MsgspecError) as error:
                feed.refuse(record.key, error)
                is_same = False
            if moved:
                if is_same and all(map(self.is_far, moved)):
                    moved.clear()
                else:
                    limit_ns = min(end_ns, self.follow(at))
            record = next(records, None)
        feed.counts["quote"] += count
        return at, count, record

    def _frames(self, first: Record, limit_ns: int, *, alone: bool) -> Applied:
        feed, records, set_clock, follow = self.feed, self.records, self.set_clock, self.follow
        at, _, epoch, batch = first
        count = 0
        plans = at >= self.start_ns
        alone = alone and plans
        end_ns = 2**63 if plans else self.start_ns - 1
        limit_ns = min(limit_ns, end_ns)
        following: Record | None = None
        is_reading = True  # what goes wrong is the record's fault
        moved = feed.books.moved

        def payloads() -> Iterator[tuple[bytes, int]]:
            nonlocal at, batch, count, following, limit_ns, is_reading
            single = one_frame
            while True:
                count += 1
                set_clock(at)
                frame = single(batch)
                if frame is not None:
                    yield frame, at // 1_000_000
                else:
                    at_ms = at // 1_000_000
                    for frame in unpack_frames(batch):
                        yield frame, at_ms
                is_reading = False
                if moved:
                    limit_ns = min(end_ns, follow(at))
                following = following_one = next(records, None)
                if following_one is None or alone or (plans and feed.is_noteworthy):
                    return
                next_at, kind, key, next_batch = following_one
                if kind is not _FRAMES or next_at > limit_ns or key != epoch:
                    return
                at, batch, is_reading = next_at, next_batch, True

        try:
            feed.read(epoch, payloads())
        except (*UNREADABLE, msgspec.MsgspecError) as error:
            if not is_reading:
                raise
            feed.refuse(epoch, error)
            if moved:
                follow(at)
            following = next(records, None)
        if epoch in feed.prices.alive:
            feed.prices.alive[epoch] = at
        feed.counts["frames"] += count
        return at, count, following
