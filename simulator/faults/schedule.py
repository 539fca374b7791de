"""Faults by seed or by schedule: what happens to a request or a frame instead of the ordinary answer."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from simulator.randomness import Streams

REQUEST_KINDS = ("rate_limit", "error", "timeout", "close", "pause", "zero_answer", "act")
FRAME_KINDS = ("drop", "duplicate", "gap", "overflow", "disconnect")


class FaultError(ValueError):
    """A fault is described wrongly; the message says how."""


@dataclass(slots=True)
class Fault:
    """One rule. It fires on matching requests or frames after ``skip`` of them, ``count`` times, each with chance ``rate``.

    ``when``: ``before`` or ``after`` the request takes effect. ``path`` is a prefix below /trade-api/v2. ``close`` and
    ``pause`` let the market ``ticker`` close or pause at that moment (between two legs, say); the request then goes on.
    ``error`` answers ``status`` with ``code`` (a code of its own for 500 and 503 if it is empty): after a commit, too.
    ``zero_answer`` answers a create with 0.00 filled and 0.00 remaining; the order is executed all the same, at once or
    ``delay_ms`` later (until then reads show it cancelled and unfilled). ``act`` carries out the control action
    ``action`` with ``body`` and lets the request go on: a book that jumps between any two requests, a second actor.
    """

    kind: str
    when: str = "before"
    status: int = 503
    code: str = ""
    delay_ms: int = 0
    action: str = ""
    body: dict[str, Any] = field(default_factory=dict)
    method: str = ""
    path: str = ""
    channel: str = ""
    ticker: str = ""
    count: int = 1
    skip: int = 0
    rate: float = 1.0
    not_before_ms: int = 0
    fired: int = field(default=0)

    def check(self) -> None:
        if self.kind not in REQUEST_KINDS + FRAME_KINDS:
            raise FaultError(f"unknown fault {self.kind!r}: one of {', '.join(REQUEST_KINDS + FRAME_KINDS)}")
        if self.when not in ("before", "after"):
            raise FaultError("a fault happens either before or after")
        if not 0 <= self.rate <= 1 or self.count < 0 or self.skip < 0:
            raise FaultError("rate is a share between 0 and 1; count and skip are not negative")
        if self.delay_ms < 0 or (self.kind == "act") != bool(self.action):
            raise FaultError("delay_ms is not negative; an act, and nothing else, names an action")


@dataclass(slots=True)
class Planned:
    """A control action at an instant: ``times`` times (0: for ever), ``every_ms`` apart."""

    at_ms: int
    action: str
    body: dict[str, Any]
    every_ms: int = 0
    times: int = 1
    done: int = 0
    cancelled: bool = False


class Faults:
    """The rules in force. Decisions come from the seed's own stream, so a run can be repeated."""

    def __init__(self, streams: Streams) -> None:
        self._random = streams.stream("faults")
        self.rules: list[Fault] = []
        self.fired: dict[str, int] = {}

    def add(self, **terms: Any) -> Fault:
        """Add a rule; FaultError if it is not one."""
        try:
            fault = Fault(**terms)
        except TypeError as error:
            raise FaultError(str(error).replace("Fault.__init__() ", "")) from None
        fault.check()
        self.rules.append(fault)
        return fault

    def clear(self) -> None:
        self.rules.clear()

    def request(self, method: str, path: str, now_ms: int) -> Fault | None:
        """The fault for this request, if any."""
        for fault in self.rules:
            if (
                fault.kind in REQUEST_KINDS
                and (not fault.method or fault.method == method)
                and path.startswith(fault.path)
                and self._fires(fault, now_ms)
            ):
                return fault
        return None

    def frame(self, channel: str, ticker: str, now_ms: int) -> str:
        """The kind of fault for this frame, or an empty string."""
        for fault in self.rules:
            if (
                fault.kind in FRAME_KINDS
                and (not fault.channel or fault.channel == channel)
                and (not fault.ticker or fault.ticker == ticker)
                and self._fires(fault, now_ms)
            ):
                return fault.kind
        return ""

    def _fires(self, fault: Fault, now_ms: int) -> bool:
        if now_ms < fault.not_before_ms or (fault.count and fault.fired >= fault.count):
            return False
        if fault.skip > 0:
            fault.skip -= 1
            return False
        if fault.rate < 1 and self._random.random() >= fault.rate:
            return False
        fault.fired += 1
        self.fired[fault.kind] = self.fired.get(fault.kind, 0) + 1
        return True

    def listing(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self.rules]


def parse_fault(text: str) -> dict[str, Any]:
    """``kind:key=value,key=value`` of the command line as the terms of a rule; FaultError if it is not one."""
    kind, _, rest = text.partition(":")
    terms: dict[str, Any] = {"kind": kind.strip()}
    casts = {"rate": float} | {f.name: int for f in fields(Fault) if f.type == "int"}
    for part in filter(None, (p.strip() for p in rest.split(","))):
        name, equals, value = part.partition("=")
        if not equals:
            raise FaultError(f"{part!r} is not name=value")
        try:
            terms[name] = casts.get(name, str)(value)
        except ValueError:
            raise FaultError(f"{name} cannot be {value!r}") from None
    return terms
