"""Assesses positions: gather -> assess -> write. Each position on its own: one that fails is logged, the others go on.

Nothing here waits for the network. Sources are read from their caches (``triage.sources``); a source that is
down, slow or silent is "no opinion" and costs the assessment nothing.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from kalbot.common import clock
from kalbot.common.db import bulk
from kalbot.common.db.retry import retried
from markets.prices import Prices
from trading.closing import waiting
from trading.models import Position
from triage import advice, policy
from triage.assessment import combine, family_opinions
from triage.assessment.assess import Assessed, assess
from triage.assessment.gather import Gathered, gather
from triage.assessment.signals import Severity, Signal
from triage.learning import points
from triage.learning.current import current
from triage.models import Assessment
from triage.scoring import forecasts, trial
from triage.sources import registry
from triage.sources.protocol import Report, Silence

log = logging.getLogger(__name__)

BATCH = 250
KEEP_EVERY_MS = 5 * 60_000
"""A row is kept this often even when nothing changed."""
NOTEWORTHY_PPM = 5_000
"""A change of the sale's or the holding's value by this share of the cost is worth a row."""


@dataclass(slots=True)
class RunSummary:
    """What one run did. ``failed`` positions raised and were logged; ``left`` were not reached within the time."""

    positions: int = 0
    kept: int = 0
    opened: int = 0
    lapsed: int = 0
    exits: int = 0
    failed: int = 0
    left: int = 0
    milliseconds: int = 0

    def add(self, other: RunSummary) -> None:
        """Add another run's counts."""
        for name in ("positions", "kept", "opened", "lapsed", "exits", "failed", "left", "milliseconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def open_position_ids() -> list[int]:
    """Open positions and those whose advised exit waits for bids, those of one event together (they share its facts, prices and
    opinions), beginning anywhere: a run that is cut short leaves out others each time."""
    rows = Position.objects.filter(waiting.advised()).order_by("event_id", "pk")
    ids = list(rows.values_list("pk", flat=True))
    start = random.randrange(len(ids)) if ids else 0
    return ids[start:] + ids[:start]


def assess_positions(
    position_ids: Sequence[int], *, trigger: str = "schedule", seconds: float = 60.0, reader: Prices | None = None
) -> RunSummary:
    """Assess these positions in batches, at most for ``seconds``; what is left over is counted."""
    total, deadline = RunSummary(), time.monotonic() + seconds
    for start in range(0, len(position_ids), BATCH):
        if time.monotonic() > deadline:
            total.left += len(position_ids) - start
            break
        total.add(_assess_batch(position_ids[start : start + BATCH], trigger, reader))
    return total


def _assess_batch(position_ids: Sequence[int], trigger: str, reader: Prices | None) -> RunSummary:
    started, now_ms = time.monotonic(), clock.now_ms()
    gathered = gather(position_ids, now_ms, reader)
    facts = {item.facts.ticker: item.facts for item in gathered}
    reports = registry.reports(facts.values(), now_ms)
    points.store(reports, now_ms)
    reports = family_opinions.with_families(gathered, reports, now_ms)
    forecasts.freeze(gathered, reports, now_ms)
    reports = trial.silence(reports)
    pooled = combine.with_pool(gathered, reports, current())
    if pooled != reports:
        forecasts.freeze(gathered, pooled, now_ms)
    reports = pooled
    done: list[tuple[Gathered, Assessed, list[Report]]] = []
    run = RunSummary(positions=len(gathered))
    for item in gathered:
        try:
            seen = reports.get(item.event.ticker, [])
            views = tuple(report.view() for report in seen if report.opinion is not None)
            is_certain = item.position.floor >= item.position.cost
            done.append((item, assess(item.case, views, tuple(flags(seen, is_certain=is_certain))), seen))
        except Exception:
            run.failed += 1
            log.exception("position %s could not be assessed", item.position.pk)
    rows = _keep(done, trigger)
    run.kept = len(rows)
    run.opened, run.lapsed = advice.refresh(((item, result, rows.get(item.position.pk)) for item, result, _ in done))
    for item, result, _ in done:
        try:
            run.exits += retried(partial(policy.act, item, result))
        except Exception:
            run.failed += 1
            log.exception("policy of position %s failed", item.position.pk)
    run.milliseconds = int((time.monotonic() - started) * 1000)
    return run


def flags(reports: Sequence[Report], *, is_certain: bool) -> Iterator[Signal]:
    """What a person has to check before anything is believed about the event. ``is_certain``: what is held pays whatever comes."""
    near = next((report for report in reports if report.code is Silence.RELEASE_NEAR), None)
    if near is not None:
        yield Signal("release_near", Severity.INFO if is_certain else Severity.WATCH, near.reason)
    other = next((report.reason for report in reports if report.code is Silence.OTHER_SOURCE), None)
    if other is not None:
        yield Signal("source_not_as_reviewed", Severity.WATCH, f"no outside opinion, a person has to check: {other}")


def _keep(done: Iterable[tuple[Gathered, Assessed, list[Report]]], trigger: str) -> dict[int, Assessment]:
    """Store the assessments that say something new: position id -> its new row."""
    rows, baselines, now_ms = [], [], clock.now_ms()
    for item, result, reports in done:
        if trigger == "person" or is_noteworthy(item.position.cost, result, item.baseline.last, now_ms):
            rows.append(assessment_row(item, result, reports, trigger))
            item.baseline.last = in_short(result, now_ms)
            baselines.append(item.baseline)
    Assessment.objects.bulk_create(rows)
    bulk.update_instances(baselines, ["last"])
    return {row.position_id: row for row in rows}


def in_short(result: Assessed, now_ms: int) -> dict[str, Any]:
    """What the next assessment is compared with."""
    market = result.market
    return {
        "at_ms": now_ms,
        "advice": result.advice,
        "sell": result.sale.proceeds if result.sale else None,
        "hold": market.worth if market else None,
        "coverage": round(market.coverage, 6) if market else None,
        "codes": sorted({s.code for s in result.signals}),
    }


def is_noteworthy(cost: int, result: Assessed, last: Mapping[str, Any], now_ms: int) -> bool:
    """Whether an assessment differs from the last kept one in advice, in a signal, or in value by a noticeable share of the cost."""
    if not last or now_ms - last["at_ms"] >= KEEP_EVERY_MS:
        return True
    now = in_short(result, now_ms)
    if (now["advice"], now["codes"]) != (last["advice"], last["codes"]):
        return True
    for name in ("sell", "hold"):
        before, after = last[name], now[name]
        if (before is None) != (after is None):
            return True
        if before is not None and abs(after - before) * 1_000_000 > cost * NOTEWORTHY_PPM:
            return True
    return False


def assessment_row(item: Gathered, result: Assessed, reports: Sequence[Report], trigger: str) -> Assessment:
    """The assessment as a row (not saved)."""
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
            "ticker": s.leg.ticker,
            "side": s.leg.side.value,
            "held": s.leg.count,
            "sold": s.sold,
            "proceeds": s.proceeds,
            "fees": s.fees,
            "worst_price": s.worst_price,
            "problem": s.problem,
        }


def _ppm(share: float) -> int:
    return round(max(-1e6, min(1e6, share)) * 1_000_000)
