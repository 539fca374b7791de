"""The words for a verdict. "Candidate" is the screening's: books worth watching, by generous quotes; that is not yet something to buy."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db.models import Q

from kalbot.common import clock
from strategies.models import Verdict
from strategies.reasons import Reason

TRADABLE: Final = "tradable now"
WATCHED: Final = "watched"
NEAR_MISS: Final = "near miss"
REJECTED: Final = "rejected"
FRESH: Final = timedelta(minutes=1)
"""How long the last evaluation on live prices speaks for now."""


def tradable() -> Q:
    """Verdicts whose last evaluation on live prices passed, and is fresh."""
    return Q(status="candidate", live_constraint=Reason.DECIDED.value, live_at__gte=clock.now() - FRESH)


def word(verdict: Verdict) -> str:
    """How people read this verdict."""
    if verdict.status != "candidate":
        return str(verdict.status).replace("_", " ")
    if verdict.live_constraint != Reason.DECIDED.value or verdict.live_at is None:
        return WATCHED
    return TRADABLE if verdict.live_at >= clock.now() - FRESH else WATCHED
