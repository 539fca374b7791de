"""What the quotes of a whole family say of the markets of one of its events: the measure in the middle of all that agree with every quote.

Best prices without fees, as they are scored (``backtest.calibration.across``). Floats: an estimate for bets on coverage, which proves
nothing and is kept from everything that is called guaranteed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from kalbot.common.units import DOLLAR_PRICE
from markets.book import Side
from markets.terms.atoms import Atoms
from strategies.dutch.coverage import Quote
from strategies.families.measure import centre
from strategies.families.screen import Graph
from strategies.reasons import EstimateReason

LEAST: Final = 1e-6
"""Less probability than this on all markets of an event together says nothing of them."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of one event at one moment. ``chances``: market -> probability by its ``family``; None: its own quotes count, for ``reason``.
    ``detail``: the market or event that the reason is about."""

    family: str
    reason: EstimateReason
    chances: Mapping[str, float] | None = None
    detail: str = ""

    @property
    def sentence(self) -> str:
        """Which estimate is used and why."""
        about = f" ({self.detail})" if self.detail else ""
        return f"Probabilities {self.reason.sentence.format(family=self.family)}{about}."


def shares(graph: Graph, atoms: Atoms, quotes: Mapping[str, Quote], own: Iterable[str]) -> dict[str, float] | None:
    """The probability of each market of ``own`` by the quotes of all markets of the family, which may add up to less than one. None where
    the quotes agree with no measure or leave ``own`` nothing."""
    prices: dict[tuple[str, Side], float] = {}
    for ticker, (bid, ask) in quotes.items():
        if ask is not None:
            prices[ticker, Side.YES] = ask / DOLLAR_PRICE
        if bid is not None:
            prices[ticker, Side.NO] = 1 - bid / DOLLAR_PRICE
    measure = centre(graph, prices)
    if measure is None:
        return None
    found = {ticker: sum(measure[slice(*atoms.spans[ticker])]) for ticker in own}
    return found if sum(found.values()) > LEAST else None
