"""Sources and the market as one opinion: a logarithmic pool whose weights are learned from what settled. Pure.

``p ~ market^(1 - sum of weights) x product of source^weight``, normalised over the outcomes. A weight is what a source has
earned: the least log loss over past events, with a penalty of ``DRAG`` nats in favour of the market, and never negative.
Weights of nothing leave the market as it is, so a source that adds nothing says nothing. Whether the pool beats the market
out of sample is for the e-value of its own record to say (``scoring.evidence``): it is frozen and scored like any source.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Final

import numpy as np

from triage.scoring.scoring import SMALLEST, probability_of

NAME: Final = "combined"
"""The pool's name among the sources."""
STEP: Final = 0.1
ROUNDS: Final = 3
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
    rows = [row for row in pairs if row.winner in row.market]
    counts = Counter(name for row in rows for name in row.said)
    names = sorted(name for name, n in counts.items() if n >= LEAST_EVENTS)
    if not names:
        return {}
    losses = _Losses(rows, names)
    weights = [0.0] * len(names)
    for _ in range(ROUNDS if len(names) > 1 else 1):
        for i in range(len(names)):
            spare = 1.0 - sum(weights) + weights[i]
            steps = [round(n * STEP, 2) for n in range(int(spare / STEP + 1e-9) + 1)]
            tried = [[*weights[:i], step, *weights[i + 1 :]] for step in steps]
            weights = min(tried, key=lambda one: losses.of(one) + DRAG * sum(one))
    return {name: w for name, w in zip(names, weights, strict=True) if w > 0.0}


class _Losses:
    """The pool's log loss over a record as arrays: events x outcomes, shorter events padded."""

    def __init__(self, rows: Sequence[Pair], names: Sequence[str]) -> None:
        width = max(len(row.market) for row in rows)
        shape = (len(rows), width)
        self._market, self._listed = np.zeros(shape), np.zeros(shape, dtype=bool)
        self._said = np.zeros((len(names), *shape))
        self._speaks = np.zeros((len(names), len(rows)))
        self._won = np.zeros(len(rows), dtype=int)
        for n, row in enumerate(rows):
            tickers = list(row.market)
            self._listed[n, : len(tickers)] = True
            self._won[n] = tickers.index(row.winner)
            self._market[n, : len(tickers)] = [log(max(row.market[t], SMALLEST)) for t in tickers]
            for i, name in enumerate(names):
                if name in row.said:
                    self._speaks[i, n] = 1.0
                    self._said[i, n, : len(tickers)] = [log(max(row.said[name].get(t, 0.0), SMALLEST)) for t in tickers]

    def of(self, weights: Sequence[float]) -> float:
        """Sum over the events, nats, less a constant of the market's."""
        used = np.asarray(weights)[:, None] * self._speaks
        logs = (1.0 - used.sum(axis=0))[:, None] * self._market + (used[:, :, None] * self._said).sum(axis=0)
        shares = np.where(self._listed, np.exp(logs), 0.0)
        won = shares[np.arange(len(self._won)), self._won]
        return float(-np.log(won / shares.sum(axis=1)).sum())


def loss(rows: Iterable[Pair], weights: Mapping[str, float]) -> float:
    """Sum of log losses of the pool, nats."""
    return sum(-log(probability_of(pool(row.market, row.said, weights), row.winner)) for row in rows)
