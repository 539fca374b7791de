"""Every reason for which no quote may rest: one code each, and the one sentence that explains it to a person."""

from __future__ import annotations

from dataclasses import dataclass

from kalbot.common.coded import Coded


class NoQuote(Coded):
    """Why there is no quote. The value is the code; the sentence decides nothing."""

    STATES = "states", "nothing certified says in which ways the event can settle"
    NO_HEDGE = "no_hedge", "another leg is offered by nobody"
    HEDGE_DEPTH = "hedge_depth", "another leg is not offered in the whole count"
    MARGIN = "margin", "with the other legs taken, no price leaves the margin"
    GRID = "grid", "the market's grid has no price that may rest there"
    BEHIND = "behind", "the highest price that leaves the margin is behind the best bid"
    NO_TOUCH = "no_touch", "a leg whose best bid is not known"
    PAIR = "pair", "the best bids of all legs together leave less than the margin"
    ORPHANS = "orphans", "what may fill alone costs more than the orphan budget"
    COST = "cost", "the least quote costs more than the profile may put in"


@dataclass(frozen=True, slots=True)
class Refused:
    """No quote. ``distance``: by how much it missed, in 1/10,000 dollar a contract (0 where no number decides)."""

    reason: NoQuote
    ticker: str = ""
    distance: int = 0

    @property
    def sentence(self) -> str:
        """The reason in words."""
        at = f"{self.ticker}: " if self.ticker else ""
        by = f" (by ${self.distance / 10_000:.4f} a contract)" if self.distance else ""
        return f"{at}{self.reason.sentence}{by}"
