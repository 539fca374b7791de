"""Where the time of a decision went, on its page and on the status page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.test import Client
from django.urls import reverse

from kalbot.common import clock
from kalbot.console.ops.health import stage_times
from kalbot.console.pages.home import summary
from strategies.models import Decision
from trading.models import Position

BEFORE = {"received": 1_000_000, "started": 1_004_000, "decided": 1_006_000}
AFTER = {"taken": 1_008_000, "sent": 1_013_000, "all_sent": 1_015_000, "stored": 1_021_000}


def _timed() -> Position:
    """A bought position whose stages are known, the only one of the sample's that has any."""
    position = Position.objects.filter(opened_at__isnull=False).latest("id")
    Decision.objects.filter(pk=position.decision_id).update(trace=BEFORE)
    Position.objects.filter(pk=position.pk).update(trace=AFTER)
    return position


def test_the_page_of_a_decision_shows_every_stage(sample: dict[str, Any], login: Callable[..., Client]) -> None:
    position = _timed()
    address = reverse("admin:strategies_decision_change", args=[position.decision_id])
    page = login("viewer").get(address, follow=True).content.decode()
    for words in ("The newest frame behind the prices was received.", "+4.0 ms", "+5.0 ms", "+6.0 ms"):
        assert words in page, words
    assert f"{clock.from_us(1_006_000):%H:%M:%S.%f}" in page


def test_the_status_page_says_how_long_the_last_baskets_took(sample: dict[str, Any]) -> None:
    Position.objects.update(trace={})
    Decision.objects.update(trace={})
    assert stage_times.speed().sentence == "No basket was bought yet."
    _timed()
    part = stage_times.speed()
    assert "frame to decision 6.0 / 6.0 ms, decision to first order 7.0 / 7.0 ms" in part.sentence
    assert part.metrics["decided_to_stored_p50"] == 15
    Position.objects.update(trace=AFTER | {"sent": 1})
    assert "decision to first order" not in stage_times.speed().sentence  # a clock was set back


def test_the_same_figure_everywhere(sample: dict[str, Any]) -> None:
    """Status sentence and metrics of the dashboard speak of the same baskets: one median, not two."""
    Position.objects.update(trace={})
    Decision.objects.update(trace={})
    assert summary.latency()["decision to first order"]["p50"] is None
    _timed()
    assert summary.latency()["decision to first order"]["p50"] == 7
    assert "decision to first order 7.0 / 7.0 ms" in stage_times.speed().sentence
