"""Which of the undocumented choices agree with what the exchange did: the balance before and after each step of the first basket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from kalbot.common.units import Money
from markets.book import Side
from strategies.collateral.funds import Funds
from strategies.collateral.groups import Choices, Group


@dataclass(frozen=True, slots=True)
class Observed:
    """One fill and the available funds that the exchange showed afterwards, Money."""

    ticker: str
    side: Side
    count: int
    cost: Money
    available: Money


@dataclass(frozen=True, slots=True)
class Difference:
    """The first step after which no choice predicts the balance: what the nearest one predicted, and what was shown."""

    step: int
    predicted: Money
    shown: Money


def every_choice() -> Iterator[Choices]:
    """All of them."""
    for yes_counts, whole_cents in product((False, True), repeat=2):
        yield Choices(yes_counts, whole_cents)


def agreeing(group: Group, start: Money, steps: Sequence[Observed]) -> list[Choices] | Difference:
    """The choices that predict every balance to the micro-dollar, or the step at which the last of them failed. ``start``: available
    funds before the first step, with nothing held in the group."""
    left = list(every_choice())
    for number in range(len(steps)):
        kept = [
            choices
            for choices in left
            if _balances(group, choices, start, steps[: number + 1])[-1] == steps[number].available
        ]
        if not kept:
            shown = steps[number].available
            predicted = [_balances(group, choices, start, steps[: number + 1])[-1] for choices in left]
            return Difference(number, min(predicted, key=lambda money: abs(money - shown)), shown)
        left = kept
    return left


def moved_once(group: Group, start: Money, steps: Sequence[Observed]) -> bool:
    """Whether a choice predicts every change of the balance but one: then money came or went beside the basket at that step, for example a
    rebate that the exchange lists nowhere. Never with fewer than three steps: of two changes one that fits proves nothing."""
    if len(steps) < 3:
        return False
    for choices in every_choice():
        off = [
            shown.available - said for shown, said in zip(steps, _balances(group, choices, start, steps), strict=True)
        ]
        if sum(now != before for before, now in pairwise([0, *off])) == 1:
            return True
    return False


def _balances(group: Group, choices: Choices, start: Money, steps: Iterable[Observed]) -> list[Money]:
    funds, found = Funds(group, choices, start), []
    for step in steps:
        funds.bought(step.ticker, step.side, step.count, step.cost)
        found.append(funds.available)
    return found
