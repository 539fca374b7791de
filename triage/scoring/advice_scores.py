"""Recommendations scored after settlement: what leaving would have brought against what holding did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from kalbot.common import clock
from markets.models import Market
from trading.models import Leg
from triage.models import Recommendation
from triage.scoring import scoring
from triage.scoring.forecasts import REVISED_WITHIN

Values = Mapping[str, int]
"""Market ticker -> what one YES contract paid, in 1/10,000 dollar."""


def score_settled(limit: int = 500) -> int:
    """Score closed recommendations whose events are decided, and again those whose result was corrected; returns how many. Those that
    wait for a far settlement are left out by the query, so that however many there are they stand in nobody's way."""
    undecided = Leg.objects.filter(position_id=OuterRef("position_id"), market__result="")
    closed = Recommendation.objects.filter(~Q(status=Recommendation.Status.OPEN), ~Exists(undecided), scored_at=None)
    waiting = [*closed.order_by("pk")[:limit], *_touched()]
    tickers = {ticker for row in waiting for ticker, _, _ in row.opening.get("legs", ())}
    values = settlement_values(tickers)
    scored = 0
    for row in waiting:
        legs = row.opening.get("legs", [])
        decided = all(ticker in values for ticker, _, _ in legs)
        found = score(row.opening, values) if decided else {}
        if found == row.score:
            continue
        Recommendation.objects.filter(pk=row.pk, scored_at=row.scored_at).update(
            score=found, scored_at=clock.now() if decided else None
        )
        scored += 1
    return scored


def _touched() -> QuerySet[Recommendation]:
    """Scored of late, and a market of the position was written since: its result may have been corrected or taken back."""
    changed = Leg.objects.filter(position_id=OuterRef("position_id"), market__updated_at__gt=OuterRef("scored_at"))
    return Recommendation.objects.filter(Exists(changed), scored_at__gt=clock.now() - REVISED_WITHIN).order_by("pk")


def settlement_values(tickers: Iterable[str]) -> dict[str, int]:
    """What YES paid in each settled market; markets that have not settled are absent."""
    found = {}
    rows = Market.objects.filter(ticker__in=list(tickers)).values_list("ticker", "result", "settlement_value_e6")
    for ticker, result, value in rows:
        if value is not None and result:
            found[ticker] = value // 100
        elif result in ("yes", "no"):
            found[ticker] = 10_000 if result == "yes" else 0
    return found


def score(opening: Mapping[str, Any], values: Values) -> dict[str, Any]:
    """The score of one recommendation by its opening figures. Money in micro-dollars.

    ``held``: what holding paid; ``left``: the sale plus what the unsold rest paid; ``difference`` = left - held. Brier
    scores where the opening has a probability: of the states the basket was bought for, which pay ``came_from`` or more.
    """
    held = paid(opening.get("legs", ()), values)
    sale = opening.get("sell_now")
    if sale is None:
        return {"held": held, "left": None, "difference": None}
    left = sale + paid(opening.get("residual", ()), values)
    found: dict[str, Any] = {"held": held, "left": left, "difference": left - held}
    came = held >= opening.get("came_from", sale + 1)
    for name in ("market", "source"):
        said = opening.get(f"coverage_{name}")
        if said is not None:
            found[f"brier_{name}"] = round(scoring.brier_binary(said, came), 6)
    return found


def paid(legs: Iterable[tuple[str, str, int]], values: Values) -> int:
    """What these contracts paid, micro-dollars."""
    return sum(count * (values[ticker] if side == "yes" else 10_000 - values[ticker]) for ticker, side, count in legs)
