"""What came of a run, read from its rows: money in micro-dollars, times in Unix milliseconds, everything ready for JSON."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Count, Sum

from backtest.options import Options
from backtest.report import advice, baskets, timeline
from backtest.report.timeline import ms
from strategies.models import Decision, NearMiss, Screening, Verdict
from strategies.reasons import Reason
from trading.models import ACTIVE, Account, Denial, Fill, LedgerEntry, Position
from trading.venues.replay import ReplayVenue

if TYPE_CHECKING:
    from backtest.replay.engine import Engine
    from backtest.replay.feed import Feed

YEAR_MS: Final = 365 * 86_400_000
UNJUDGED: Final = frozenset(
    {
        Reason.CERTIFICATE,
        Reason.NOT_CERTIFIED,
        Reason.FEE_TYPE,
        Reason.CLOSE_TIME,
        Reason.NO_BOOK,
        Reason.STALE,
        Reason.DEAD_EPOCH,
        Reason.SUSPECT,
        Reason.ERROR,
    }
)
"""Constraints that say nothing about prices: what the tape lacks, or the product will not vouch for."""
MOST_LISTED: Final = 500
GROUPS: Final = ("category", "kind", "entry", "hour", "series", "profile")
"""What profit is listed by."""


@dataclass(slots=True)
class Result:
    """One run. Every sum is exact; ``fingerprint`` is the same for two runs exactly when everything that happened is."""

    profile: str
    options: dict[str, Any]
    first_ms: int
    last_ms: int
    records: int
    counts: dict[str, int] = field(default_factory=dict)
    events: int = 0
    decisions: int = 0
    denials: dict[str, int] = field(default_factory=dict)
    baskets: int = 0
    """Decisions of which anything was bought."""
    unwound: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    open_positions: int = 0
    open_cost: int = 0
    open_floor: int = 0
    profit: int = 0
    fees: int = 0
    spent: int = 0
    most_locked: int = 0
    locked_ms_money: int = 0
    """Money times milliseconds: what was locked, for how long."""
    locked_ms: int = 0
    """How long anything was locked."""
    drawdown: int = 0
    rested: int = 0
    residuals: int = 0
    funnel: dict[str, int] = field(default_factory=dict)
    """The last verdict of every event, by binding constraint; candidates by what live prices said last."""
    screened: dict[str, int] = field(default_factory=dict)
    unjudged: int = 0
    without_rules: int = 0
    """Events that were recorded without rules texts: nothing certifies them."""
    assumed_rules: int = 0
    """Those that got the texts of their series from a file instead: results on them rest on that assumption."""
    assumed_fees: int = 0
    """Events of series that were recorded without fees, replayed with the fee type of ``--fees``."""
    holes: int = 0
    """Holes of the tape that took books which were known."""
    unknown_ms: int = 0
    """For how long books were unknown because of them."""
    stayed_unknown: int = 0
    """Events whose books never came back."""
    by: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    advice: list[advice.Reason] = field(default_factory=list)
    """What triage advised, by reason, and what leaving would have brought against holding (``backtest.report.advice``)."""
    equity: list[tuple[int, int]] = field(default_factory=list)
    positions: list[dict[str, Any]] = field(default_factory=list)
    missed: list[dict[str, Any]] = field(default_factory=list)
    tasks: dict[str, int] = field(default_factory=dict)
    timeline: list[tuple[int, str]] = field(default_factory=list)
    """Every decision, denial and fill in its order: what two runs are compared by."""
    fingerprint: str = ""

    @property
    def return_on_locked(self) -> float | None:
        """Profit over the mean of what was locked while anything was; None without any."""
        held, span = self.locked_ms_money, self.locked_ms
        return None if not held or not span else self.profit / (held / span)

    @property
    def annualised(self) -> float | None:
        """Profit for each dollar locked for a year, as a share; None without any."""
        return None if not self.locked_ms_money else self.profit * YEAR_MS / self.locked_ms_money

    def document(self) -> dict[str, Any]:
        """For JSON."""
        found = asdict(self)
        return found | {"annualised": self.annualised, "return_on_locked": self.return_on_locked}


def collect(options: Options, engine: Engine, feed: Feed, venue: ReplayVenue) -> Result:
    """Read the run's rows while its database stands."""
    positions = list(Position.objects.select_related("event", "decision", "profile").order_by("pk"))
    listed = [baskets.described(position) for position in positions]
    bought = [one for one in listed if one["spent"]]
    found = Result(
        profile=options.name,
        options=options.document(),
        first_ms=engine.first_ns // 1_000_000,
        last_ms=engine.last_ns // 1_000_000,
        records=engine.records,
        counts=dict(sorted(feed.counts.items())),
        events=len(feed.books.events),
        decisions=Decision.objects.count(),
        denials=_tally(Denial.objects.values_list("code").annotate(Count("pk")).order_by("code")),
        baskets=len(bought),
        unwound=sum(one["close_type"] == "unwound" for one in listed),
        ends=dict(sorted(Counter(one["close_type"] or one["status"] for one in listed).items())),
        profit=sum(one["profit"] for one in listed),
        fees=Fill.objects.aggregate(total=Sum("fee"))["total"] or 0,
        spent=sum(one["spent"] for one in bought),
        rested=venue.rested,
        residuals=sum(bool(one["residual"]) for one in listed),
        positions=listed[:MOST_LISTED],
        tasks=dict(sorted(engine.ran.items())),
    )
    still_open = [position for position in positions if position.status in ACTIVE]
    found.open_positions = len(still_open)
    found.open_cost = sum(position.cost for position in still_open)
    found.open_floor = sum(position.floor for position in still_open)
    found.equity = _equity()
    found.drawdown = _drawdown(found.equity)
    found.most_locked, found.locked_ms_money, found.locked_ms = baskets.locked(engine.last_ns // 1_000_000)
    found.funnel, found.screened = _funnel(feed.totals.refused)
    assumed = feed.catalogue.assumed_rules
    found.without_rules, found.assumed_rules = len(feed.catalogue.without_rules - assumed), len(assumed)
    found.assumed_fees = len(feed.catalogue.assumed_fees)
    found.holes, found.stayed_unknown = feed.holes.count, len(feed.holes.lost)
    found.unknown_ms = feed.holes.unknown_ms(found.first_ms, found.last_ms)
    found.unjudged = sum(count for code, count in found.funnel.items() if code in UNJUDGED)
    found.by = {name: baskets.grouped(bought, name) for name in GROUPS}
    found.advice = advice.replayed()
    found.missed = _missed()
    found.timeline = timeline.read()
    found.fingerprint = hashlib.sha256(json.dumps(found.timeline).encode()).hexdigest()
    return found


def _tally(rows: Iterable[tuple[str, int]]) -> dict[str, int]:
    return {str(code): count for code, count in rows}


def _equity() -> list[tuple[int, int]]:
    """(ms, realised profit so far), one point a change."""
    rows = LedgerEntry.objects.filter(account=Account.REALISED).order_by("transaction_id", "pk")
    total, curve = 0, list[tuple[int, int]]()
    for at, amount in rows.values_list("transaction__at", "amount"):
        total -= amount
        curve.append((ms(at), total))
    return curve


def _drawdown(curve: list[tuple[int, int]]) -> int:
    best = worst = 0
    for _, value in curve:
        best = max(best, value)
        worst = max(worst, best - value)
    return worst


def _funnel(refused: Mapping[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    last: Counter[str] = Counter()
    for constraint, live in Verdict.objects.values_list("constraint", "live_constraint"):
        last[constraint or live or "candidate"] += 1
    screened: Counter[str] = Counter()
    for universe, candidates, counts in Screening.objects.values_list("universe", "candidates", "counts"):
        screened["judged"] += universe
        screened["candidates"] += candidates
        screened.update(counts)
    screened.update({f"live:{code}": count for code, count in refused.items()})
    return dict(last.most_common()), dict(screened.most_common())


def _missed() -> list[dict[str, Any]]:
    """The nearest episodes that did not become a basket, and what they would have made where that is known."""
    rows = NearMiss.objects.order_by("best_distance_ppm", "pk")[:50]
    return [
        {
            "event": row.event_id,
            "kind": row.kind,
            "constraint": row.constraint,
            "value": row.value,
            "limit": row.limit,
            "best_distance_ppm": row.best_distance_ppm,
            "from_ms": ms(row.started_at),
            "seconds": round((row.last_seen_at - row.started_at).total_seconds()),
            "flip": row.flip,
            "outcome": row.outcome,
        }
        for row in rows
    ]
