"""Sources and the market as one opinion: a logarithmic pool whose weights are learned from what settled. Pure.

``p ~ market^(1 - sum of weights) x product of source^weight``, normalised over the outcomes. A weight is what a source has
earned: the least log loss over past events, with a penalty of ``DRAG`` nats in favour of the market, and never negative.
Weights of nothing leave the market as it is, so a source that adds nothing says nothing. Whether the pool beats the market
out of sample is for the e-value of its own record to say (``scoring.evidence``): it is frozen and scored like any source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Final

from triage.scoring.scoring import SMALLEST, probability_of

NAME: Final = "combined"
"""The pool's name among the sources."""
STEP: Final = 0.1
DRAG: Final = 2.0
"""Penalty in nats at a weight of one, over the whole record: ten events of a little luck move no weight far."""
LEAST_EVENTS: Final = 20
"""With fewer settled events a source has no weight."""
Chances = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Pair:
    """One settled event: what each source gave, what the market gave at the same moment, what came (empty: none of the listed)."""

    said: Mapping[str, Chances]
    market: Chances
    winner: str


def pool(market: Chances, said: Mapping[str, Chances], weights: Mapping[str, float]) -> dict[str, float]:
    """The pool's probability of each listed outcome; what the market leaves to "none of the listed" stays the market's."""
    used = {name: weights[name] for name in said if weights.get(name, 0.0) > 0.0}
    rest = 1.0 - sum(used.values())
    shares = {
        ticker: exp(
            rest * log(max(p, SMALLEST))
            + sum(w * log(max(said[name].get(ticker, 0.0), SMALLEST)) for name, w in used.items())
        )
        for ticker, p in market.items()
    }
    listed, total = min(1.0, sum(market.values())), sum(shares.values())
    return {ticker: listed * share / total for ticker, share in shares.items()} if total else dict(market)


def learn_weights(pairs: Iterable[Pair]) -> dict[str, float]:
    """Source -> weight by what has settled; sources of too few events are absent. Weights add up to one at most."""
    rows = list(pairs)
    counts = {name: sum(name in row.said for row in rows) for name in {n for row in rows for n in row.said}}
    names = sorted(name for name, n in counts.items() if n >= LEAST_EVENTS)
    weights = dict.fromkeys(names, 0.0)
    for _ in range(3 if len(names) > 1 else 1):
        for name in names:
            spare = 1.0 - sum(w for other, w in weights.items() if other != name)
            weights[name] = _best(rows, weights, name, spare)
    return {name: round(w, 2) for name, w in weights.items() if w > 0.0}


def _best(rows: Sequence[Pair], weights: Mapping[str, float], name: str, most: float) -> float:
    """The weight of one source that loses least, the others held."""
    steps = [round(i * STEP, 2) for i in range(int(most / STEP + 1e-9) + 1)]
    mine = [row for row in rows if name in row.said]
    return min(steps, key=lambda w: loss(mine, {**weights, name: w}) + DRAG * w)


def loss(rows: Iterable[Pair], weights: Mapping[str, float]) -> float:
    """Sum of log losses of the pool, nats."""
    return sum(-log(probability_of(pool(row.market, row.said, weights), row.winner)) for row in rows)
