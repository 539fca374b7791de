"""Where the time of a decision goes: one moment for each stage on its way from a frame to an open position, Unix microseconds.

A trace is a plain dictionary that is stored with the decision (up to ``decided``) and with its position (from ``taken`` on).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from kalbot.common import clock, counters

Trace = dict[str, int]


class Stage(StrEnum):
    """The stages in their order, with what has happened by then."""

    RECEIVED = "received"
    WRITTEN = "written"
    NOTIFIED = "notified"
    STARTED = "started"
    DECIDED = "decided"
    TAKEN = "taken"
    ADMITTED = "admitted"
    SENT = "sent"
    ALL_SENT = "all_sent"
    ACKNOWLEDGED = "acknowledged"
    STORED = "stored"


SENTENCES: Final[dict[Stage, str]] = {
    Stage.RECEIVED: "The newest frame behind the prices was received.",
    Stage.WRITTEN: "The books with it were in Redis, or left for it together with the next.",
    Stage.NOTIFIED: "The event was sent to be evaluated.",
    Stage.STARTED: "The strategy cycle began.",
    Stage.DECIDED: "The decision was made.",
    Stage.TAKEN: "A trading worker took the decision up.",
    Stage.ADMITTED: "Capital, position and first orders were committed.",
    Stage.SENT: "The first order left.",
    Stage.ALL_SENT: "The last order left.",
    Stage.ACKNOWLEDGED: "The exchange had answered all of them.",
    Stage.STORED: "Fills and the open position were booked.",
}
BEFORE: Final = (Stage.WRITTEN, Stage.NOTIFIED, Stage.STARTED, Stage.DECIDED)
"""Stages that a decision is stored with; its position is stored with the others."""
AFTER: Final = (Stage.TAKEN, Stage.ADMITTED, Stage.SENT, Stage.ALL_SENT, Stage.ACKNOWLEDGED, Stage.STORED)
BETWEEN: Final = (
    (Stage.RECEIVED, Stage.DECIDED),
    (Stage.DECIDED, Stage.SENT),
    (Stage.DECIDED, Stage.ALL_SENT),
    (Stage.DECIDED, Stage.STORED),
)
"""Spans of several stages that people ask about."""


def now() -> int:
    """The moment of now, Unix microseconds."""
    return clock.now_us()


def mark(trace: Trace, stage: Stage, *, again: bool = False) -> None:
    """Note that ``stage`` is reached; the first time counts, or with ``again`` the last."""
    if again or stage not in trace:
        trace[stage.value] = now()


def steps(trace: Mapping[str, int]) -> list[tuple[Stage, int, int | None]]:
    """(stage, moment, microseconds since the stage before it, None for the first) of the stages that are known, in order."""
    found: list[tuple[Stage, int, int | None]] = []
    for stage in Stage:
        if stage.value in trace:
            at = trace[stage.value]
            found.append((stage, at, at - found[-1][1] if found else None))
    return found


def spans(trace: Mapping[str, int]) -> dict[str, float]:
    """Seconds of each step, by its stage, and between stages that people ask about, as ``decided_to_sent``."""
    found = {stage.value: taken / 1e6 for stage, _, taken in steps(trace) if taken is not None}
    for first, last in BETWEEN:
        if first.value in trace and last.value in trace:
            found[f"{first.value}_to_{last.value}"] = (trace[last.value] - trace[first.value]) / 1e6
    return found


def count(trace: Mapping[str, int], stages: Iterable[Stage]) -> None:
    """Put the steps that end in one of ``stages``, and the spans, into the histogram ``stage``. A clock that was set back counts as
    nothing."""
    ends = {stage.value for stage in stages}
    for name, seconds in spans(trace).items():
        if name.rpartition("_to_")[2] in ends and seconds >= 0:
            counters.observe("stage", seconds, {"stage": name})
