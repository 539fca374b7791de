"""A second opinion on large events: mixed integer programmes (HiGHS by scipy) without any rounding of fees. No code of the product.

Each level of each leg has two columns: whether it is the last one that is bought from, and the leg's whole count if it is. What is paid,
and what is paid at the limit price, that of the last level, are then linear. Contracts, or ``step`` of 1/100; money as in the product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import dutch_oracle
import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

MOST_NODES = 10_000
"""Of one programme; what it has not proven then is in its bound."""
PAYS = 1e4


@dataclass(frozen=True)
class Proven:
    """The best basket that a programme found, and what no basket exceeds; equal where it ran to its end. Money."""

    found: float
    bound: float


class Programme:
    """Maximise over columns. Column 0 is the largest count (NO) or that of every leg (YES, coverage)."""

    def __init__(
        self, legs: Sequence[dutch_oracle.Asks], unit: int, largest_pays: float, leg_pays: Sequence[float]
    ) -> None:
        self.gain, self.upper, self.whole = [largest_pays], [np.inf], [0]
        self.entries: list[tuple[int, int, float]] = []
        self.low: list[float] = []
        self.high: list[float] = []
        self.cost: dict[int, float] = {}
        self.at_limits: dict[int, float] = {}
        self.used: list[list[int]] = []
        self.counts: list[list[int]] = []
        self.unit = unit
        for asks, pays in zip(legs, leg_pays, strict=True):
            self._leg(asks, pays)

    def _leg(self, asks: dutch_oracle.Asks, pays: float) -> None:
        last_ones, counts, before, paid = [], [], 0.0, 0.0
        for price, size in asks:
            each = price + float(dutch_oracle.RATE) * price * (10_000 - price) / 10_000
            last, count, through = len(self.gain), len(self.gain) + 1, before + size / self.unit
            self.cost |= {last: paid - before * each, count: each}
            self.at_limits[count] = each
            self.gain += [before * each - paid, pays - each]
            self.upper += [1, through]
            self.whole += [1, 1]
            self.add({count: 1.0, last: -through}, -np.inf, 0)
            self.add({count: 1.0, last: -before}, 0, np.inf)
            last_ones.append(last)
            counts.append(count)
            paid, before = paid + size / self.unit * each, through
        self.add(dict.fromkeys(last_ones, 1.0), -np.inf, 1)
        self.add({**dict.fromkeys(counts, 1.0), 0: -1.0}, -np.inf, 0)
        self.used.append(last_ones)
        self.counts.append(counts)

    def add(self, terms: Mapping[int, float], least: float, most: float) -> None:
        """least <= sum of terms <= most."""
        self.entries += [(len(self.low), column, number) for column, number in terms.items()]
        self.low.append(least)
        self.high.append(most)

    def beyond(self, pays: Mapping[int, float], margin_ppm: int, cost: Mapping[int, float], least: float = 0) -> None:
        """What is paid out is at least the cost with its margin, and ``least`` more."""
        share = 1 + margin_ppm / 1e6
        columns = pays.keys() | cost.keys()
        self.add({c: pays.get(c, 0.0) - share * cost.get(c, 0.0) for c in columns}, least, np.inf)

    def limits(self, max_cost: int | None, max_legs: int | None) -> None:
        """Money at limit prices, and legs."""
        if max_cost is not None:
            self.add(self.at_limits, -np.inf, max_cost / self.unit)
        if max_legs is not None:
            self.add(dict.fromkeys(chain.from_iterable(self.used), 1.0), -np.inf, max_legs)

    def solve(self) -> Proven | None:
        """None: no basket meets the demands.

        Every row is scaled to coefficients of at most 1 and nothing is presolved: on rows that mix hundred millions with ones the
        solver cut off the optimum and called the rest optimal (see the test of this programme's own faults).
        """
        at, columns, numbers = zip(*self.entries, strict=True)
        matrix = csr_array((numbers, (at, columns)), (len(self.low), len(self.gain)))
        rows = abs(matrix).max(axis=1).toarray().ravel()
        gain = np.array(self.gain) / PAYS
        result = milp(
            -gain,
            constraints=LinearConstraint(
                csr_array(matrix.multiply(1 / rows[:, None])), np.array(self.low) / rows, np.array(self.high) / rows
            ),
            bounds=Bounds(0, np.array(self.upper)),
            integrality=np.array(self.whole),
            options={"node_limit": MOST_NODES, "mip_rel_gap": 1e-7, "presolve": False},
        )
        if result.x is None:
            assert result.status == 2, result.message  # infeasible
            return None
        return Proven(float(-result.fun * PAYS) * self.unit, float(-result.mip_dual_bound * PAYS) * self.unit)


def best_sure(
    legs: Sequence[dutch_oracle.Asks],
    kind: str,
    *,
    max_cost: int | None = None,
    margin_ppm: int = 0,
    max_legs: int | None = None,
    step: int = 100,
) -> Proven:
    """What YES on every outcome, or NO on some, earns for sure at best; nothing bought earns nothing."""
    no = kind == "all_no"
    largest = -PAYS if no else PAYS
    programme = Programme(legs, step, largest, [PAYS if no else 0.0] * len(legs))
    if not no:
        for counts in programme.counts:
            programme.add({**dict.fromkeys(counts, 1.0), 0: -1.0}, 0, 0)
    pays = dict.fromkeys(chain.from_iterable(programme.counts), PAYS) if no else {}
    programme.beyond({0: largest, **pays}, margin_ppm, programme.at_limits)
    programme.limits(max_cost, max_legs)
    best = programme.solve()
    assert best is not None, "nothing is always a basket"
    return best


def best_expected(
    legs: Sequence[dutch_oracle.Asks],
    chance: Sequence[float],
    *,
    threshold: float,
    certified: bool,
    margin_ppm: int = 0,
    expected_ppm: int = 0,
    max_cost: int | None = None,
    max_legs: int | None = None,
    spare: int = 0,
    step: int = 100,
) -> Proven | None:
    """What YES on some outcomes, the same count of each, can be expected to earn at best; they win with ``threshold`` or more.
    ``spare``: money by which every demand is exceeded, say for the rounding of fees."""
    programme = Programme(legs, step, 0.0, [PAYS * share for share in chance])
    deepest = max((sum(size for _, size in asks) for asks in legs), default=0) / step
    programme.upper[0] = deepest
    for used, counts in zip(programme.used, programme.counts, strict=True):  # a leg that is used has the count of all
        programme.add({**dict.fromkeys(counts, 1.0), **dict.fromkeys(used, -deepest), 0: -1.0}, -deepest, np.inf)
        programme.add({**dict.fromkeys(counts, 1.0), **dict.fromkeys(used, -1.0)}, 0, np.inf)
    shares = list(zip(programme.used, programme.counts, chance, strict=True))
    programme.add({column: share for used, _, share in shares for column in used}, threshold, np.inf)
    if certified:
        programme.add(dict.fromkeys(chain.from_iterable(programme.used), 1.0), -np.inf, len(legs) - 1)
    programme.add({0: 1.0}, 1, np.inf)
    programme.beyond({0: PAYS}, margin_ppm, programme.at_limits, spare / step)
    programme.beyond({0: PAYS}, 0, programme.cost, (1 + spare) / step)
    expected = {column: PAYS * share for _, counts, share in shares for column in counts}
    programme.beyond(expected, expected_ppm, programme.at_limits, spare / step)
    programme.limits(None if max_cost is None else max_cost - spare, max_legs)
    return programme.solve()
