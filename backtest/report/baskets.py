"""What became of each basket of a run: figures, groups, what was locked. Money in micro-dollars, times in Unix milliseconds."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from backtest.report.timeline import ms
from kalbot.common import clock
from markets.terms.grades import Grade
from trading.accounting import results
from trading.models import LedgerEntry, Position


def described(position: Position) -> dict[str, Any]:
    """One basket, ready for JSON."""
    legs = list(position.legs.all())
    spent = sum(leg.bought_cost for leg in legs)
    opened = position.opened_at or position.created_at
    ended = position.ended_at or clock.now()
    return {
        "profile": position.profile.name,
        "event": position.event_id,
        "series": position.event.series_id,
        "category": position.event.category or "none",
        "kind": position.kind,
        "grade": Grade(position.grade).label,
        "entry": entry_of(position),
        "status": position.status,
        "close_type": position.close_type,
        "close_code": position.close_code,
        "at_ms": ms(position.created_at),
        "hour": f"{position.created_at:%H}",
        "held_ms": ms(ended) - ms(opened) if spent else 0,
        "ended_ms": ms(position.ended_at) if position.ended_at else None,
        "count": position.matched_count or position.target_count,
        "decided_cost": position.decision.cost,
        "decided_floor": position.decision.floor,
        "spent": spent,
        "profit": position.realised,
        "residual": position.residual,
        "legs": [
            {
                "ticker": leg.market_id,
                "side": leg.side,
                "bought": leg.bought_count,
                "cost": leg.bought_cost,
                "fees": leg.fees,
                "sold": leg.sold_count,
                "payout": leg.payout,
            }
            for leg in legs
        ],
        "explanation": position.decision.explanation,
    }


def entry_of(position: Position) -> str:
    """Why it was bought: what it rests on, and whether a leg rested in the book first."""
    grade = "bet on coverage" if position.kind == "coverage" else Grade(position.decision.grade).label
    return f"{grade}, quoted" if position.decision.quote else grade


def locked(until_ms: int) -> tuple[int, int, int]:
    """By the ledger: the most that was locked at once, the integral of it over time (money times ms), and how long anything was (ms)."""
    entries = LedgerEntry.objects.filter(account__in=results.LOCKS).order_by("transaction_id", "pk")
    level = most = integral = span = last = 0
    for at, amount in [*entries.values_list("transaction__at", "amount"), (None, 0)]:
        now = until_ms if at is None else ms(at)
        if level > 0:
            integral += level * max(0, now - last)
            span += max(0, now - last)
        level, last = level + amount, now
        most = max(most, level)
    return most, integral, span


def grouped(positions: list[dict[str, Any]], name: str) -> dict[str, dict[str, int]]:
    """Baskets, what they cost and earned by the value of ``name``."""
    groups: dict[str, dict[str, int]] = defaultdict(lambda: {"baskets": 0, "spent": 0, "profit": 0})
    for one in positions:
        group = groups[str(one[name])]
        group["baskets"] += 1
        group["spent"] += one["spent"]
        group["profit"] += one["profit"]
    return dict(sorted(groups.items()))
