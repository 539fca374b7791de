"""The first opinion of a source on an event, frozen beside the market's, and its score once the event has settled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.core.cache import cache as process_cache
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from kalbot.common import clock
from markets.models import Market
from triage.assessment.assess import market_belief
from triage.models import SourceForecast
from triage.scoring import scoring
from triage.scoring.combination import NAME as COMBINED
from triage.scoring.combination import Pair
from triage.scoring.ranked import order_by_strikes, ranked
from triage.sources.protocol import EventFacts, Report, learned_of

if TYPE_CHECKING:
    from triage.assessment.gather import Gathered

EVIDENCE_SECONDS = 60
REVISED_WITHIN: Final = timedelta(days=14)
"""So long after a forecast was scored the result may still be corrected."""
SCORED: Final = ("outcome", "brier", "brier_market", "ranked", "ranked_market", "settled_at")


def freeze(gathered: Sequence[Gathered], reports: Mapping[str, list[Report]], now_ms: int) -> int:
    """Store first opinions on events whose market has usable prices at this moment; returns how many were new."""
    rows: dict[tuple[str, str], SourceForecast] = {}
    for item in gathered:
        said = [line for line in reports.get(item.facts.ticker, ()) if line.opinion is not None]
        case = item.case
        if not said or case.now.price_problem or case.now.results:
            continue
        market = market_belief(case)
        if market is None or not all(market.get(x.ticker, 0) > 0 for x in item.facts.listings):
            continue
        for line in said:
            rows.setdefault((line.source, item.facts.ticker), _frozen(item.facts, line, market, now_ms))
    if not rows:
        return 0
    known = set(
        SourceForecast.objects.filter(event_id__in={event for _, event in rows}).values_list("source", "event_id")
    )
    fresh = [row for pair, row in rows.items() if pair not in known]
    SourceForecast.objects.bulk_create(fresh, ignore_conflicts=True)
    return len(fresh)


def _frozen(event: EventFacts, line: Report, market: Mapping[str, float], now_ms: int) -> SourceForecast:
    said = line.opinion
    return SourceForecast(
        source=line.source,
        event_id=event.ticker,
        formed_at=clock.from_ms(now_ms),
        age_ms=line.age_ms or 0,
        detail=said.detail[:400] if said else "",
        probabilities={t: round(p, 6) for t, p in (said.probabilities if said else {}).items()},
        market_probabilities={t: round(p, 6) for t, p in market.items()},
        learned=learned_of(said) if said else {},
    )


def score_settled(limit: int = 500) -> int:
    """Score forecasts whose events have settled, and again those whose result was corrected; returns how many changed."""
    waiting = list(_waiting().order_by("pk")[:limit])
    changed = [row for row in _touched() if row.settled_at is not None]
    outcomes, orders = settled_outcomes({row.event_id for row in (*waiting, *changed)}), _orders(waiting, changed)
    scored = [row for row in waiting if row.event_id in outcomes]
    scored += [row for row in changed if outcomes.get(row.event_id) != row.outcome]
    for row in scored:
        _score(row, outcomes.get(row.event_id), orders.get(row.event_id, []))
    SourceForecast.objects.bulk_update(scored, SCORED, batch_size=200)
    return len(scored)


def _score(row: SourceForecast, winner: str | None, order: Sequence[str]) -> None:
    """Scores by what came; ``winner`` None: a result was taken back or is none to score by, so there are no scores any more."""
    row.outcome, row.settled_at = winner or "", None if winner is None else clock.now()
    row.brier = row.brier_market = row.ranked = row.ranked_market = None
    if winner is not None:
        row.brier = scoring.brier(row.probabilities, winner)
        row.brier_market = scoring.brier(row.market_probabilities, winner)
        row.ranked = ranked(row.probabilities, order, winner)
        row.ranked_market = ranked(row.market_probabilities, order, winner)


def _touched() -> QuerySet[SourceForecast]:
    """Scored of late, and a market of the event was written since."""
    changed = Market.objects.filter(event_id=OuterRef("event_id"), updated_at__gt=OuterRef("settled_at"))
    return SourceForecast.objects.filter(Exists(changed), settled_at__gt=clock.now() - REVISED_WITHIN).order_by("pk")


def _orders(*rows: Iterable[SourceForecast]) -> dict[str, list[str]]:
    """Event -> its outcomes in the order of their strikes; empty where they have none."""
    strikes: dict[str, list[tuple[str, str, str]]] = {}
    events = {row.event_id for some in rows for row in some}
    columns = ("event_id", "ticker", "floor_strike", "cap_strike")
    for event, ticker, floor, cap in Market.objects.filter(event_id__in=events).values_list(*columns):
        strikes.setdefault(event, []).append((ticker, floor, cap))
    return {event: order_by_strikes(some) for event, some in strikes.items()}


def _waiting() -> QuerySet[SourceForecast]:
    """Of events that have settled in a way to score by; others stand in nobody's way."""
    undecided = Market.objects.filter(~Q(result__in=("yes", "no")), event_id=OuterRef("event_id"))
    won = Market.objects.filter(result="yes", event_id=OuterRef("event_id")).order_by().values("event_id")
    winners = Coalesce(Subquery(won.annotate(n=Count("pk")).values("n")), 0)
    return SourceForecast.objects.alias(winners=winners).filter(~Exists(undecided), settled_at=None, winners__lte=1)


def settled_waiting() -> bool:
    """Whether ``score_settled`` would find a forecast to score."""
    return _waiting().exists()


def settled_outcomes(events: Iterable[str]) -> dict[str, str]:
    """Event -> ticker of the one outcome that won ("" = none did), for events all of whose markets have a yes or no.

    Events that settled otherwise (scalar, several winners) are left out: there is nothing to score by."""
    results: dict[str, dict[str, str]] = {}
    for event, ticker, result in Market.objects.filter(event_id__in=list(events)).values_list(
        "event_id", "ticker", "result"
    ):
        results.setdefault(event, {})[ticker] = result
    found = {}
    for event, by_ticker in results.items():
        winners = [ticker for ticker, result in by_ticker.items() if result == "yes"]
        if all(result in ("yes", "no") for result in by_ticker.values()) and len(winners) <= 1:
            found[event] = winners[0] if winners else ""
    return found


def scored_forecasts(source: str) -> list[scoring.Scored]:
    """The settled record of one source, oldest first."""
    rows = SourceForecast.objects.filter(source=source).exclude(settled_at=None).order_by("formed_at")
    return [one for row in rows if (one := as_scored(row)) is not None]


def as_scored(row: SourceForecast) -> scoring.Scored | None:
    """What source and market gave to what came; None while it is not settled."""
    if row.settled_at is None:
        return None
    given = (scoring.probability_of(said, row.outcome) for said in (row.probabilities, row.market_probabilities))
    return scoring.Scored(row.formed_at, row.settled_at, *given)


def settled_pairs() -> list[Pair]:
    """The settled record of all sources beside the market, what was frozen at one moment together; the pool itself left out."""
    rows = SourceForecast.objects.exclude(settled_at=None).exclude(source=COMBINED).order_by("formed_at", "pk")
    together: dict[tuple[str, datetime], list[SourceForecast]] = {}
    for row in rows:
        together.setdefault((row.event_id, row.formed_at), []).append(row)
    return [
        Pair({row.source: row.probabilities for row in group}, group[0].market_probabilities, group[0].outcome)
        for group in together.values()
    ]


def evidence_of(source: str) -> float:
    """The e-value of a source's record, remembered for a minute in this process."""
    key = f"triage-evidence-{source}"
    found = process_cache.get(key)
    if found is None:
        found = scoring.evidence(scored_forecasts(source))[0]
        process_cache.set(key, found, EVIDENCE_SECONDS)
    return float(found)
