"""Looks at positions: gather -> assess -> write. Each position on its own: one that fails is logged, the others go on.

Nothing here waits for the outside world. Sources are read from their caches (``triage.sources``); a source that is
down, slow or silent is "no opinion" and costs the look nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.db.models import Max

from kalbot.common import clock
from markets.prices import PriceReader
from trading.models import Position, PositionStatus
from triage import advice, forecasts, policy
from triage.assess import Assessed, assess
from triage.gather import Gathered, gather
from triage.models import Assessment
from triage.sources import registry
from triage.sources.protocol import Report

log = logging.getLogger(__name__)

BATCH = 250
KEEP_EVERY = timedelta(minutes=5)
"""A row is kept this often even when nothing changed."""
NOTEWORTHY_PPM = 5_000
"""A change of the sale's or the holding's value by this share of the cost is worth a row."""


@dataclass(slots=True)
class Looked:
    """What one run did. ``failed`` positions raised and were logged; ``left`` were not reached within the time."""

    positions: int = 0
    kept: int = 0
    opened: int = 0
    lapsed: int = 0
    exits: int = 0
    failed: int = 0
    left: int = 0
    milliseconds: int = 0

    def add(self, other: Looked) -> None:
        """Add another run's counts."""
        for name in ("positions", "kept", "opened", "lapsed", "exits", "failed", "left", "milliseconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def open_position_ids() -> list[int]:
    """Open positions, those longest without a kept look first, so that a run cut short does not starve the same ones."""
    rows = Position.objects.filter(status=PositionStatus.OPEN).annotate(last=Max("assessments__at"))
    return [pk for pk, _ in sorted(rows.values_list("pk", "last"), key=lambda r: (r[1] is not None, r[1], r[0]))]


def look_at(
    position_ids: Sequence[int], *, trigger: str = "schedule", seconds: float = 60.0, reader: PriceReader | None = None
) -> Looked:
    """Assess these positions in batches, at most for ``seconds``; what is left over is counted."""
    total, deadline = Looked(), time.monotonic() + seconds
    for start in range(0, len(position_ids), BATCH):
        if time.monotonic() > deadline:
            total.left += len(position_ids) - start
            break
        total.add(_look_at_batch(position_ids[start : start + BATCH], trigger, reader))
    return total


def _look_at_batch(position_ids: Sequence[int], trigger: str, reader: PriceReader | None) -> Looked:
    started, now_ms = time.monotonic(), clock.now_ms()
    gathered = gather(position_ids, now_ms, reader)
    facts = {item.facts.ticker: item.facts for item in gathered}
    reports = registry.reports(facts.values(), now_ms)
    forecasts.freeze(gathered, reports, now_ms)
    done: list[tuple[Gathered, Assessed, list[Report]]] = []
    run = Looked(positions=len(gathered))
    for item in gathered:
        try:
            seen = reports.get(item.event.ticker, [])
            views = tuple(report.view() for report in seen if report.opinion is not None)
            done.append((item, assess(replace(item.case, views=views)), seen))
        except Exception:
            run.failed += 1
            log.exception("position %s could not be assessed", item.position.pk)
    rows = _keep(done, trigger)
    run.kept = len(rows)
    run.opened, run.lapsed = advice.refresh(((item, result, rows.get(item.position.pk)) for item, result, _ in done))
    for item, result, _ in done:
        try:
            run.exits += policy.act(item, result)
        except Exception:
            run.failed += 1
            log.exception("policy of position %s failed", item.position.pk)
    run.milliseconds = int((time.monotonic() - started) * 1000)
    return run


def _keep(done: Iterable[tuple[Gathered, Assessed, list[Report]]], trigger: str) -> dict[int, Assessment]:
    """Store the looks that say something new: position id -> its new row."""
    looks = list(done)
    last = _last_looks([item.position.pk for item, _, _ in looks])
    rows = [
        assessment_row(item, result, reports, trigger)
        for item, result, reports in looks
        if trigger == "person" or is_noteworthy(item.position.cost, result, last.get(item.position.pk))
    ]
    Assessment.objects.bulk_create(rows)
    return {row.position_id: row for row in rows}


def _last_looks(position_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    latest = Assessment.objects.filter(position_id__in=position_ids).values("position_id").annotate(last=Max("pk"))
    rows = Assessment.objects.filter(pk__in=[row["last"] for row in latest])
    return {
        r["position_id"]: r for r in rows.values("position_id", "at", "advice", "sell_now", "hold_expected", "signals")
    }


def is_noteworthy(cost: int, result: Assessed, last: dict[str, Any] | None) -> bool:
    """Whether a look differs from the last kept one in advice, in a signal, or in value by a noticeable share of the cost."""
    if last is None or clock.now() - last["at"] >= KEEP_EVERY or last["advice"] != result.advice:
        return True
    if {s["code"] for s in last["signals"]} != {s.code for s in result.signals}:
        return True
    now = (result.sale.proceeds if result.sale else None, result.market.worth if result.market else None)
    for before, after in zip((last["sell_now"], last["hold_expected"]), now, strict=True):
        if (before is None) != (after is None):
            return True
        if before is not None and after is not None and abs(after - before) * 1_000_000 > cost * NOTEWORTHY_PPM:
            return True
    return False


def assessment_row(item: Gathered, result: Assessed, reports: Sequence[Report], trigger: str) -> Assessment:
    """The look as a row (not saved)."""
    sale, market = result.sale, result.market
    return Assessment(
        position=item.position,
        trigger=trigger,
        advice=result.advice,
        sell_now=None if sale is None else sale.proceeds,
        sell_fees=None if sale is None else sale.fees,
        sale_legs=list(_sale_legs(result)),
        unsellable=[f"{s.leg.words()}: {s.problem.replace('_', ' ')}" for s in sale.unsellable] if sale else [],
        hold_expected=None if market is None else market.worth,
        gain=None if market is None else market.gain,
        floor=result.floor,
        best=result.best,
        coverage_ppm=None if market is None else _ppm(market.coverage),
        break_even_ppm=None if result.break_even is None else _ppm(result.break_even),
        days_left=result.days_left,
        annualised_ppm=result.annualised_ppm,
        price_age_ms=item.case.now.price_age_ms,
        probabilities={ticker: round(p, 6) for ticker, p in result.probabilities.items()},
        signals=[signal.row() for signal in result.signals],
        sources=[report.row(next((v for v in result.views if v.source == report.source), None)) for report in reports],
    )


def _sale_legs(result: Assessed) -> Iterator[dict[str, Any]]:
    for s in result.sale.legs if result.sale else ():
        yield {
            "ticker": s.leg.ticker, "side": s.leg.side.value, "held": s.leg.count, "sold": s.sold,
            "proceeds": s.proceeds, "fees": s.fees, "worst_price": s.worst_price, "problem": s.problem,
        }  # fmt: skip


def _ppm(share: float) -> int:
    return round(max(-1e6, min(1e6, share)) * 1_000_000)
