"""Allocation: what a short capital earns when the best set is bought, against first come first served and the largest profit first.

``python -m bench.allocation`` prints JSON. The world is drawn, not recorded: baskets turn up in a cycle by chance, lock their cost for
hours, a day, a week or a month, and pay for sure. The same baskets are offered to every rule. ``--twin SECONDS`` takes the baskets that
the simulated exchange plants in so long instead, as the product's search finds them in its books.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from random import Random
from statistics import mean, median, quantiles, stdev
from typing import Any, Final

from scipy.optimize import linprog
from scipy.stats import t as student

from bench import _twin_offers
from kalbot.common.units import Money
from strategies.allocation.choice import Limits, Offer, choose
from strategies.allocation.hurdle import hurdle

DOLLAR: Final = 1_000_000
TERMS: Final = ((0.05, 4), (1.0, 4), (7.0, 1), (30.0, 1))
"""(days, how often): most of what is listed settles within a day."""
Rule = Callable[[Sequence[Offer], Limits], Sequence[tuple[str, float]]]


def main(argv: list[str] | None = None) -> int:
    """Run everything."""
    parser = argparse.ArgumentParser(prog="bin/bench allocation", description=__doc__)
    parser.add_argument("--days", type=int, default=120, help="days of each draw (default %(default)s)")
    parser.add_argument("--capital", type=int, default=1_000, help="dollars")
    parser.add_argument(
        "--seeds", type=int, default=3, help="draws, or courses of the simulated exchange (default %(default)s)"
    )
    parser.add_argument(
        "--twin", type=int, default=0, metavar="SECONDS", help="the simulated exchange's baskets instead"
    )
    options = parser.parse_args(argv)
    if options.twin:
        print(json.dumps(_twin(options.twin, options.seeds), indent=2))
        return 0
    document: dict[str, Any] = {"choosing, ms": {str(number): _speed(number) for number in (10, 60, 300)}}
    for a_cycle in (0.05, 0.5, 3.0):
        document[f"{a_cycle:g} baskets a cycle of ten minutes"] = _earned(options, a_cycle)
    print(json.dumps(document, indent=2))
    return 0


def _twin(seconds: int, seeds: int) -> dict[str, Any]:
    """What short capitals earn on the baskets of the simulated exchange, by capital, collateral return and rule: the mean of the seeds in
    dollars, and how much more than first come, and than without collateral return, in each seed (mean and 95 % interval)."""
    worlds = [_twin_offers.drawn(seconds, seed) for seed in range(1, seeds + 1)]
    offers = [each for world in worlds for each in world]
    found: dict[str, Any] = {
        "days": round(seconds * 1_000 / _twin_offers.DAY_MS, 1),
        "seeds": seeds,
        "baskets": len(offers),
        "locked with collateral return, of what is without": round(
            sum(each.on.locked for each in offers) / sum(each.off.locked for each in offers), 3
        ),
    }
    in_turn = {mode: _in_turn(worlds, seconds, mode) for mode in ("off", "on")}
    for capital in (100, 300, 1_000):
        rules: dict[str, Callable[[], Rule]] = {
            "first come": lambda: _first_come,
            "largest profit": lambda: _largest,
            "best set of each cycle": lambda: _best,
            "best set above the hurdle": lambda capital=capital: _Above(capital, _twin_offers.CYCLES),  # type: ignore[misc]
        }
        earned: dict[str, dict[str, list[float]]] = {
            mode: {
                name: [
                    _on_twin(rule(), [(one.cycle, getattr(one, mode)) for one in world], capital) for world in worlds
                ]
                for name, rule in rules.items()
            }
            for mode in ("off", "on")
        }
        found[f"{capital} dollars"] = {
            f"collateral return {mode}": {name: _figures(name, mode, earned) for name in rules}
            for mode in ("off", "on")
        }
        found[f"{capital} dollars"]["known beforehand, over first come"] = {
            mode: {
                "the hurdle, from the other courses": _times(
                    [_with_hurdle_of_others(worlds, number, mode, capital, seconds) for number in range(seeds)],
                    earned[mode]["first come"],
                ),
                "every basket": _times(
                    [_at_most([(one.cycle, getattr(one, mode)) for one in world], capital) for world in worlds],
                    earned[mode]["first come"],
                ),
            }
            for mode in ("off", "on")
            if seeds > 1
        }
        found[f"{capital} dollars"]["courses one after another, over first come"] = {
            mode: {
                name: round(_on_twin(rule(), in_turn[mode], capital) / _on_twin(_first_come, in_turn[mode], capital), 2)
                for name, rule in rules.items()
            }
            for mode in ("off", "on")
        }
    return found


def _with_hurdle_of_others(
    worlds: Sequence[Sequence[_twin_offers.Drawn]], number: int, mode: str, capital: int, seconds: int
) -> float:
    """Dollars of one course where the hurdle is known from its first cycle on, from what the other courses offered."""
    others = [getattr(one, mode) for other, world in enumerate(worlds) if other != number for one in world]
    days = seconds * 1_000 / _twin_offers.DAY_MS * (len(worlds) - 1)
    least = hurdle(others, Money(capital * DOLLAR), days)

    def rule(offers: Sequence[Offer], limits: Limits) -> Sequence[tuple[str, float]]:
        return choose([offer for offer in offers if offer.return_a_day >= least], limits).shares

    return _on_twin(rule, [(one.cycle, getattr(one, mode)) for one in worlds[number]], capital)


def _at_most(offered: Sequence[tuple[int, Offer]], capital: int) -> float:
    """Dollars that nobody can exceed: a linear programme over all baskets of a course, each bought when it turns up, in any part, so that
    at no time more than the capital is locked."""
    begins = [cycle / _twin_offers.CYCLES for cycle, _ in offered]
    ends = [at + (offer.days or 0.0) for at, (_, offer) in zip(begins, offered, strict=True)]
    locked = [offer.locked / DOLLAR for _, offer in offered]
    rows = [
        [money if first <= at < last else 0.0 for first, last, money in zip(begins, ends, locked, strict=True)]
        for at in sorted(set(begins))
    ]
    profits = [-offer.profit / DOLLAR for _, offer in offered]
    return -float(linprog(profits, A_ub=rows, b_ub=[capital] * len(rows), bounds=(0, 1)).fun)


def _in_turn(worlds: Sequence[Sequence[_twin_offers.Drawn]], seconds: int, mode: str) -> list[tuple[int, Offer]]:
    """The courses as one long one: the hurdle is learnt once, not again in each."""
    return [
        (one.cycle + number * seconds, replace(getattr(one, mode), key=f"{number}:{getattr(one, mode).key}"))
        for number, world in enumerate(worlds)
        for one in world
    ]


def _figures(name: str, mode: str, earned: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, Any]:
    own = earned[mode][name]
    return {
        "dollars": round(mean(own), 2),
        "over first come": _times(own, earned[mode]["first come"]),
        **({"over off": _times(own, earned["off"][name])} if mode == "on" else {}),
    }


def _times(these: Sequence[float], those: Sequence[float]) -> str:
    """How many times as much, seed by seed: the mean, and its 95 % interval by Student's t."""
    ratios = [this / that for this, that in zip(these, those, strict=True)]
    if len(ratios) < 2:
        return f"{mean(ratios):.2f}"
    half = float(student.ppf(0.975, len(ratios) - 1)) * stdev(ratios) / len(ratios) ** 0.5
    return f"{mean(ratios):.2f} ({mean(ratios) - half:.2f} to {mean(ratios) + half:.2f})"


def _on_twin(rule: Rule, offered: Sequence[tuple[int, Offer]], capital: int) -> float:
    """Dollars that one rule earns with a capital that profits do not add to. A basket can be bought in each cycle of its offer, once."""
    free, earned = float(capital * DOLLAR), 0.0
    locked: list[tuple[float, float]] = []
    last = max((cycle for cycle, _ in offered), default=0) + _twin_offers.HELD
    bought: set[str] = set()
    for cycle in range(last):
        now = cycle / _twin_offers.CYCLES
        free += sum(money for until, money in locked if until <= now)
        locked = [(until, money) for until, money in locked if until > now]
        open_ = [o for at, o in offered if at <= cycle < at + _twin_offers.HELD and o.key not in bought]
        by_key = {offer.key: offer for offer in open_}
        for key, share in rule(open_, Limits(Money(int(free)), 20 - len(locked), 120)):
            offer = by_key[key]
            bought.add(key)
            free -= offer.locked * share
            earned += offer.profit * share
            locked.append((now + (offer.days or 0.0), offer.locked * share))  # profits wait in cash, the default
    return earned / DOLLAR


def _speed(number: int) -> dict[str, float]:
    times = []
    for seed in range(40):
        offers = [_offer(Random(f"{seed}:{n}"), f"E{n}") for n in range(number)]
        began = time.perf_counter()
        choice = choose(offers, Limits(Money(500 * DOLLAR), 10, 60))
        times.append((time.perf_counter() - began) * 1000)
        assert choice.worth <= choice.bound
    return {"median": round(median(times), 2), "99th percentile": round(quantiles(times, n=100)[98], 2)}


def _earned(options: argparse.Namespace, a_cycle: float) -> dict[str, Any]:
    rules: dict[str, Callable[[], Rule]] = {
        "first come": lambda: _first_come,
        "largest profit": lambda: _largest,
        "best set of each cycle": lambda: _best,
        "best set above the hurdle": lambda: _Above(options.capital),
    }
    found = {
        name: median(_run(rule(), options.days, options.capital, a_cycle, seed) for seed in range(options.seeds))
        for name, rule in rules.items()
    }
    last = found["best set above the hurdle"]
    return {
        **{f"{name}, % of the capital in 30 days": round(100 * share, 2) for name, share in found.items()},
        "the last over first come": round(last / found["first come"], 2),
        "the last over largest profit": round(last / found["largest profit"], 2),
    }


def _run(rule: Rule, days: int, capital: int, a_cycle: float, seed: int) -> float:
    """Profit of one rule in 30 days as a share of the capital."""
    free, earned = capital * DOLLAR, 0
    locked: list[tuple[float, int]] = []
    for number in range(days * 144):
        now, chance = number / 144, Random(f"{seed}:{number}")
        free += sum(money for until, money in locked if until <= now)
        locked = [(until, money) for until, money in locked if until > now]
        offers = [_offer(chance, f"{number}:{n}") for n in range(_how_many(chance, a_cycle))]
        by_key = {offer.key: offer for offer in offers}
        for key, share in rule(offers, Limits(Money(free), 40 - len(locked), 120)):
            offer = by_key[key]
            cost = int(offer.locked * share)
            profit = int(offer.profit * share)
            free -= cost
            earned += profit
            locked.append((now + (offer.days or 0.0), cost + profit))
    return earned / (capital * DOLLAR) * 30 / days


def _how_many(chance: Random, mean: float) -> int:
    """Poisson, by the gaps between arrivals."""
    return sum(1 for _ in _until(accumulate(chance.expovariate(mean) for _ in range(60)), 1.0))


def _until(moments: Any, end: float) -> Any:
    for moment in moments:
        if moment > end:
            return
        yield moment


def _offer(chance: Random, key: str) -> Offer:
    days = chance.choices([days for days, _ in TERMS], [often for _, often in TERMS])[0]
    cost = chance.uniform(20, 200) * DOLLAR
    margin = min(0.1, chance.lognormvariate(-4.6, 0.8))
    return Offer(key, Money(int(cost)), Money(int(cost * margin)), days, chance.randint(2, 8), least=0.1)


def _first_come(offers: Sequence[Offer], limits: Limits) -> list[tuple[str, float]]:
    shares, left = [], int(limits.capital)
    for offer in offers[: max(0, limits.positions)]:
        share = min(1.0, left / offer.locked)
        if share >= offer.least:
            shares.append((offer.key, share))
            left -= int(offer.locked * share)
    return shares


def _largest(offers: Sequence[Offer], limits: Limits) -> list[tuple[str, float]]:
    return _first_come(sorted(offers, key=lambda offer: -offer.profit), limits)


def _best(offers: Sequence[Offer], limits: Limits) -> Sequence[tuple[str, float]]:
    return choose(offers, limits).shares


class _Above:
    """The best set of what returns more than the hurdle, which is learnt on the way from what was offered in the last ten days."""

    def __init__(self, capital: int, a_day: int = 144) -> None:
        self.capital, self.cycles, self.a_day = Money(capital * DOLLAR), 0, a_day
        self.offered: deque[tuple[int, Offer]] = deque()
        self.least = 0.0

    def __call__(self, offers: Sequence[Offer], limits: Limits) -> Sequence[tuple[str, float]]:
        self.cycles += 1
        known = {offer.key for _, offer in self.offered}
        self.offered.extend((self.cycles, offer) for offer in offers if offer.key not in known)
        while self.offered and self.offered[0][0] <= self.cycles - 10 * self.a_day:
            self.offered.popleft()
        if self.cycles % (self.a_day // 4) == 0:
            window = min(self.cycles, 10 * self.a_day) / self.a_day
            self.least = hurdle((offer for _, offer in self.offered), self.capital, window)
        return choose([offer for offer in offers if offer.return_a_day >= self.least], limits).shares


if __name__ == "__main__":
    raise SystemExit(main())
