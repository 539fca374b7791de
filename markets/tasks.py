"""Thin doors to the services of this room."""

from __future__ import annotations

import logging

from celery import shared_task

from kalbot.common import cache, messages
from markets import connect
from markets.catalogue import lifecycle, scan
from markets.models import Scan

log = logging.getLogger(__name__)

SCAN_SECONDS = 45
"""A page of the listing is stored well within this; each page renews it, and a scan whose worker died is replaced after it."""
LIFECYCLE_SECONDS = 20
"""What of a backlog is left after this waits for the next turn: a scan must not wait behind all of it."""


@shared_task(name=messages.SCAN_CATALOGUE)
def scan_catalogue() -> int | None:
    """One scan, unless one runs. Nudges the screening with the scan's id. Returns the id."""
    with cache.lock("scan", SCAN_SECONDS) as held:
        if not held:
            log.info("a scan is running already")
            return None
        apply_lifecycle()  # not if another worker is at it: two at the same rows only wait for each other
        scan.end_abandoned()
        with connect.client() as client:
            row = scan.scan(client, progress=lambda _row: held.renew())
    if row.status == Scan.Status.DONE:
        messages.nudge(messages.SCREEN, row.pk)
    return int(row.pk)


@shared_task(name="markets.tasks.apply_lifecycle")
def apply_lifecycle() -> int:
    """Apply lifecycle messages that wait in the inbox, oldest first. Returns how many."""
    with cache.lock("lifecycle", 2 * LIFECYCLE_SECONDS) as held:
        return lifecycle.apply_waiting(LIFECYCLE_SECONDS) if held else 0
