"""A family with prices in which nothing can be had, and what a linear programme over every atom says of prices."""

from __future__ import annotations

import random
from collections.abc import Mapping
from decimal import Decimal

from kalbot.common.units import CONTRACT
from markets.book import Depth, Side
from markets.fees import FeeSchedule
from markets.terms.atoms import Atoms
from markets.terms.reading.strikes import Interval, at_least, greater, less
from strategies.dutch.basket import LegMarket
from strategies.dutch.curve import WorstCurve
from strategies.dutch.program import Program
from strategies.families.counts import levels_of
from strategies.families.limits import Key, Sizes
from strategies.families.screen import Ask


def ladder(ranges: int, seed: int, nobody: bool) -> tuple[Atoms, dict[str, LegMarket]]:
    """Ranges of a dollar with their thresholds, priced from a hidden measure with a spread: nothing can be had."""
    numbers, family = random.Random(seed), {"low": less(Decimal(100)), "high": at_least(Decimal(100 + ranges))}
    for n in range(ranges):
        family[f"R{n}"] = Interval(Decimal(100 + n), True, Decimal(100 + n) + Decimal("0.99"), True)
        family[f"T{n}"] = greater(Decimal(100 + n) - Decimal("0.01"))
    atoms = Atoms.of(family, nobody=nobody)
    weights = [numbers.random() ** 4 for _ in range(len(atoms))]
    legs = {}
    for ticker, (low, high) in atoms.spans.items():
        chance = sum(weights[low:high]) / sum(weights)
        yes, no = (int((p - numbers.random() * 0.02) * 100) for p in (chance, 1 - chance))
        legs[ticker] = LegMarket(
            ticker,
            Depth.of(
                [((yes - k) * 100, numbers.randrange(100, 5_000)) for k in range(3) if yes - k > 0],
                [((no - k) * 100, numbers.randrange(100, 5_000)) for k in range(3) if no - k > 0],
            ),
            FeeSchedule(),
        )
    return atoms, legs


def settlements(atoms: Atoms) -> list[set[str]]:
    """Who wins at each value, where nobody does, and where a named market does whatever the value: by the spans alone."""
    rows = [{t for t, (low, high) in atoms.spans.items() if low <= atom < high} for atom in range(len(atoms))]
    rows += [set()] if atoms.nobody else []
    if atoms.fallback is not None:
        rows += [row - atoms.fallback.event | {atoms.fallback.named} for row in rows]
    return rows


def by_programme(atoms: Atoms, asks: list[Ask]) -> float:
    """The most that a basket of at most one contract a leg earns, by a linear programme over all atoms."""
    program = Program()
    floor = program.column(1.0, 1000.0)
    columns = [program.column(-ask.price, 1.0) for ask in asks]
    rows: list[list[tuple[int, float]]] = []
    for winners in settlements(atoms):
        rows.append([])
        for ask, column in zip(asks, columns, strict=True):
            yes = ask.ticker in winners
            if yes is (ask.side is Side.YES) and not (atoms.any_no and ask.side is Side.YES):
                rows[-1].append((column, 1.0))
    for row in rows:
        program.at_least([*row, (floor, -1.0)], 0.0)
    solved = program.solve()
    assert solved is not None
    return solved.objective


def whole_programme(atoms: Atoms, curves: Mapping[Key, WorstCurve], sizes: Sizes) -> float:
    """What the best counts of all legs earn, in dollars, by one linear programme over every leg, level and atom."""
    program = Program()
    floor = program.column(1.0, float("inf"))
    costs: list[tuple[int, float]] = []
    columns: dict[Key, list[tuple[int, float]]] = {}
    for key, curve in curves.items():
        columns[key] = [(program.column(-price, count / CONTRACT), price) for price, count in levels_of(curve)]
        costs += columns[key]
        if sizes.max_cost_per_leg is not None:
            program.at_most(columns[key], sizes.max_cost_per_leg / 10**6)
    for winners in settlements(atoms):
        row = []
        for (ticker, side), bought in columns.items():
            yes = ticker in winners
            if yes is (side is Side.YES) and not (atoms.any_no and side is Side.YES):
                row += [(column, 1.0) for column, _ in bought]
        program.at_least([*row, (floor, -1.0)], 0.0)
    if sizes.max_cost is not None:
        program.at_most(costs, sizes.max_cost / 10**6)
    solved = program.solve()
    assert solved is not None
    return solved.objective
