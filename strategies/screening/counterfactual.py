"""What a near miss would have made: once its event has settled, its best basket is paid out on paper."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from kalbot.common.db.batches import batched
from kalbot.common.units import DOLLAR, format_money
from markets.models import Market
from strategies.models import NearMiss

LIMIT: Final = 1000
"""Most episodes settled in one call; the rest waits for the next."""


class Settled(NamedTuple):
    """How one market ended: what YES paid (micro-dollars a contract), and its outcome's name."""

    yes_pays_e6: int
    name: str


def record(at: datetime) -> int:
    """Write the result of every episode whose event has settled since. Returns how many were written.

    An episode that is still open ends as "settled". An event of which a market of the basket has no result yet waits.
    """
    waiting = NearMiss.objects.filter(outcome="", event__is_open=False).order_by("last_seen_at")
    rows = list(waiting.only("pk", "event_id", "summary", "ended_at")[:LIMIT])
    settled = _settlements({row.event_id for row in rows})
    written = 0
    for row in rows:
        counterfactual = _counterfactual(row.summary, settled.get(row.event_id, {}))
        if counterfactual is None:
            continue
        outcome, profit = counterfactual
        NearMiss.objects.filter(pk=row.pk, ended_at=None).update(ended_at=at, ended_as="settled")
        written += NearMiss.objects.filter(pk=row.pk, outcome="").update(outcome=outcome[:300], outcome_profit=profit)
    return written


def result(summary: Mapping[str, Any], settled: Mapping[str, Settled]) -> int | None:
    """Payout less cost of the basket in ``summary``, micro-dollars; None while one of its markets has no result."""
    payout, cost = 0, int(summary["cost"])
    for leg in summary["legs"]:
        end = settled.get(leg["ticker"])
        if end is None:
            return None
        each = end.yes_pays_e6 if leg["side"] == "yes" else DOLLAR - end.yes_pays_e6
        payout += leg["count"] * each // 100
    return payout - cost


def _counterfactual(summary: Mapping[str, Any], settled: Mapping[str, Settled]) -> tuple[str, int | None] | None:
    if not settled:
        return None
    won = ", ".join(end.name for end in settled.values() if end.yes_pays_e6 > 0) or "no listed outcome"
    if not summary.get("legs"):
        return f"no basket was near; won: {won}", None
    profit = result(summary, settled)
    if profit is None:
        return None
    verb = "made" if profit >= 0 else "lost"
    cost = format_money(summary["cost"])
    return f"buying it for ${cost} would have {verb} ${format_money(abs(profit))}; won: {won}", profit


def _settlements(events: set[str]) -> dict[str, dict[str, Settled]]:
    """event -> market -> how it ended; events with a market whose result is not known are left out."""
    found: dict[str, dict[str, Settled]] = {}
    open_ones: set[str] = set()
    columns = ("event_id", "ticker", "yes_sub_title", "result", "settlement_value_e6")
    for batch in batched(sorted(events)):
        for event, ticker, name, word, value in Market.objects.filter(event_id__in=batch).values_list(*columns):
            pays = value if value is not None else {"yes": DOLLAR, "no": 0}.get(word)
            if pays is None or not word:
                open_ones.add(event)
            else:
                found.setdefault(event, {})[ticker] = Settled(pays, name or ticker)
    return {event: markets for event, markets in found.items() if event not in open_ones}
