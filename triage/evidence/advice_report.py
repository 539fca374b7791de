"""Advice replayed as tables: what leaving brought against holding, by position, reason and advice, with intervals over days. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from math import sqrt
from statistics import mean, stdev
from typing import Final

from kalbot.common.units import DOLLAR
from triage.evidence.advice_replay import Given

LEAST: Final = 30
"""Lines of fewer positions say nothing and are left out."""


def markdown(given: Sequence[Given]) -> str:
    """The table; ``given`` of every position."""
    groups: dict[tuple[str, str, str], list[Given]] = defaultdict(list)
    for one in given:
        groups[(one.kind, one.word, one.reason)].append(one)
    lines = [
        "| position | advice | reason | given | could be left | leaving was better | leaving less holding, $ a position | total, $ |",
        "|---|---|---|---|---|---|---|---|",
        *(_row(key, some) for key, some in sorted(groups.items()) if len(some) >= LEAST),
    ]
    few = sum(len(some) for some in groups.values() if len(some) < LEAST)
    if few:
        lines += ["", f"Left out: {few} of reasons that came fewer than {LEAST} times."]
    return "\n".join(lines) + "\n"


def _row(key: tuple[str, str, str], some: Sequence[Given]) -> str:
    kind, word, reason = key
    known = [(one, one.difference) for one in some if one.difference is not None]
    money = [difference / DOLLAR for _, difference in known]
    better = f"{sum(value > 0 for value in money) / len(money):.0%}" if money else ""
    shown = interval((one.event.split("-")[1], difference / DOLLAR) for one, difference in known)
    words = reason.replace("_", " ").replace(":", ", by ")
    return f"| {kind} | {word} | {words} | {len(some)} | {len(known)} | {better} | {shown} | {sum(money):+,.2f} |"


def interval(values: Iterable[tuple[str, float]]) -> str:
    """``+0.12 ± 0.05``: the mean over all, with a 95 % interval over days (weather of one day is one); empty with fewer than two."""
    days: dict[str, list[float]] = defaultdict(list)
    for day, value in values:
        days[day].append(value)
    if len(days) < 2:
        return ""
    means = [mean(some) for some in days.values()]
    return f"{mean(list(_all(days.values()))):+.2f} ± {1.96 * stdev(means) / sqrt(len(means)):.2f}"


def _all(groups: Iterable[Sequence[float]]) -> Iterator[float]:
    for some in groups:
        yield from some
