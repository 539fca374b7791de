"""What the status page says is about the fault of now: an old reason is dated or gone."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from kalbot.common import cache, clock
from kalbot.console.ops.health import exchange_status, status
from kalbot.console.ops.health.exchange_status import Outside
from markets.models import Scan
from markets.prices import LEASE_KEY, METRICS_KEY

MINUTE = 60_000


def stream_said(error: str, age_ms: int) -> status.Part:
    """The part when the stream's process said so then and holds no lease now."""
    cache.prices().delete(f"{LEASE_KEY}0")
    document = {"at_ms": clock.now_ms() - age_ms, "error": error, "clock_skew_ms": 9_000}
    cache.prices().set(f"{METRICS_KEY}0", json.dumps(document))
    return status.stream()


def test_the_stream_s_reason_is_its_own_of_just_now(sample: dict[str, Any]) -> None:
    assert stream_said("Unreachable: refused", 1_000).sentence == "Unreachable: refused"
    old = stream_said("Redis does not answer", 10 * MINUTE)
    assert (old.state, old.sentence) == (
        "bad",
        "No sign of life of the stream for 10 min; nothing is traded meanwhile.",
    )
    assert "No living connection" in stream_said("", 1_000).sentence


def test_the_clock_of_a_stream_that_is_gone_is_not_the_clock_of_now(sample: dict[str, Any]) -> None:
    stream_said("", 10 * MINUTE)
    exchange_status.keep(Outside(clock.now_ms() - 10 * MINUTE, skew_ms=9_000))
    assert (status.clock_skew().state, status.clock_skew().sentence) == ("ok", "Not measured lately.")
    exchange_status.keep(Outside(clock.now_ms(), skew_ms=9_000))
    assert status.clock_skew().state == "bad"


def test_an_answer_of_the_exchange_long_ago_is_dated(sample: dict[str, Any]) -> None:
    for answer, then in (
        ({"error": "no route"}, "failed then: no route"),
        ({"trading": False}, "shut then"),
        ({}, "open then"),
    ):
        exchange_status.keep(Outside(clock.now_ms() - 10 * MINUTE, **answer))
        part = status.exchange()
        assert part.state == "warn"
        assert part.sentence.endswith(f"; {then}.")
    exchange_status.keep(Outside(clock.now_ms(), error="no route"))
    assert status.exchange().sentence == "The last request failed: no route"


def test_a_failed_scan_is_dated(sample: dict[str, Any]) -> None:
    began = clock.now() - timedelta(minutes=7)
    Scan.objects.create(started_at=began, finished_at=began, status=Scan.Status.FAILED, error="Unreachable")
    assert status.scan().sentence == "The last scan failed 7 min ago: Unreachable"


def test_what_is_silent_in_an_announced_pause_is_no_alarm_but_a_process_that_is_gone_is(sample: dict[str, Any]) -> None:
    now = clock.now_ms()
    window = ((now - 10 * MINUTE, now + 10 * MINUTE),)
    exchange_status.keep(Outside(now, active=False, trading=False, windows=window))
    at = clock.now()
    Scan.objects.create(started_at=at, finished_at=at, status=Scan.Status.FAILED, error="503")
    assert (status.exchange().state, status.scan().state) == ("warn", "warn")
    assert stream_said("Unreachable: refused", 1_000).state == "warn"
    assert stream_said("Unreachable: refused", 10 * MINUTE).state == "bad"
    just_over = ((now - 10 * MINUTE, now - MINUTE),)
    exchange_status.keep(Outside(now, error="503", windows=just_over))
    assert (status.exchange().state, status.scan().state) == ("warn", "warn")
    long_over = ((now - 30 * MINUTE, now - 20 * MINUTE),)
    exchange_status.keep(Outside(now, error="503", windows=long_over))
    assert (status.exchange().state, status.scan().state) == ("bad", "bad")
    assert stream_said("Unreachable: refused", 1_000).state == "bad"
