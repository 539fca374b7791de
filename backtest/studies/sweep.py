"""Many settings over one tape, chosen on its first part and judged on the rest, with the number of tries counted against the best.

With several folds the tape is cut into equal parts, and before each part but the first the setting is chosen that was best on all parts
before it: what those choices then earned is what choosing by this record is worth.

The best of many tries, those of earlier sweeps among them, is good by luck alone: of ``n`` tries without any merit the best is expected
about ``luck(n)`` standard deviations above the mean. A setting counts only if the first part stands out by more than that, and its result
on the rest is what is reported.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Any, Final

from backtest.options import BadOption, Options, checked
from backtest.replay import session
from kalbot.common.several import processes
from kalbot.common.units import dollars
from kalbot.common.wording import many
from markets.tape.reader import Tape

LEARNED: Final = 0.6
"""Share of the tape's time on which settings are chosen."""
FEW: Final = 30
"""With fewer baskets on the judging part no choice is worth a word."""
MOST_FOLDS: Final = 50
EULER: Final = 0.5772156649


Outcome = tuple[int, int]
"""Profit (micro-dollars) and baskets of one run."""


@dataclass(frozen=True, slots=True)
class Try:
    """One setting, with its outcome on each part of the tape. The last part judges, those before it choose."""

    changes: Mapping[str, Any]
    outcomes: tuple[Outcome, ...]

    def before(self, part: int) -> Outcome:
        """Profit and baskets on all parts before this one."""
        profits, baskets = zip(*self.outcomes[:part], strict=True)
        return sum(profits), sum(baskets)

    @property
    def chosen(self) -> Outcome:
        """What it is ranked by."""
        return self.before(len(self.outcomes) - 1)

    @property
    def judged(self) -> Outcome:
        """What it did on the last part."""
        return self.outcomes[-1]


@dataclass(frozen=True, slots=True)
class Fold:
    """The choice before one part: the best setting by then, what it had done, and what it did."""

    changes: Mapping[str, Any]
    chosen: Outcome
    judged: Outcome


@dataclass(frozen=True, slots=True)
class Found:
    """All tries, the best on the choosing part first."""

    tries: tuple[Try, ...]
    earlier: int = 0
    """Other settings of the same profile that were tried on the same tape before (``backtest.studies.tried``): luck had those as well."""

    @property
    def folds(self) -> tuple[Fold, ...]:
        """The choices, in order of time. Of settings alike the first is taken."""
        found = []
        for part in range(1, len(self.tries[0].outcomes)):
            best = max(self.tries, key=lambda one: one.before(part)[0])
            found.append(Fold(best.changes, best.before(part), best.outcomes[part]))
        return tuple(found)

    @property
    def deflated(self) -> float | None:
        """How many standard deviations the best stands above what luck alone gives so many tries; None where all are alike."""
        profits = [one.chosen[0] for one in self.tries]
        spread = statistics.pstdev(profits) if len(profits) > 1 else 0.0
        if not spread:
            return None
        return (max(profits) - statistics.fmean(profits)) / spread - luck(len(profits) + self.earlier)

    @property
    def sentence(self) -> str:
        """What may be concluded."""
        tries, folds = many(len(self.tries), "try", "tries"), self.folds
        tries += f" after {many(self.earlier, 'other')} on this tape" if self.earlier else ""
        baskets = sum(fold.judged[1] for fold in folds)
        if len(folds) > 1:
            profit = dollars(sum(fold.judged[0] for fold in folds))
            tries += f", {len(folds)} folds; what was best before each earned {profit} on what followed"
        if baskets < FEW:
            return f"{tries}; {many(baskets, 'basket')} to judge the best by: too few."
        if self.deflated is None or self.deflated <= 0:
            return f"{tries}; the best is no better than the best of so many tries without merit."
        return f"{tries}; the best stands {self.deflated:.1f} deviations above luck."


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


def parts(options: Options, settings: Sequence[Mapping[str, Any]], folds: int = 1) -> list[Options]:
    """The runs of a sweep: every setting on the first part of the tape, then every setting on the next. One fold has a first part of
    ``LEARNED`` and the rest, more have equal parts, one more than there are folds. Raises BadOption."""
    if not 1 <= folds <= MOST_FOLDS:
        raise BadOption(f"folds: 1 to {MOST_FOLDS}")
    shares = [LEARNED] if folds == 1 else [part / (folds + 1) for part in range(1, folds + 1)]
    spans = Tape.open(options.tape).spans(options.start_ns, options.end_ns)
    cuts = [options.start_ns, *(_reached(spans, share) for share in shares), options.end_ns]
    wanted = [replace(options, profile=checked({**options.profile, **changes})) for changes in settings]
    return [replace(one, start_ns=start, end_ns=end) for start, end in pairwise(cuts) for one in wanted]


def _reached(spans: Sequence[tuple[int, int]], share: float) -> int:
    """When so much of the time that the tape has is over: a day that was not recorded is no part of it."""
    left = int(sum(end - begin for begin, end in spans) * share)
    for begin, end in spans:
        if left < end - begin:
            return begin + left
        left -= end - begin
    return spans[-1][1]


def found(settings: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome]) -> Found:
    """The tries of a sweep from the outcomes of its ``parts``, in their order."""
    tries = [Try(dict(changes), tuple(outcomes[number :: len(settings)])) for number, changes in enumerate(settings)]
    return Found(tuple(sorted(tries, key=lambda one: -one.chosen[0])))


def run(options: Options, settings: Sequence[Mapping[str, Any]], jobs: int = 1, folds: int = 1) -> Found:
    """Replay every setting on every part, ``jobs`` at a time."""
    wanted = parts(options, settings, folds)
    if jobs <= 1:
        outcomes = [_outcome(one) for one in wanted]
    else:
        with processes(jobs) as pool:
            outcomes = list(pool.map(_outcome, wanted))
    return found(settings, outcomes)


def _outcome(options: Options) -> Outcome:
    result = session.run(options)
    return result.profit, result.baskets
