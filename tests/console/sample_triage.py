"""Sample assessments and advice, and what needs an operator's attention."""

from __future__ import annotations

from datetime import timedelta

from kalbot.common import clock
from kalbot.console.models import LogRecord, TaskRecord
from markets.models import Event
from trading.models import (
    Discrepancy,
    Position,
    Reconciliation,
)
from triage.models import Assessment, Recommendation


def assess(held: Position, event: Event) -> None:
    """Two assessments with what a source said, and advice that is open."""
    tickers = list(event.markets.order_by("ticker").values_list("ticker", flat=True))
    bounds = {ticker: [77 + 2 * i, 78 + 2 * i] for i, ticker in enumerate(tickers)}
    said = {
        "source": "nws",
        "opinion": True,
        "age_ms": 640_000,
        "detail": "high at KNYC: forecast 82 °F, 80 °F measured so far",
        "error": "1.7 °F",
        "worth": held.floor,
        "gain": -5_000_000,
        "coverage_ppm": 1_000_000,
        "probabilities": dict.fromkeys(tickers, round(1 / len(tickers), 4)),
        "plot": {
            "unit": "°F",
            "measured": 80,
            "pmf": {"80": 0.1, "81": 0.2, "82": 0.4, "83": 0.2, "84": 0.1},
            "bounds": bounds,
        },
    }
    silent = {
        "source": "openmeteo",
        "opinion": False,
        "age_ms": 640_000,
        "detail": "the day has begun and this source measures nothing",
        "error": "",
        "worth": None,
        "gain": None,
        "coverage_ppm": None,
        "probabilities": {},
        "plot": {},
    }
    Assessment.objects.create(
        position=held,
        advice="hold",
        sell_now=held.cost - 2_100_000,
        hold_expected=held.floor + 900_000,
        floor=held.floor,
        best=held.floor * 3 // 2,
    )
    seen = Assessment.objects.create(
        sources=[said, silent],
        probabilities=said["probabilities"],
        position=held,
        advice="watch",
        sell_now=held.cost - 4_300_000,
        hold_expected=held.floor + 1_200_000,
        floor=held.floor,
        best=held.floor * 3 // 2,
        coverage_ppm=1_000_000,
        price_age_ms=180,
        signals=[
            {
                "code": "close_time_changed",
                "severity": "watch",
                "detail": "closes 2 h earlier than at entry",
                "source": "market",
                "age_ms": 4_000,
            }
        ],
    )
    Recommendation.objects.create(
        position=held,
        reason="close_time_changed",
        advice="watch",
        assessment=seen,
        gain=-5_500_000,
        detail="The market closes 2 h earlier than when the basket was bought.",
    )


def trouble() -> None:
    """What needs attention: a discrepancy, a failed task, warnings."""
    run = Reconciliation.objects.create(
        started_at=clock.now() - timedelta(minutes=1),
        finished_at=clock.now(),
        mode="live",
        trigger="beat",
        orders=21,
        fills=42,
        positions=3,
        differences=1,
        balance_difference=0,
    )
    Discrepancy.objects.create(
        reconciliation=run, mode="live", code="position", key="KXHIGHNY-26NOV24-B82", ours="0", theirs="5"
    )
    TaskRecord.objects.create(
        id="task-1",
        name="trading.tasks.reconcile",
        queue="trading",
        worker="trading@demo",
        status="failed",
        started_at=clock.now() - timedelta(minutes=9),
        duration_ms=2_110,
        error="Traceback (most recent call last):\n  ...\nExchangeUnreachable: the exchange did not answer in 2 s",
    )
    LogRecord.objects.create(
        level="WARNING",
        logger="markets.streaming.connection",
        process="stream 4711",
        message="gap after sequence 88121 of subscription 3; requesting a snapshot",
    )
    LogRecord.objects.create(
        level="ERROR",
        logger="trading.reconciliation.reconcile",
        process="celery 4712",
        message="a live position that we do not know",
    )
