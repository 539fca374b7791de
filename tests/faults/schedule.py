"""What goes wrong in one run, drawn from its seed alone."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

EXCHANGE_FAULTS = (
    {"kind": "rate_limit", "method": "POST", "count": 1},
    {"kind": "rate_limit", "method": "POST", "count": 4},
    {"kind": "rate_limit", "method": "GET", "count": 2},
    {"kind": "timeout", "method": "POST", "when": "before", "count": 1},
    {"kind": "timeout", "method": "POST", "when": "after", "count": 1},
    {"kind": "error", "method": "POST", "when": "before", "count": 1, "status": 503},
    {"kind": "error", "method": "POST", "when": "after", "count": 1, "status": 500},
    {"kind": "timeout", "method": "GET", "when": "before", "count": 3},
    {"kind": "error", "method": "GET", "when": "before", "count": 2, "status": 503},
    {"kind": "timeout", "method": "DELETE", "when": "after", "count": 1},
    {"kind": "rate_limit", "method": "DELETE", "count": 1},
)
BATCH_ITEM = "/portfolio/events/orders/batched/item"
BATCH_FAULTS = (
    {"kind": "rate_limit", "count": 1},
    {"kind": "rate_limit", "count": 9},
    {"kind": "error", "when": "before", "status": 400},
    {"kind": "error", "when": "before", "status": 503},
    {"kind": "error", "when": "after", "status": 500},
    {"kind": "timeout", "when": "before"},
    {"kind": "timeout", "when": "after"},
)
"""What may strike one order of a batch: it is refused, done and not reported, or the answer is lost with the rest undone."""
WORLD_FAULTS = (
    "pause",
    "close",
    "tick",
    "shard_halt",
    "halt",
    "reduce",
    "thin",
    "vanish",
    "worse",
    "crash",
    "stale",
    "dead_epoch",
)


Levels = list[tuple[int, int]]
"""(YES price, count), best first."""


@dataclass
class Schedule:
    """One run. ``at_request``: number of a request -> world fault that strikes just before it is answered."""

    seed: int
    mode: str
    outcomes: int
    kind: str
    count: int
    books: list[tuple[Levels, Levels]]
    profile: dict[str, Any]
    deaths: list[int]
    exchange: list[dict[str, Any]]
    at_request: dict[int, str]
    at_round: dict[int, str]
    read_delay_ms: int
    frames: dict[str, float]
    exit_round: int | None
    ending: str
    rng: random.Random = field(repr=False)


def draw(seed: int) -> Schedule:
    """The schedule of a seed."""
    rng = random.Random(seed)
    outcomes = rng.choice((2, 2, 3, 3, 4, 5))
    kind = rng.choice(("all_yes", "all_no", "all_yes", "coverage"))
    mode = "sim" if rng.random() < 0.25 else "live"
    harsh = rng.random()
    sending, partial = _batch(random.Random(f"batch {seed}"), outcomes)
    return Schedule(
        seed=seed,
        mode=mode,
        outcomes=outcomes,
        kind=kind,
        count=rng.choice((100, 300, 500, 1_000, 250)),
        books=[_book(rng, outcomes, kind) for _ in range(outcomes)],
        profile={
            "on_partial": rng.choice(("unwind_on_partial", "hold_and_complete")),
            "leg_risk_budget": rng.choice((2, 5, 20)) * 1_000_000,
            "complete_seconds": rng.choice((2, 10)),
            "count_step": rng.choice((1, 50, 100)),
            "sending": sending,
        },
        deaths=sorted(rng.sample(range(1, 160), rng.choice((0, 1, 1, 2, 3, 5)))),
        exchange=partial
        + [dict(rng.choice(EXCHANGE_FAULTS)) | {"skip": rng.randrange(0, 8)} for _ in range(int(harsh * 5))],
        at_request={rng.randrange(1, 25): rng.choice(WORLD_FAULTS) for _ in range(int(harsh * 3))},
        at_round={rng.randrange(0, 6): rng.choice(WORLD_FAULTS) for _ in range(rng.choice((0, 0, 1)))},
        read_delay_ms=rng.choice((0, 0, 200, 900)),
        frames={
            "drop": rng.choice((0.0, 0.5, 1.0)),
            "duplicate": rng.choice((0.0, 0.3)),
            "late": rng.choice((0.0, 0.5)),
        },
        exit_round=rng.choice((None, None, 1, 2, 4)),
        ending=rng.choice(("settle", "settle", "scalar", "exit", "leave")),
        rng=rng,
    )


def _batch(rng: random.Random, outcomes: int) -> tuple[str, list[dict[str, Any]]]:
    """(how legs are sent, what strikes single orders of a batch)."""
    if rng.random() < 0.55:
        return "thinnest_first", []
    strikes = rng.choice((0, 1, 1, 2))
    common = {"method": "POST", "path": BATCH_ITEM}
    return "all_at_once", [
        common | dict(rng.choice(BATCH_FAULTS)) | {"skip": rng.randrange(0, outcomes)} for _ in range(strikes)
    ]


def _book(rng: random.Random, outcomes: int, kind: str) -> tuple[Levels, Levels]:
    """(YES bids, YES asks) of one outcome, a few levels each, such that the basket usually pays."""
    fair = 10_000 // outcomes
    if kind == "all_no":
        bid = fair + rng.randrange(200, 900, 100)
        ask = bid + rng.randrange(100, 500, 100)
    else:
        ask = fair - rng.randrange(100, 700, 100)
        bid = ask - rng.randrange(100, 500, 100)
    bid, ask = _cents(bid), _cents(ask)
    bids = [(max(100, bid - 100 * n), rng.choice((100, 250, 400, 1_000, 3_000))) for n in range(3)]
    asks = [(min(9_900, ask + 100 * n), rng.choice((100, 250, 400, 1_000, 3_000))) for n in range(3)]
    return list(dict(bids).items()), list(dict(asks).items())


def _cents(price: int) -> int:
    return min(9_500, max(400, price // 100 * 100))
