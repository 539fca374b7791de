"""Paper against live on one page: the same decisions side by side, and how far paper flatters."""

from __future__ import annotations

from typing import Any

import sample_markets
import sample_positions
from django.urls import reverse

from strategies.cycle import shadows
from strategies.models import Decision
from trading.models import Position


def test_the_page_shows_both_sides_of_a_decision_and_their_difference(sample: dict[str, Any], login: Any) -> None:
    live = sample["live"]
    twin = shadows.make(live)
    event = sample_markets.weather_event("NY", "26NOV30")
    ours, theirs = (sample_positions.position(profile, event, "settled") for profile in (live, twin))
    Decision.objects.filter(pk=theirs.decision_id).update(shadow_of=ours.decision_id)
    Position.objects.filter(pk=ours.pk).update(realised=-2_500_000)
    answer = login("viewer").get(reverse("admin:shadows"), {"days": "1"})
    report = answer.context["reports"][0]["report"]
    assert (len(report.pairs), report.live_result, report.paper_result) == (1, -2_500_000, 592_500)
    page = answer.content.decode()
    for words in (twin.name, "+$3.0925", "-$2.50", "KXHIGHNY-26NOV30"):
        assert words in page


def test_without_a_twin_the_page_says_how_to_make_one(sample: dict[str, Any], login: Any) -> None:
    assert "manage.py shadow PROFILE" in login("viewer").get(reverse("admin:shadows")).content.decode()
