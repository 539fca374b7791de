"""Advice of a replay against what holding brought, by reason: both what was followed and what was not. Money in micro-dollars.

Every recommendation that triage opened is scored as in operation: at the prices of the moment at which it opened, leaving less holding to
the end. Whether it was followed is the profile's policy; under *advise* nothing is, and the figures say what following would have changed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from triage import advice as recommendations
from triage.models import Recommendation
from triage.scoring import advice_scores

ACCEPTED = Recommendation.Status.ACCEPTED


@dataclass(slots=True)
class Reason:
    """One reason with one advice. ``difference``: what leaving would have brought more than holding, over all of them; ``followed`` of
    them were carried out, with ``followed_difference``. ``right``: leaving was better where it was advised, holding where not.
    ``open``: not settled by the end of the tape, or nothing could be sold then."""

    reason: str
    source: str
    advice: str
    opened: int = 0
    open: int = 0
    right: int = 0
    difference: int = 0
    followed: int = 0
    followed_difference: int = 0


def replayed() -> list[Reason]:
    """Every reason of the run."""
    recommendations.end_of_ended_positions()
    advice_scores.score_settled(limit=1_000_000)
    found: dict[tuple[str, str, str], Reason] = defaultdict(lambda: Reason("", "", ""))
    columns = ("reason", "source", "advice", "status", "score")
    for reason, source, word, status, score in Recommendation.objects.order_by("pk").values_list(*columns):
        row = found[(reason, source, word)]
        row.reason, row.source, row.advice = reason, source, word
        row.opened += 1
        difference = score.get("difference")
        if difference is None:
            row.open += 1
            continue
        row.right += (difference > 0) == (word == "exit")
        row.difference += difference
        if status == ACCEPTED:
            row.followed += 1
            row.followed_difference += difference
    return [found[key] for key in sorted(found)]
