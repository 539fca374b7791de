"""Which hours a tape has: present, degraded or missing. Read before anything is concluded from it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Any

from markets.tape.reader import END_OF_TIME, Tape
from markets.tape.records import Damaged, Kind, Record, content
from markets.tape.segments import HOUR_NS


class State(StrEnum):
    """How much of an hour is there."""

    PRESENT = "present"
    DEGRADED = "degraded"
    MISSING = "missing"


@dataclass(slots=True)
class Hour:
    """One hour of a tape. ``gap_ns``: time inside it for which a gap is named."""

    start_ns: int
    records: int = 0
    gap_ns: int = 0
    reasons: list[str] = field(default_factory=list)

    @property
    def state(self) -> State:
        """Missing without records, degraded with a gap."""
        if not self.records:
            return State.MISSING
        return State.DEGRADED if self.reasons else State.PRESENT

    @property
    def text(self) -> str:
        """The hour as a person writes it."""
        return f"{datetime.fromtimestamp(self.start_ns // 10**9, UTC):%Y-%m-%d %H:00}"


@dataclass(slots=True)
class Coverage:
    """What a tape holds. ``about``: the META of its writers, each once."""

    hours: list[Hour] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    about: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)

    def count(self, state: State) -> int:
        """Hours in this state."""
        return sum(hour.state is state for hour in self.hours)

    @property
    def missing_days(self) -> list[date]:
        """Days (UTC) of which there is nothing: neither good nor bad ones, in no figure."""
        days = groupby(self.hours, key=lambda hour: datetime.fromtimestamp(hour.start_ns // 10**9, UTC).date())
        return [day for day, hours in days if all(hour.state is State.MISSING for hour in hours)]

    @property
    def missing(self) -> list[tuple[int, int]]:
        """From when until when (ns) nothing is there, whole hours, in their order."""
        found: list[tuple[int, int]] = []
        for hour in self.hours:
            if hour.state is State.MISSING:
                begins = found.pop()[0] if found and found[-1][1] == hour.start_ns else hour.start_ns
                found.append((begins, hour.start_ns + HOUR_NS))
        return found

    @property
    def assumed(self) -> list[str]:
        """What the tape's writers took for granted, fees of another day among it."""
        return sorted({one for about in self.about for one in about.get("assumed", [])})

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "hours": {state.value: self.count(state) for state in State},
            "missing_days": [day.isoformat() for day in self.missing_days],
            "missing": self.missing,
            "degraded": [{"hour": h.text, "reasons": h.reasons} for h in self.hours if h.state is State.DEGRADED],
            "records": dict(sorted(self.kinds.items())),
            "gaps": len(self.gaps),
            "about": self.about,
        }


def coverage(tape: Tape, start_ns: int = 0, end_ns: int = END_OF_TIME) -> Coverage:
    """Read the tape (or a part of it) once and say what is there. Hours of that time before its beginning or after its end are missing."""
    found, hours = Coverage(), dict[int, Hour]()
    first = start_ns or tape.first_ns
    last = tape.last_ns + 1 if end_ns == END_OF_TIME else end_ns
    for start in range(first // HOUR_NS, (last - 1) // HOUR_NS + 1):
        hours[start] = Hour(start * HOUR_NS)
    for record in tape.records(start_ns, last):
        found.kinds[record.kind.name.lower()] += 1
        if record.kind is Kind.META:
            about = _read(record)
            if about not in found.about:
                found.about.append(about)
            continue
        if record.kind is Kind.GAP:
            gap = _read(record)
            found.gaps.append(gap)
            _mark(hours, gap, record.received_ns)
            continue
        hour = hours.get(record.received_ns // HOUR_NS)
        if hour is not None:
            hour.records += 1
    found.hours = [hours[key] for key in sorted(hours)]
    return found


def _read(record: Record) -> dict[str, Any]:
    """What a META or GAP record says; a gap that cannot be read is one all the same."""
    try:
        return content(record)
    except Damaged as error:
        return {"reason": str(error)}


def _mark(hours: dict[int, Hour], gap: dict[str, Any], received_ns: int) -> None:
    ends = (gap.get(name) for name in ("after_ns", "before_ns"))
    after, before = (end if isinstance(end, int) else received_ns for end in ends)
    for key in range(after // HOUR_NS, max(after, before) // HOUR_NS + 1):
        hour = hours.get(key)
        if hour is None:
            continue
        inside = min(before, (key + 1) * HOUR_NS) - max(after, key * HOUR_NS)
        hour.gap_ns += max(0, inside)
        reason = str(gap.get("reason") or "no reason given")
        if reason not in hour.reasons:
            hour.reasons.append(reason)


def in_words(days: list[date]) -> str:
    """Days as a person reads them, those that follow each other as a span: "2026-08-13 to 2026-08-15, 2026-08-20"."""
    spans: list[tuple[date, date]] = []
    for day in days:
        if spans and spans[-1][1] + timedelta(days=1) == day:
            spans[-1] = spans[-1][0], day
        else:
            spans.append((day, day))
    return ", ".join(f"{first}" if first == last else f"{first} to {last}" for first, last in spans)
