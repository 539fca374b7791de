"""Paper against live on the same decisions: what each made of them, pair by pair. Reads only.

Sim and live never meet in one sum: every figure stands twice, side by side, and only their difference says how far paper
flatters (or wrongs) the profile. Results are compared only where both have ended and both got the same fill: a decision that our own
halt, lock or limit denied on one side says nothing about paper and is counted apart, by its code; so is a decision that the market
filled differently, with what each side made of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from kalbot.common.db.batches import batched
from strategies.models import Decision, Profile
from trading.execution.sizing import baskets
from trading.models import TERMINAL, Denial, Position


@dataclass(frozen=True, slots=True)
class Side:
    """What became of a decision in one mode. ``outcome``: a position's status, ``denied: <code>`` or ``waiting``.

    ``code``: the denial code, if any.

    ``filled``: whole baskets bought, 1/100; ``cost`` of all that was bought and ``result``, micro-dollars; ``result`` None
    while the position has not ended.
    """

    outcome: str
    filled: int = 0
    bought: int = 0
    cost: int = 0
    fees: int = 0
    result: int | None = 0
    code: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """One decision, live and on paper."""

    event: str
    kind: str
    wanted: int
    decided_at: datetime
    live: Side
    paper: Side

    @property
    def has_ended(self) -> bool:
        """Whether both have come to an end."""
        return self.live.result is not None and self.paper.result is not None

    @property
    def denied(self) -> tuple[str, str] | None:
        """(mode, code) where our own checks denied the decision on one side or both, None where both were tried."""
        for mode, side in (("live", self.live), ("sim", self.paper)):
            if side.code:
                return mode, side.code
        return None

    @property
    def has_same_fill(self) -> bool:
        """Whether both bought the same number of whole baskets, and any."""
        return self.live.filled == self.paper.filled > 0

    @property
    def price_gap(self) -> int | None:
        """Live less paper cost of one contract, micro-dollars, where both bought; above zero: paper was too cheap."""
        if not self.live.bought or not self.paper.bought:
            return None
        return (self.live.cost * 100) // self.live.bought - (self.paper.cost * 100) // self.paper.bought


@dataclass(frozen=True, slots=True)
class Report:
    """All pairs of a live profile and one twin since a moment. ``unshadowed``: live decisions since ``begun``, when there was a twin,
    that the twin did not take, because it held the event already or was off."""

    live: Profile
    paper: Profile
    pairs: tuple[Pair, ...]
    unshadowed: int
    begun: datetime

    @property
    def ended(self) -> list[Pair]:
        """Pairs of which both sides have come to an end."""
        return [pair for pair in self.pairs if pair.has_ended]

    @property
    def compared(self) -> list[Pair]:
        """Of those, the ones with the same fill on both sides: the only ones whose results say something about paper."""
        return [pair for pair in self.ended if pair.has_same_fill]

    @property
    def unlike(self) -> list[Pair]:
        """Ended pairs that the market filled differently, none denied by ourselves."""
        return [pair for pair in self.ended if not pair.denied and pair.live.filled != pair.paper.filled]

    @property
    def denied(self) -> dict[tuple[str, str], int]:
        """Pairs that our own checks denied on one side, by (mode, code); they are in no result."""
        return dict(Counter(pair.denied for pair in self.pairs if pair.denied).most_common())

    @property
    def live_result(self) -> int:
        """Of the compared pairs, micro-dollars."""
        return sum(pair.live.result or 0 for pair in self.compared)

    @property
    def paper_result(self) -> int:
        """Of the same pairs."""
        return sum(pair.paper.result or 0 for pair in self.compared)

    @property
    def flattery(self) -> int:
        """Paper less live result of the same fills: what paper promised and live did not keep."""
        return self.paper_result - self.live_result

    @property
    def price_gap(self) -> int | None:
        """Median of the pairs' price gaps, micro-dollars a contract."""
        gaps = sorted(gap for pair in self.pairs if (gap := pair.price_gap) is not None)
        return gaps[len(gaps) // 2] if gaps else None

    def filled(self) -> dict[str, int]:
        """Decisions by who got at least one whole basket: both, live alone, paper alone, neither."""
        found = {"both": 0, "live only": 0, "paper only": 0, "neither": 0}
        for pair in self.pairs:
            live, paper = pair.live.filled > 0, pair.paper.filled > 0
            found["both" if live and paper else "live only" if live else "paper only" if paper else "neither"] += 1
        return found


def report(live: Profile, paper: Profile, since: datetime) -> Report:
    """Compare every decision that ``paper`` took after ``live`` since then. Reads only; a few queries whatever the number."""
    copies = Decision.objects.filter(profile=paper, shadow_of__profile=live, created_at__gte=since)
    rows = list(
        copies.order_by("created_at").values_list("pk", "shadow_of_id", "event_id", "kind", "count", "created_at")
    )
    ids = [row[0] for row in rows] + [row[1] for row in rows]
    sides = _sides(ids)
    pairs = tuple(
        Pair(event, kind, count, at, sides.get(of, WAITING), sides.get(pk, WAITING))
        for pk, of, event, kind, count, at in rows
    )
    begun = max(since, paper.created_at)
    alone = without_copy(Decision.objects.filter(profile=live, created_at__gte=begun), paper.pk).count()
    return Report(live, paper, pairs, alone, begun)


def without_copy(decisions: QuerySet[Decision], paper: int) -> QuerySet[Decision]:
    """Those of the decisions that the twin with this key did not take."""
    return decisions.exclude(Exists(Decision.objects.filter(profile=paper, shadow_of=OuterRef("pk"))))


WAITING = Side("waiting", result=None)


def _sides(ids: Sequence[UUID | None]) -> dict[UUID | None, Side]:
    found: dict[UUID | None, Side] = {}
    for some in batched(ids):
        for decision, code in Denial.objects.filter(decision__in=some).values_list("decision", "code"):
            found[decision] = Side(f"denied: {code}", code=code)
        for position in Position.objects.filter(decision__in=some).prefetch_related("legs"):
            found[position.decision_id] = _side(position)
    return found


def _side(position: Position) -> Side:
    legs = list(position.legs.all())
    return Side(
        outcome=position.status,
        filled=min(
            (baskets.whole(leg.bought_count, leg.target_count, position.target_count) for leg in legs), default=0
        ),
        bought=sum(leg.bought_count for leg in legs),
        cost=sum(leg.bought_cost for leg in legs),
        fees=position.fees,
        result=position.realised if position.status in TERMINAL else None,
    )
