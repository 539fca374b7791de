"""Whether anything is known before it came: what was decided before a moment must not depend on what is after it.

For each of several random moments the tape is replayed twice more: cut at the moment, and with everything after it poisoned (prices
mirrored, results and trades turned round, events paused and their rules replaced, fees tripled, terms withdrawn, the exchange shut, sources
silenced). Everything that happened before the moment must be the same in all three.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from backtest.options import Options
from backtest.replay import session
from backtest.replay.late_trades import listed
from backtest.report.results import Result
from kalbot.common.wording import many
from markets.tape.reader import Tape
from markets.tape.records import UNREADABLE, Kind, Record, pack_frames, unpack_frames

CUTS: Final = 3
_TURNED: Final = {"yes": "no", "no": "yes"}


@dataclass(slots=True)
class Found:
    """``compared``: events of the timeline that were the same. ``problems``: what was not."""

    moments: list[int] = field(default_factory=list)
    compared: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        """For a person."""
        return (
            f"{many(len(self.moments), 'moment')}, each cut and poisoned: {self.compared} decisions, orders and fills before them "
            f"{'are the same' if not self.problems else 'were compared'}"
        )


def check(
    options: Options,
    cuts: int = CUTS,
    moments: Sequence[int] | None = None,
    records: session.Records = session.records_of,
) -> Found:
    """Compare a whole run with cut and poisoned ones, at ``moments`` (ns) or at ``cuts`` random ones."""
    tape = Tape.open(options.tape)
    whole, numbers, found = session.run(options, records), random.Random(options.seed), Found()
    first, last = max(tape.first_ns, options.start_ns), min(tape.last_ns, options.end_ns)
    for moment in moments or [numbers.randrange(first, last + 1) for _ in range(cuts)]:
        found.moments.append(moment)
        cut = session.run(replace(options, end_ns=moment), records)
        poisoned = session.run(options, records=partial(_poisoned_records, read=records, after_ns=moment))
        for name, other in (("cut", cut), ("poisoned", poisoned)):
            _compare(found, whole, other, moment, name)
    return found


def _poisoned_records(options: Options, read: session.Records, after_ns: int) -> Iterator[Record]:
    return poison(read(options), after_ns)


def _compare(found: Found, whole: Result, other: Result, moment_ns: int, name: str) -> None:
    """What was begun before the moment may end after it; what had happened until then may not differ."""
    until = moment_ns // 1_000_000
    ours = [_begun(entry) for entry in whole.timeline if entry[0] < until]
    theirs = [_begun(entry) for entry in other.timeline if entry[0] < until]
    found.compared += len(ours)
    if ours != theirs:
        differing = next((pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]), None)
        what = f"{differing[0]} became {differing[1]}" if differing else f"{len(ours)} events became {len(theirs)}"
        found.problems.append(f"{name} at {moment_ns}: {what}")


def _begun(entry: tuple[int, str]) -> tuple[int, str]:
    """An order's line without what became of it later."""
    at, text = entry
    return (at, text.split(" filled ")[0]) if text.startswith("order ") else entry


def poison(records: Iterator[Record], after_ns: int) -> Iterator[Record]:
    """The records, those at or after ``after_ns`` saying something else. A trade that was made before it has met whatever rested then,
    however late a list of trades was read, and stays."""
    for record in records:
        yield record if record.received_ns < after_ns or _was_made_before(record, after_ns) else _poisoned(record)


def _was_made_before(record: Record, after_ns: int) -> bool:
    if record.kind is not Kind.TRADE:
        return False
    try:
        created = listed(record)[0].created
    except UNREADABLE:
        return False
    return created is not None and int(created.timestamp() * 1_000) * 1_000_000 < after_ns


def _poisoned(record: Record) -> Record:
    if record.kind is Kind.FRAMES:
        payload = pack_frames([_turned_frame(frame) for frame in unpack_frames(record.payload)])
        return Record(record.received_ns, record.kind, record.key, payload)
    if record.kind is Kind.BOOK:
        sides = json.loads(record.payload)["orderbook_fp"]
        turned: object = {"orderbook_fp": {"yes_dollars": sides["no_dollars"], "no_dollars": sides["yes_dollars"]}}
    elif record.kind is Kind.QUOTE:
        quote = json.loads(record.payload)
        turned = quote | {"yes_bid_dollars": quote["no_bid_dollars"], "no_bid_dollars": quote["yes_bid_dollars"]}
    elif record.kind is Kind.SETTLEMENT:
        result = _TURNED.get(json.loads(record.payload)["result"], "yes")
        turned = {"result": result, "settlement_value_dollars": "1.0000" if result == "yes" else "0.0000"}
    elif record.kind is Kind.TRADE:
        trade = json.loads(record.payload)
        turned = trade | {"taker_side": _TURNED.get(trade["taker_side"], "yes")}
    elif record.kind is Kind.EVENT:
        event = json.loads(record.payload)
        paused = [
            market | {"status": "inactive", "rules_primary": "Another rule."} for market in event.get("markets") or []
        ]
        turned = event | {"markets": paused}
    elif record.kind is Kind.SOURCE:
        turned = json.loads(record.payload) | {"data": {}}
    elif record.kind is Kind.SERIES:
        series = json.loads(record.payload)
        turned = series | {"fee_multiplier": 3 * float(series.get("fee_multiplier") or 1)}
    elif record.kind is Kind.TERMS:
        turned = json.loads(record.payload) | {"status": "proposed"}
    elif record.kind is Kind.STATUS:
        answer = json.loads(record.payload)
        turned = answer | {"status": (answer.get("status") or {}) | {"trading_active": False, "indexes": []}}
    else:
        return record
    return Record(record.received_ns, record.kind, record.key, json.dumps(turned).encode())


def _turned_frame(frame: bytes) -> bytes:
    """A frame with the words yes and no exchanged in books, deltas and trades."""
    swapped = frame.replace(b"yes_dollars_fp", b"\0").replace(b"no_dollars_fp", b"yes_dollars_fp")
    swapped = swapped.replace(b"\0", b"no_dollars_fp")
    for key in (b'"side":', b'"taker_side":', b'"result":'):
        yes, no = key + b'"yes"', key + b'"no"'
        swapped = swapped.replace(yes, b"\0").replace(no, yes).replace(b"\0", no)
    return swapped
