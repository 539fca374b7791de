"""What the engine must know of the baskets that it has decided for: a protocol that the package above fills.

Positions and denials are trading's. The engine queries them through ``current()`` and never reads their tables.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

from django.db.models import QuerySet
from django.db.models.expressions import Combinable

from kalbot.common.db.fetch import Fetch
from strategies.collateral.groups import Choices
from strategies.models import Decision, Profile

TAKEN_UP_WITHIN: Final = timedelta(days=1)
"""A decision that is older, and that nobody took up or denied, will not be carried out: it blocks nothing any more. Whoever finds it denies
it for its age, long before that."""


class Committed(NamedTuple):
    """Open decisions of a profile, what they take of its capital (micro-dollars), how many of them are quotes, and what the profile has
    made so far (micro-dollars)."""

    decisions: int
    money: int
    quotes: int = 0
    made: int = 0


class Holdings(Protocol):
    """The questions that a cycle has about decisions already taken."""

    def open_decisions(self, profile: Profile | Combinable, since: datetime | Combinable) -> QuerySet[Decision]:
        """Decisions whose position has not ended, and those after ``since`` that were neither taken up nor denied yet."""

    def ended_since(self, profile: Profile | Combinable, since: datetime | Combinable) -> QuerySet[Decision]:
        """Decisions whose position ended after ``since``."""

    def most_legs(self) -> int:
        """Orders of one basket that the account's write rate can send and, if one fails, unwind."""

    def committed(self, profile: Profile) -> Fetch[Committed]:
        """Number and cost of the open decisions: what is reserved and spent, or what was decided and not yet reserved."""

    def collateral(self, profile: Profile) -> Fetch[Choices | None]:
        """How the exchange returns collateral for NO baskets that the profile opens now; None where it does not, or is still learnt."""

    def idle_quotes(self, profile: Profile, since: datetime) -> Mapping[str, int]:
        """Events whose basket is being quoted, was begun before ``since`` and has bought nothing, with what each has set aside,
        micro-dollars; none while a quote of the profile is being withdrawn."""

    def own_bids(self, tickers: Collection[str], mode: str) -> Fetch[Mapping[tuple[str, str], int]]:
        """(ticker, side) -> the highest bid that profiles which share, of a mode, or people rest on the accounts, 1/10,000 dollar."""


class NoHoldings(RuntimeError):
    """Nothing answers for positions, so no decision is safe."""


_provided: list[Holdings] = []


def provide(holdings: Holdings) -> None:
    """Register the one implementation; called once, when the application that has the positions is ready."""
    _provided[:] = [holdings]


def current() -> Holdings:
    """The registered implementation. NoHoldings if there is none."""
    if not _provided:
        raise NoHoldings("no application has registered its positions with strategies.cycle.holdings")
    return _provided[0]
