"""What machinery leaves on busy days, for ``bin/bench month``: messages, scans, tasks, log and comparisons."""

from __future__ import annotations

from bench._rows import ago, insert


def fill(number: dict[str, int], spread: dict[str, str]) -> None:
    """``number``: rows by the names of ``month_rows.PER_DAY``; ``spread``: SQL for how many seconds ago row ``i`` was written."""
    from kalbot.console.models import LogRecord, TaskRecord
    from markets.models import ExchangeMessage, Scan
    from trading.models import Reconciliation

    at = {name: ago(when) for name, when in spread.items()}
    insert(
        ExchangeMessage,
        number["messages"],
        kind="'lifecycle'",
        key="'m' || i",
        market_ticker="'E' || (i % 9999) || '-M0'",
        payload="jsonb_build_object('type', 'market_lifecycle_v2', 'event_type', 'determined', 'n', i)",
        received_at=at["messages"],
        applied_at=at["messages"],
    )
    insert(
        Scan,
        number["scans"],
        started_at=at["scans"],
        finished_at=at["scans"],
        status="'done'",
        events="12500",
        duration_ms="9000",
    )
    insert(
        TaskRecord,
        number["tasks"],
        id="'task-' || i",
        name="'trading.tasks.sweep'",
        queue="'trading'",
        status="CASE WHEN i % 500 = 0 THEN 'failed' ELSE 'done' END",
        started_at=at["tasks"],
        duration_ms="i % 900",
    )
    insert(
        LogRecord,
        number["log"],
        level="'WARNING'",
        logger="'trading.reconciliation.reconcile'",
        process="'celery 4711'",
        message="'a message of the log, number ' || i",
        at=at["log"],
    )
    insert(
        Reconciliation,
        number["reconciliations"],
        started_at=at["reconciliations"],
        finished_at=at["reconciliations"],
        mode="'sim'",
        trigger="'schedule'",
    )
