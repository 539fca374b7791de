"""Many settings over one tape, chosen on its first part and judged on the rest, with the number of tries counted against the best.

The best of many tries is good by luck alone: of ``n`` tries without any merit the best is expected about ``luck(n)`` standard deviations
above the mean. A setting counts only if the first part stands out by more than that, and its result on the rest is what is reported.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from multiprocessing import get_context
from typing import Any, Final

from backtest import session
from backtest.options import Options, checked
from kalbot.common.life import die_with_parent
from markets.tape.reader import Tape

LEARNED: Final = 0.6
"""Share of the tape's time on which settings are chosen."""
FEW: Final = 30
"""With fewer baskets on the judging part no choice is worth a word."""
EULER: Final = 0.5772156649


@dataclass(frozen=True, slots=True)
class Try:
    """One setting: profit (micro-dollars) and baskets on the choosing and on the judging part."""

    changes: Mapping[str, Any]
    chosen_profit: int
    chosen_baskets: int
    judged_profit: int
    judged_baskets: int


@dataclass(frozen=True, slots=True)
class Found:
    """All tries, the best on the choosing part first."""

    tries: tuple[Try, ...]

    @property
    def deflated(self) -> float | None:
        """How many standard deviations the best stands above what luck alone gives so many tries; None where all are alike."""
        profits = [one.chosen_profit for one in self.tries]
        spread = statistics.pstdev(profits) if len(profits) > 1 else 0.0
        if not spread:
            return None
        return (max(profits) - statistics.fmean(profits)) / spread - luck(len(profits))

    @property
    def sentence(self) -> str:
        """What may be concluded."""
        best = self.tries[0]
        if best.judged_baskets < FEW:
            return f"{len(self.tries)} tries; {best.judged_baskets} baskets to judge the best by: too few."
        if self.deflated is None or self.deflated <= 0:
            return f"{len(self.tries)} tries; the best is no better than the best of so many tries without merit."
        return f"{len(self.tries)} tries; the best stands {self.deflated:.1f} deviations above luck."


def luck(tries: int) -> float:
    """The expected largest of ``tries`` independent standard normal values (Bailey and López de Prado, 2014)."""
    if tries < 2:
        return 0.0
    normal = statistics.NormalDist()
    return (1 - EULER) * normal.inv_cdf(1 - 1 / tries) + EULER * normal.inv_cdf(1 - 1 / (tries * math.e))


def grid(values: Mapping[str, Sequence[Any]], most: int | None = None, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Every combination, or ``most`` of them drawn without replacement."""
    names = list(values)
    combinations = [dict(zip(names, one, strict=True)) for one in product(*values.values())]
    if most is not None and most < len(combinations):
        combinations = random.Random(seed).sample(combinations, most)
    yield from combinations


Outcome = tuple[int, int]
"""Profit (micro-dollars) and baskets of one run."""


def parts(options: Options, settings: Sequence[Mapping[str, Any]]) -> list[Options]:
    """The runs of a sweep: every setting on the first part of the tape, then every setting on the rest. Raises BadOption."""
    tape = Tape.open(options.tape)
    first, last = max(options.start_ns, tape.first_ns), min(options.end_ns, tape.last_ns + 1)
    middle = first + int((last - first) * LEARNED)
    wanted = [replace(options, profile=checked({**options.profile, **changes})) for changes in settings]
    return [replace(one, end_ns=middle) for one in wanted] + [replace(one, start_ns=middle) for one in wanted]


def found(settings: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome]) -> Found:
    """The tries of a sweep from the outcomes of its ``parts``, in their order."""
    chosen, judged = outcomes[: len(settings)], outcomes[len(settings) :]
    tries = [Try(dict(changes), *one, *other) for changes, one, other in zip(settings, chosen, judged, strict=True)]
    return Found(tuple(sorted(tries, key=lambda one: -one.chosen_profit)))


def run(options: Options, settings: Sequence[Mapping[str, Any]], jobs: int = 1) -> Found:
    """Replay every setting on both parts, ``jobs`` at a time."""
    wanted = parts(options, settings)
    if jobs <= 1:
        outcomes = [_outcome(one) for one in wanted]
    else:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_set_up) as pool:
            outcomes = list(pool.map(_outcome, wanted))
    return found(settings, outcomes)


def _outcome(options: Options) -> Outcome:
    result = session.run(options)
    return result.profit, result.baskets


def _set_up() -> None:
    die_with_parent()
    import django

    django.setup()
