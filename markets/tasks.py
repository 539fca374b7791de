"""Celery tasks of this package: each takes a lock and calls one service."""

from __future__ import annotations

import logging
from typing import Final

from celery import shared_task

from kalbot.common import cache, messages
from markets import connect
from markets.catalogue import lifecycle, scan
from markets.models import Scan
from markets.terms.registry import changes, documents

log = logging.getLogger(__name__)

LIFECYCLE_BUDGET_SECONDS: Final = 20
"""The rest of a backlog waits for the next run: a scan must not wait behind all of it."""


@shared_task(name=messages.SCAN_CATALOGUE)
def scan_catalogue() -> int | None:
    """One scan, unless one is running; then screening of it. Returns the scan's id."""
    with scan.turn() as keep:
        if keep is None:
            log.info("scan skipped: another one is running")
            return None
        apply_lifecycle()  # not if another worker does: two would only wait for each other's rows
        with connect.client() as client:
            row = scan.scan(client, progress=keep)
    documents.note_out_of_reach()
    if row.status == Scan.Status.DONE:
        messages.send_on_commit(messages.SCREEN, row.pk)
    return int(row.pk)


@shared_task(name="markets.tasks.apply_lifecycle")
def apply_lifecycle() -> int:
    """Apply lifecycle messages that wait in the inbox, oldest first. Returns how many."""
    with cache.lock("lifecycle", 2 * LIFECYCLE_BUDGET_SECONDS) as acquired:
        return lifecycle.apply_waiting(LIFECYCLE_BUDGET_SECONDS) if acquired else 0


@shared_task(name=messages.CHECK_TERMS)
def check_contract_terms() -> int:
    """Fetch the registered contract terms and compare their hashes. Returns how many entries lost their force by it."""
    changes.ensure_proposals()
    return documents.check_all()
