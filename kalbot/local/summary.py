"""What the demo shows and writes: counts per stage, profile and mode, read from the rows and the stream's own counters."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db.models import Count, Q

from kalbot.console.models import LogRecord, TaskRecord
from kalbot.local import quoting, story
from markets.models import Scan
from markets.prices import PriceReader
from markets.terms.grades import Grade
from strategies.models import Cycle, Decision, NearMiss, Profile, Screening, Verdict
from trading import selectors
from trading.accounting import balance_check
from trading.models import Denial, Discrepancy, Position

MODES = ("sim", "live")
WORST_ERRORS = 10


def by_mode(rows: Any) -> dict[str, int]:
    """Number of rows of a queryset with a ``mode`` column, for every mode (zero included)."""
    found = dict(rows.values_list("mode").annotate(n=Count("pk")).order_by())
    return {mode: found.get(mode, 0) for mode in MODES}


def filled() -> Any:
    """Positions that ever held at least one whole basket."""
    return Position.objects.filter(opened_at__isnull=False)


def summary() -> dict[str, Any]:
    """The demo's result, JSON-ready. Money is micro-dollars."""
    last = Scan.objects.filter(status=Scan.Status.DONE).first()
    return {
        "scans": Scan.objects.filter(status=Scan.Status.DONE).count(),
        "events": last.events if last else 0,
        "markets": last.markets if last else 0,
        "combos_left_out": last.combos_left_out if last else 0,
        "candidates": Verdict.objects.filter(status=Verdict.Status.CANDIDATE).count(),
        "near_misses": NearMiss.objects.count(),
        "prices": prices().get("messages", 0),
        "cycles": Cycle.objects.count(),
        "decisions": by_mode(Decision.objects),
        "positions": by_mode(filled()),
        "aborted": by_mode(Position.objects.filter(status="aborted")),
        "settled": by_mode(Position.objects.filter(status="settled")),
        "grades": by_grade(),
        "profiles": {profile.name: profile_counts(profile) for profile in Profile.objects.order_by("pk")},
        "ledger": {profile.name: balance_check.summary(profile) for profile in Profile.objects.order_by("pk")},
        "exchange_difference": selectors.exchange_difference(),
        "bought": [
            bought(position) for position in filled().select_related("profile").prefetch_related("legs").order_by("pk")
        ],
        "denied": dict(Counter(Denial.objects.values_list("code", flat=True))),
        "discrepancies": Discrepancy.objects.filter(resolved_at=None).count(),
        "quoted": {mode: quoting.counts(mode) for mode in MODES},
        "triage": story.triage(),
        "errors": errors(),
    }


def by_grade() -> dict[str, dict[str, dict[str, int]]]:
    """Mode -> label of a grade -> how many positions were bought, and how many of them have settled."""
    rows = (
        filled().values("mode", "grade").annotate(bought=Count("pk"), settled=Count("pk", filter=Q(status="settled")))
    )
    found = {(row["mode"], row["grade"]): row for row in rows.order_by()}
    return {
        mode: {
            grade.label: {stage: found.get((mode, grade.value), {}).get(stage, 0) for stage in ("bought", "settled")}
            for grade in Grade
        }
        for mode in MODES
    }


def profile_counts(profile: Profile) -> dict[str, Any]:
    """The stages of one profile: from candidates to settled positions."""
    screening = Screening.objects.filter(profile=profile).first()
    statuses = Counter(Position.objects.filter(profile=profile).values_list("status", flat=True))
    return {
        "mode": profile.mode,
        "universe": screening.universe if screening else 0,
        "candidates": screening.candidates if screening else 0,
        "near_misses": profile.near_misses.count(),
        "rejected": screening.rejected if screening else 0,
        "decisions": profile.decisions.count(),
        "positions": dict(statuses),
    }


def bought(position: Position) -> dict[str, Any]:
    """One filled basket in numbers: what it cost, what it is sure to pay, and whether that is more (``sure``)."""
    return {
        "profile": position.profile.name,
        "mode": position.mode,
        "event": position.event_id,
        "kind": position.kind,
        "grade": Grade(position.grade).label,
        "sure": position.guaranteed,
        "count": position.matched_count,
        "cost": sum(leg.bought_cost for leg in position.legs.all()),
        "floor": position.floor,
        "status": position.status,
        "realised": position.realised,
    }


def errors() -> list[str]:
    """The worst that happened: failed tasks and logged errors, most frequent first."""
    seen: Counter[str] = Counter()
    for name, error in TaskRecord.objects.filter(status=TaskRecord.Status.FAILED).values_list("name", "error"):
        seen[f"{name}: {error.strip().splitlines()[-1] if error.strip() else 'failed'}"[:300]] += 1
    for logger, message in LogRecord.objects.filter(level__in=["ERROR", "CRITICAL"]).values_list("logger", "message"):
        seen[f"{logger}: {message}"[:300]] += 1
    return [f"{count} x {line}" for line, count in seen.most_common(WORST_ERRORS)]


def prices() -> dict[str, Any]:
    """The stream's own counters; empty while it is not there."""
    try:
        return PriceReader().stream_status()
    except Exception:  # Redis may just be restarting; the screen shows the feed as away
        return {}


def not_closed(result: dict[str, Any], *, still: bool) -> list[str]:
    """Why the loop did not close: sentences, empty when it did.

    The full demo must have bought and settled in both modes; a still one has only to have scanned and evaluated. Both must balance.
    """
    found = [f"no {stage}" for stage in ("scans", "events", "markets", "prices", "cycles") if not result[stage]]
    if not still:
        found += [f"no {stage.replace('_', ' ')}" for stage in ("candidates", "near_misses") if not result[stage]]
        found += [
            f"no {stage} in mode {mode}"
            for stage in ("decisions", "positions", "settled")
            for mode in MODES
            if not result[stage][mode]
        ]
    found += [
        f"the ledger of {name} is off by {row['difference']} micro-dollars"
        for name, row in result["ledger"].items()
        if row["difference"]
    ]
    if result["exchange_difference"] is None:
        found.append("live cash was not compared with the exchange's balance")
    elif result["exchange_difference"] != 0:
        found.append(f"live cash differs from the exchange's balance by {result['exchange_difference']} micro-dollars")
    if result["discrepancies"]:
        found.append(f"{result['discrepancies']} unexplained differences with the exchange")
    if not still:
        found += [f"nothing was quoted in mode {mode}" for mode in MODES if not result["quoted"][mode]["begun"]]
        found += [
            f"no near misses of {name}"
            for name, row in result["profiles"].items()
            if not row["near_misses"] and name not in quoting.PROFILES
        ]
    found += [f"a basket that is called sure and may lose: {row}" for row in result["bought"] if _lied(row)]
    return found


def _lied(row: dict[str, Any]) -> bool:
    """Whether a whole basket is called sure and is not. One of which legs have settled has the floor of the others only."""
    return bool(row["sure"]) and not row["realised"] and row["floor"] <= row["cost"]
