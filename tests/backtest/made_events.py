"""Settled events whose truth is known: what was said, to a power."""

from __future__ import annotations

import random
from typing import Final

from backtest.calibration.observe import HOUR, Observed
from strategies.dutch.coverage import corrected

START: Final = 1_786_406_400 * 10**9
DAY: Final = 24 * HOUR


def made(power: float, events: int, seed: int) -> list[Observed]:
    """Events whose truth is what was said to ``power``: five a day."""
    numbers, found = random.Random(seed), []
    for number in range(events):
        weights = [numbers.random() ** 3 + 0.01 for _ in range(5)]
        said = {f"M{k}": weight / sum(weights) for k, weight in enumerate(weights)}
        truth = corrected(said, power)
        winner = numbers.choices(list(truth), list(truth.values()))[0]
        at = START + number // 5 * DAY
        found.append(Observed(f"E{number}", "Sports", 24, at, at + HOUR, said, said, winner))
    return found
