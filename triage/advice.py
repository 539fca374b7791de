"""Recommendations: opened once per reason, refreshed, closed by themselves when the reason goes.

A reason that cannot be seen now (prices unusable, the source silent) neither refreshes nor closes its recommendation:
not knowing is not the same as "it went".
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from django.db import models, transaction
from django.db.models import QuerySet

from kalbot.common import clock
from kalbot.common.db import bulk
from kalbot.common.units import CENT
from trading.closing import waiting
from trading.closing.exit_prices import LeastPrices
from trading.closing.exits import advised_prices, request_exit
from trading.models import Position
from triage.assessment import exit_plan
from triage.assessment.assess import Assessed, open_states, word_of
from triage.assessment.case import Word
from triage.assessment.gather import Gathered
from triage.assessment.signals import Severity, Signal
from triage.models import Advice, Assessment, Recommendation

Outcome = tuple[Gathered, Assessed, Assessment | None]
"""A position, what its assessment found, and the row that was kept, if any."""
OPEN = Recommendation.Status.OPEN
REFRESH_EVERY: Final = timedelta(minutes=5)


def refresh(outcomes: Iterable[Outcome]) -> tuple[int, int]:
    """Bring the open recommendations of these positions in line with their assessments: (opened, lapsed)."""
    seen = list(outcomes)
    current = _current([item.position.pk for item, _, _ in seen])
    fresh: list[Recommendation] = []
    changed: list[Recommendation] = []
    gone: list[int] = []
    for item, result, kept in seen:
        reasons = {s.code: s for s in result.signals if s.severity >= Severity.WATCH}
        rows = current.get(item.position.pk, {})
        for code, signal in reasons.items():
            row = rows.get(code)
            if row is not None and row.status == OPEN:
                changed += [new] if (new := _refreshed(row, signal, result, item, kept)) else []
            elif row is None or (row.advice != Advice.EXIT and advice_of(signal, result, item) == "exit"):
                fresh.append(_opened(item, result, signal, kept))
        gone += [row.pk for code, row in rows.items() if code not in reasons and could_see(row, result)]
    Recommendation.objects.bulk_create(fresh, ignore_conflicts=True)
    bulk.update_instances(changed, ["advice", "gain", "detail", "plan", "assessment", "refreshed_at"])
    went = Recommendation.objects.filter(pk__in=gone)
    lapsed = _close(went, Recommendation.Status.LAPSED)
    went.update(gone_at=clock.now())
    return len(fresh), lapsed


def _current(position_ids: list[int]) -> dict[int, dict[str, Recommendation]]:
    """Position id -> reason -> its current row: the open one, else one that a person dismissed while the
    reason has been there ever since (it stays quiet unless the advice becomes stronger)."""
    quiet = models.Q(status=Recommendation.Status.DISMISSED, gone_at=None)
    rows = Recommendation.objects.filter(models.Q(status=OPEN) | quiet, position_id__in=position_ids)
    found: dict[int, dict[str, Recommendation]] = {}
    for row in rows.order_by("pk"):
        known = found.setdefault(row.position_id, {})
        if row.reason not in known or known[row.reason].status != OPEN:
            known[row.reason] = row
    return found


def could_see(row: Recommendation, result: Assessed) -> bool:
    """Whether this assessment could have seen the reason if it were still there."""
    if row.source != "market":
        return any(view.source == row.source and view.gain is not None for view in result.views)
    needs = row.opening.get("needs_prices", False)
    return not needs or (result.market is not None and result.sale is not None)


def advice_of(signal: Signal, result: Assessed, item: Gathered) -> Word:
    """What one reason alone advises."""
    return word_of(signal, result, item.case.thresholds)


def gain_of(signal: Signal, result: Assessed) -> int | None:
    """What leaving gains in the eyes of the one who gives the reason."""
    if signal.source == "market":
        return None if result.market is None else result.market.gain
    return next((view.gain for view in result.views if view.source == signal.source), None)


def _opened(item: Gathered, result: Assessed, signal: Signal, kept: Assessment | None) -> Recommendation:
    return Recommendation(
        position=item.position,
        reason=signal.code,
        advice=advice_of(signal, result, item),
        source=signal.source,
        detail=signal.detail[:400],
        gain=gain_of(signal, result),
        opening=opening(item, result, signal),
        plan=plan_of(item, result, signal),
        assessment=kept,
    )


def opening(item: Gathered, result: Assessed, signal: Signal) -> dict[str, Any]:
    """The figures a recommendation is scored by, frozen when it opens."""
    view = next((v for v in result.views if v.source == signal.source), None)
    return {
        "sell_now": None if result.sale is None else result.sale.proceeds,
        "complete": result.sale is not None and not result.sale.residual,
        "hold_market": None if result.market is None else result.market.worth,
        "coverage_market": None if result.market is None else round(result.market.coverage, 6),
        "hold_source": None if view is None else view.worth,
        "coverage_source": None if view is None else round(view.coverage, 6),
        "floor": result.floor,
        "came_from": 1 if item.position.kind == "coverage" else item.position.cost,
        "legs": [[leg.ticker, leg.side.value, leg.count] for leg in item.case.legs],
        "residual": [[leg.ticker, leg.side.value, leg.count] for leg in (result.sale.residual if result.sale else ())],
        "needs_prices": signal.needs_prices,
    }


def plan_of(item: Gathered, result: Assessed, signal: Signal) -> dict[str, Any]:
    """How to leave by this advice; empty where it does not advise to exit, or nothing can be sold."""
    fees, sale = item.case.fees, result.sale
    if fees is None or sale is None or not sale.proceeds or advice_of(signal, result, item) != "exit":
        return {}
    gain = gain_of(signal, result)
    hold = sale.proceeds - (gain or 0)
    prices = exit_plan.least_prices(sale, fees, hold=hold, gain=gain, floor=result.floor)
    return exit_plan.plan(sale, fees, item.case.books, open_states(item.case), prices, item.case.now.untradable)


def _refreshed(
    row: Recommendation, signal: Signal, result: Assessed, item: Gathered, kept: Assessment | None
) -> Recommendation | None:
    """The row with its new figures; None when they say the same: same advice, the gain within a cent, and not long ago."""
    word, gain = advice_of(signal, result, item), gain_of(signal, result)
    known = (gain is None) == (row.gain is None) and abs((gain or 0) - (row.gain or 0)) < CENT
    if row.advice == word and known and clock.now() - row.refreshed_at < REFRESH_EVERY:
        return None
    row.advice, row.gain, row.detail, row.refreshed_at = word, gain, signal.detail[:400], clock.now()
    row.plan = plan_of(item, result, signal)
    if kept is not None:
        row.assessment = kept
    return row


def _close(rows: QuerySet[Recommendation], status: str, **values: Any) -> int:
    return rows.filter(status=OPEN).update(status=status, closed_at=clock.now(), **values)


def _least_prices(row: Recommendation) -> LeastPrices | None:
    """The prices that the advice names, if they are for every leg that is held now. Else those at which the sale still brings more
    than holding by half of the gain that was advised; None (the bids less the tolerance) where it does not rest on a gain."""
    named = {(leg["ticker"], leg["side"]): leg["least_price"] for leg in row.plan.get("legs", ()) if leg["least_price"]}
    held = {(leg.market_id, leg.side) for leg in row.position.legs.all() if leg.held}
    if held and held <= named.keys():
        return named
    assessment = row.assessment
    if row.gain is None or row.gain <= 0 or assessment is None or assessment.sell_now is None:
        return None
    return advised_prices(row.position, hold=assessment.sell_now - row.gain, gain=row.gain)


def end_of_ended_positions() -> int:
    """Close the recommendations of positions that are assessed no more; returns how many."""
    assessed = Position.objects.filter(waiting.advised())
    return _close(Recommendation.objects.exclude(position__in=assessed), Recommendation.Status.ENDED)


def dismiss(recommendation_id: int, *, actor: str, reason: str) -> bool:
    """A person says no. False if it was no longer open."""
    rows = Recommendation.objects.filter(pk=recommendation_id)
    return bool(_close(rows, Recommendation.Status.DISMISSED, actor=actor, actor_reason=reason[:300]))


def accept(recommendation_id: int, *, actor: str, reason: str = "") -> bool:
    """A person (or the policy) says yes: an exit is requested through trading's one exit path.

    Acceptance and request are one transaction: who loses the race for the row requests nothing, and a request that
    trading refuses leaves the recommendation open. False if it was no longer open or does not advise to exit.
    """
    row = Recommendation.objects.filter(pk=recommendation_id, advice=Advice.EXIT).first()
    if row is None:
        return False
    with transaction.atomic():
        rows = Recommendation.objects.filter(pk=row.pk)
        taken = _close(rows, Recommendation.Status.ACCEPTED, actor=actor, actor_reason=reason[:300])
        if taken:
            request_exit(
                position_id=row.position_id,
                actor=actor,
                reason=(reason or row.detail)[:300],
                source="triage",
                least_prices=_least_prices(row),
            )
    return bool(taken)
