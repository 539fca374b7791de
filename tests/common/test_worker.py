"""What a worker of Celery does before its first task."""

from __future__ import annotations

import gc

import pytest
from celery import signals
from celery.utils.dispatch import Signal

from kalbot import celery


@pytest.mark.parametrize("signal", [signals.worker_ready, signals.worker_process_init], ids=["threads", "processes"])
def test_the_collector_is_not_to_visit_what_a_worker_has_loaded(signal: Signal) -> None:
    assert celery.collect_less in [receiver() for _, receiver in signal.receivers]
    before = gc.get_threshold()
    try:
        celery.collect_less()
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold() == celery.COLLECTS_AFTER
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
