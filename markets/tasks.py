"""Thin doors to the services of this room."""

from __future__ import annotations

import logging

from celery import shared_task

from kalbot.common import cache, messages
from markets import catalogue, connect, lifecycle
from markets.models import Scan

log = logging.getLogger(__name__)

SCAN_SECONDS = 280


@shared_task(name=messages.SCAN_CATALOGUE)
def scan_catalogue() -> int | None:
    """One scan, unless one runs. Nudges the screening with the scan's id. Returns the id."""
    with cache.lock("scan", SCAN_SECONDS) as held:
        if not held:
            log.info("a scan is running already")
            return None
        apply_lifecycle()  # not if another worker is at it: two at the same rows only wait for each other
        with connect.client() as client:
            row = catalogue.scan(client)
    if row.status == Scan.Status.DONE:
        messages.nudge(messages.SCREEN, row.pk)
    return int(row.pk)


@shared_task(name="markets.tasks.apply_lifecycle")
def apply_lifecycle() -> int:
    """Apply lifecycle messages that wait in the inbox, oldest first. Returns how many."""
    with cache.lock("lifecycle", 60) as held:
        return lifecycle.apply_waiting() if held else 0
