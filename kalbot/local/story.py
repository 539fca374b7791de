"""What the demo shows of triage: a coverage position turns bad, advice says so with its reason, the operator accepts, the
position is left through the one exit path, and after settlement the advice is scored.

The operator is the demo's own hand: it answers open advice to exit coverage positions as a person would in the console, after a pause
in which a person at the screen may be faster.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any, Final

from django.db.models import Max
from django.db.utils import OperationalError

from kalbot.common import clock
from markets.models import Market
from strategies.models import Kind
from trading.models import PositionStatus
from triage import advice, selectors
from triage.models import Advice, Assessment, Recommendation

OPERATOR: Final = "demo operator"
CHAPTERS: Final = (
    "a coverage position was assessed",
    "advice to exit was opened",
    "the exit was accepted",
    "the position was left",
    "the advice was scored",
)
RECENT: Final = 100
WORTH_IT: Final = 0.15
"""The operator leaves for a gain of this share of the cost: what a day that turned brings, and the noise of a forecast seldom."""


def operate(pause_seconds: float) -> list[str]:
    """Accept advice to exit coverage positions that has stood for the pause and is worth it; what was done, in sentences."""
    before = clock.now() - timedelta(seconds=pause_seconds)
    open_rows = Recommendation.objects.filter(
        status=Recommendation.Status.OPEN,
        advice=Advice.EXIT,
        opened_at__lte=before,
        position__kind=Kind.COVERAGE,
        position__status=PositionStatus.OPEN,
    )
    said: list[str] = []
    left: set[int] = set()
    for row in open_rows.select_related("position").order_by("-gain", "pk"):
        if row.position_id in left or row.gain is None or row.gain < WORTH_IT * row.position.cost:
            continue
        try:
            done = advice.accept(row.pk, actor=OPERATOR, reason=f"accepted in the demo: {row.detail}")
        except (
            ValueError,
            OperationalError,
        ) as error:  # closed in between, or the database is busy: it stands, so again
            said.append(f"operator: the exit of #{row.position_id} was refused: {error}")
            continue
        if done:
            left.add(row.position_id)
            said.append(f"operator: exit of #{row.position_id} accepted, because {row.detail}")
    return said


def triage() -> dict[str, Any]:
    """Triage's counts and its scoreboard, JSON-ready. Money is micro-dollars."""
    rows = Recommendation.objects
    statuses = Counter(rows.values_list("status", flat=True))
    return {
        "assessments": Assessment.objects.count(),
        "opened": sum(statuses.values()),
        "closed": sum(number for status, number in statuses.items() if status != Recommendation.Status.OPEN),
        "by_status": dict(statuses),
        "exit_advice": rows.filter(advice=Advice.EXIT).count(),
        "accepted": statuses[Recommendation.Status.ACCEPTED],
        "scored": rows.exclude(scored_at=None).count(),
        "sources": [
            {
                "source": one.source,
                "forecasts": one.forecasts,
                "settled": one.settled,
                "brier": one.brier,
                "brier_market": one.brier_market,
                "log_score": one.log,
                "log_score_market": one.log_market,
                "evidence": one.evidence,
            }
            for one in selectors.source_records()
        ],
        "reasons": [
            {
                "reason": one.reason,
                "advice": one.advice,
                "scored": one.scored,
                "right": one.right,
                "difference": one.difference,
            }
            for one in selectors.reason_records()
        ],
        "story": story(),
    }


def story() -> dict[str, Any]:
    """The story that came farthest: its chapters, its numbers, and what is missing ("" = complete)."""
    stories = [_chapters(row) for row in _candidates()]
    best: dict[str, Any] = max(
        stories, key=lambda one: (one["chapters"], one["leaving_was_right"] or False), default={}
    )
    chapters = best.get("chapters", int(Assessment.objects.filter(position__kind=Kind.COVERAGE).exists()))
    missing = "" if chapters == len(CHAPTERS) else f"not yet: {CHAPTERS[chapters]}"
    return {**best, "chapters": chapters, "of": len(CHAPTERS), "missing": missing}


def _candidates() -> list[Recommendation]:
    advised = Recommendation.objects.filter(advice=Advice.EXIT, position__kind=Kind.COVERAGE)
    rows = advised.select_related("position__profile", "position__decision").order_by("-pk")
    return [
        *rows.filter(status=Recommendation.Status.ACCEPTED)[:RECENT],
        *rows.exclude(status=Recommendation.Status.ACCEPTED)[:1],
    ]


def _chapters(row: Recommendation) -> dict[str, Any]:
    position = row.position
    accepted = row.status == Recommendation.Status.ACCEPTED
    left = accepted and position.status in (PositionStatus.CLOSED, PositionStatus.SETTLED) and position.proceeds > 0
    scored = left and row.scored_at is not None
    difference = row.score.get("difference")
    return {
        "chapters": 2 + accepted + left + scored,
        "position": position.pk,
        "profile": position.profile.name,
        "event": position.event_id,
        "reason": row.reason,
        "detail": row.detail,
        "coverage_at_entry_ppm": position.decision.coverage_ppm,
        "gain_expected": row.gain,
        "accepted_by": row.actor,
        "proceeds": position.proceeds,
        "realised": position.realised,
        "holding_paid": row.score.get("held"),
        "difference": difference,
        "leaving_was_right": None if difference is None else difference > 0,
    }


def lacks_only_its_score(within_seconds: float) -> bool:
    """Whether no story is complete yet and accepted advice waits for a settlement that is due within this time."""
    if not story()["missing"]:
        return False
    waiting = Recommendation.objects.filter(status=Recommendation.Status.ACCEPTED, scored_at=None).values(
        "position__event_id"
    )
    last = Market.objects.filter(event_id__in=waiting).values("event_id").annotate(at=Max("close_time"))
    until = clock.now() + timedelta(seconds=within_seconds)
    return any(row["at"] is not None and row["at"] <= until for row in last)


def in_words(row: dict[str, Any]) -> str:
    """The story in one sentence, for the end of a run."""
    if row["missing"]:
        return f"triage: the story is not complete ({row['chapters']} of {row['of']} chapters), {row['missing']}"
    paid, difference = row["holding_paid"], row["difference"]
    return (
        f"triage: position #{row['position']} on {row['event']} turned bad ({row['detail']}); {row['accepted_by']} accepted, "
        f"selling brought {_dollars(row['proceeds'])}, holding would have paid {_dollars(paid)}: "
        f"leaving {'gained' if difference > 0 else 'cost'} {_dollars(abs(difference))} by the prices of the moment it was advised"
    )


def _dollars(money: int) -> str:
    return f"${money / 1_000_000:,.2f}"
