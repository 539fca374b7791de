"""A harsher world on top of a schedule: prices at the ends, unequal counts, a second profile, somebody else on the account, workers that
freeze while others work, clocks that step, books that jump between any two requests."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.faults.schedule import Levels, Schedule, draw

TROUBLES = ("answers", "jumps", "ends", "pauses", "reads", "restarts", "fees", "grids", "terms")
SLEEPS = (0.5, 7.0, 50.0, 200.0)
"""Seconds for which a worker is stopped: shorter and longer than a signature, a lease and an order live."""
UNDOCUMENTED = ("netting_resting", "netting_revenue_net", "netting_yes_counts", "netting_whole_cents")
"""What the exchange may do either way where collateral is returned."""
HOUR_MS = 3_600_000
LOTS = (1, 3, 17, 50, 99, 250, 777, 1_000, 3_333)
"""Sizes of levels, 1/100 contract."""
STEPS = (-90.0, -20.0, -3.0, 3.0, 40.0)
"""Seconds by which a clock is set forward or back between two steps."""


@dataclass
class Harsh:
    """What a run has beyond its schedule. ``freezes``: number of a boundary -> seconds; ``steps``: round -> seconds."""

    troubles: tuple[str, ...] = ()
    shares: tuple[int, ...] = ()
    fine: bool = False
    freezes: dict[int, float] = field(default_factory=dict)
    steps: dict[int, float] = field(default_factory=dict)
    follows: float = 0.0
    second_round: int | None = None
    cash: int | None = None
    beside_foreign: bool = False
    collateral: dict[str, bool] | None = None
    """Collateral return is on, with these undocumented choices of the exchange; None: off."""
    beside: dict[int, str] = field(default_factory=dict)
    """What happens at a boundary in the midst of a step (``tests/faults/lived.py``)."""
    acts: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """What people do, and which results come, in a round (``tests/faults/lived.py``)."""
    tapered: bool = False
    """Tenths of a cent below ten cents and above ninety."""
    apart_round: int | None = None
    """A profile on another subaccount takes the same decision in this round."""
    archived: tuple[int, int] | None = None
    """So soon (ms) what has ended leaves the live listings for the historical ones: of the account, and settled markets."""
    away: tuple[int, int] | None = None
    """(round, hours): nobody is there before that round for so long."""
    starts_well: bool = False
    """Whether the first comparison of the books comes before the trouble."""

    @property
    def has_actor(self) -> bool:
        return "actor" in self.troubles


def draw_harsh(seed: int) -> tuple[Schedule, Harsh]:
    """The schedule of a seed and what makes its world harsh. Each part has a stream of its own."""
    plan, rng = draw(seed), random.Random(f"harsh {seed}")
    troubles = tuple(kind for kind in TROUBLES if rng.random() < 0.4)
    if rng.random() < 0.4:
        troubles += ("actor",)
    harsh = Harsh(
        troubles=troubles,
        freezes={rng.randrange(1, 120): rng.choice(SLEEPS) for _ in range(rng.choice((0, 0, 1, 2, 3)))},
        steps={rng.randrange(8): rng.choice(STEPS) for _ in range(rng.choice((0, 0, 1, 2)))},
        follows=rng.choice((0.0, 0.3, 1.0)),
        second_round=rng.choice((None, 0, 1)) if plan.mode == "live" else None,
        beside_foreign=rng.random() < 0.5,
        starts_well=rng.random() < 0.85,
    )
    if rng.random() < 0.4:
        harsh.fine = rng.random() < 0.5
        plan.books = _at_the_ends(rng, plan, 10 if harsh.fine else 100)
    if plan.kind == "all_no" and rng.random() < 0.6:
        harsh.shares = tuple(rng.choice((1, 1, 2, 3)) for _ in range(plan.outcomes))
    if harsh.second_round is not None and rng.random() < 0.6:
        harsh.cash = rng.choice((3, 8, 15)) * 1_000_000
    plan.profile["leg_risk_budget"] = rng.choice((300_000, 1_000_000, 2_000_000, 20_000_000))
    with_collateral(seed, plan, harsh)
    return plan, harsh


def with_odd_lots(seed: int, plan: Schedule, harsh: Harsh) -> None:
    """Draw sizes and counts of hundredths of a contract, and prices of tenths of a cent: what is left is never round."""
    rng = random.Random(f"odd {seed}")
    plan.count = rng.choice((1, 7, 37, 133, 250, 999))
    plan.profile["count_step"] = 1
    harsh.fine, harsh.tapered = harsh.fine or rng.random() < 0.4, rng.random() < 0.5
    books: list[tuple[Levels, Levels]] = []
    for bids, asks in plan.books:
        by = 0 if not (harsh.fine or harsh.tapered) else 10 * rng.randrange(-9, 10)
        prices = [price + by for price, _ in bids + asks]
        if not all(0 < price < 10_000 and (harsh.fine or price < 1_000 or price > 9_000) for price in prices):
            by = 0
        bids, asks = ([(price + by, rng.choice(LOTS)) for price, _ in levels] for levels in (bids, asks))
        books.append((bids, asks))
    plan.books = books


def with_subaccount(seed: int, plan: Schedule, harsh: Harsh) -> None:
    """Draw when a profile on another subaccount buys the same basket of the same event. Live only: a simulated one has no subaccount."""
    rng = random.Random(f"apart {seed}")
    plan.mode, harsh.starts_well = "live", True
    harsh.apart_round = rng.randrange(3)


def with_history(seed: int, harsh: Harsh) -> None:
    """Draw how soon what has ended is in the exchange's history alone, and how long nobody is there: a bot that comes back after weeks."""
    rng = random.Random(f"archived {seed}")
    harsh.archived = rng.choice((1, 1, 6, 20)) * HOUR_MS, rng.choice((0, 5_000, 60_000, HOUR_MS))
    harsh.away = (rng.randrange(8), rng.choice((2, 12, 40))) if rng.random() < 0.8 else None


def with_collateral(seed: int, plan: Schedule, harsh: Harsh, *, always: bool = False) -> None:
    """Draw whether collateral return is on, and how the exchange does what is not documented. Live, of NO on several."""
    rng = random.Random(f"collateral {seed}")
    if plan.mode == "live" and plan.kind == "all_no" and (rng.random() < 0.5 or always):
        harsh.starts_well = True
        harsh.collateral = {name: rng.random() < 0.5 for name in UNDOCUMENTED}


def _at_the_ends(rng: random.Random, plan: Schedule, tick: int) -> list[tuple[Levels, Levels]]:
    """One favourite near a dollar, the others near nothing: asks at the least price, bids one tick below the greatest, or none."""
    favourite, others = rng.randrange(plan.outcomes), plan.outcomes - 1
    books: list[tuple[Levels, Levels]] = []
    for number in range(plan.outcomes):
        size = rng.choice((100, 400, 1_000, 5_000))
        if number == favourite:
            ask = 10_000 - tick * (others + rng.choice((1, 2, 4)))
            bid = ask - tick * rng.choice((1, 1, 5))
            books.append(([(bid, size)], [(ask, size), (min(10_000 - tick, ask + tick), 5_000)]))
        else:
            bids = [(tick, size)] if rng.random() < 0.8 else []
            ask = tick * (2 if bids else 1)
            books.append((bids, [(ask, size), (ask + tick, 5_000)]))
    return books
