"""Rows and live prices of many positions into cases for ``assess``: a handful of queries and one Redis round trip a batch.

Everything the other rooms provide is read here and nowhere else in triage: catalogue, certificates, fees, prices.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings

from kalbot.common.units import Money, UnitError, parse_money
from markets.book import Depth, Side
from markets.fees import FeeError, FeeSchedule, resolve
from markets.models import Certificate, Event, Market
from markets.prices import EventPrices, PriceReader
from markets.terms import SettlementTerms, read_terms
from strategies.models import Decision, Profile
from trading.models import Leg, Position, PositionStatus
from triage.assess import Case, Thresholds
from triage.models import Baseline
from triage.signals import EntryFacts, MarketFacts, OutcomeFacts
from triage.valuation import HeldLeg

_MARKET = (
    "ticker", "event_id", "status", "result", "close_time", "expected_expiration_time", "yes_sub_title",
    "strike_type", "floor_strike", "cap_strike",
)  # fmt: skip
_TERMS: dict[tuple[str, str], SettlementTerms] = {}
_TERMS_KEPT = 20_000


@dataclass(slots=True)
class Gathered:
    """One position with its case. ``markets``: the rows of its event's markets, for the sources."""

    position: Position
    profile: Profile
    event: Event
    case: Case
    markets: list[dict[str, Any]]
    is_first_look: bool = False
    baseline: Baseline | None = field(default=None)


def gather(position_ids: Sequence[int], now_ms: int, reader: PriceReader | None = None) -> list[Gathered]:
    """Cases of those of the positions that are open. Positions without a held leg are left out."""
    positions = list(
        Position.objects.filter(pk__in=position_ids, status=PositionStatus.OPEN).select_related(
            "profile", "event__series"
        )
    )
    if not positions:
        return []
    events = {p.event_id: p.event for p in positions}
    legs = _legs(p.pk for p in positions)
    markets = _markets(events)
    terms = _terms(events)
    certified = _certified(events)
    prices = (reader or PriceReader()).events(list(events))
    baselines = _baselines(positions, markets)
    return [
        Gathered(
            position, position.profile, position.event,
            _case(position, legs[position.pk], markets[position.event_id], prices[position.event_id],
                  baselines[position.pk][0], position.event_id in certified, terms[position.event_id], now_ms),
            markets[position.event_id], baselines[position.pk][1], baselines[position.pk][0],
        )
        for position in positions
        if legs[position.pk]
    ]  # fmt: skip


def _legs(position_ids: Iterable[int]) -> dict[int, list[Leg]]:
    found: dict[int, list[Leg]] = defaultdict(list)
    for leg in Leg.objects.filter(position_id__in=list(position_ids)):
        if leg.held > 0:
            found[leg.position_id].append(leg)
    return found


def _markets(events: Mapping[str, Event]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {ticker: [] for ticker in events}
    for row in Market.objects.filter(event_id__in=list(events)).order_by("ticker").values(*_MARKET):
        found[row["event_id"]].append(row)
    return found


def _terms(events: Mapping[str, Event]) -> dict[str, SettlementTerms]:
    """Settlement terms from the rules texts, read once for each version of the rules."""
    found = {t: _TERMS[key] for t, e in events.items() if (key := (t, e.rules_hash)) in _TERMS}
    missing = [ticker for ticker in events if ticker not in found]
    texts: dict[str, list[str]] = {ticker: [] for ticker in missing}
    columns = ("event_id", "rules_primary", "rules_secondary")
    for event, primary, secondary in Market.objects.filter(event_id__in=missing).values_list(*columns):
        texts[event] += [primary, secondary]
    read = {ticker: read_terms(texts[ticker]) for ticker in missing}
    if len(_TERMS) + len(read) > _TERMS_KEPT:
        _TERMS.clear()
    _TERMS.update({(t, rules): terms for t, terms in read.items() if (rules := events[t].rules_hash)})
    return found | read


def _certified(events: Mapping[str, Event]) -> set[str]:
    """Events with a granted certificate for the rules as they are now."""
    granted = Certificate.objects.filter(event_id__in=list(events), status=Certificate.Status.GRANTED)
    return {e for e, rules in granted.values_list("event_id", "rules_hash") if rules == events[e].rules_hash}


def _baselines(
    positions: Sequence[Position], markets: Mapping[str, list[dict[str, Any]]]
) -> dict[int, tuple[Baseline, bool]]:
    """The baseline of each position and whether this is its first look; new ones are stored at once."""
    ids = [p.pk for p in positions]
    found = {b.position_id: (b, False) for b in Baseline.objects.filter(position_id__in=ids)}
    fresh = [p for p in positions if p.pk not in found]
    if not fresh:
        return found
    columns = ("pk", "rules_hash", "probabilities", "coverage_ppm", "certificate_id")
    decisions = {row[0]: row for row in Decision.objects.filter(position__in=fresh).values_list(*columns)}
    rows = []
    for position in fresh:
        _, rules_hash, probabilities, coverage, certificate = decisions[position.decision_id]
        listed = markets[position.event_id]
        rows.append(
            Baseline(
                position=position,
                tickers=sorted(probabilities or (m["ticker"] for m in listed)),
                close_times={m["ticker"]: ms for m in listed if (ms := unix_ms(m["close_time"])) is not None},
                certified=certificate is not None,
                rules_hash=rules_hash,
                coverage_ppm=coverage,
            )
        )
    Baseline.objects.bulk_create(rows, ignore_conflicts=True)
    return found | {b.position_id: (b, True) for b in rows}


def _case(
    position: Position, legs: list[Leg], markets: list[dict[str, Any]], prices: EventPrices, baseline: Baseline,
    certified: bool, terms: SettlementTerms, now_ms: int,
) -> Case:  # fmt: skip
    names = {m["ticker"]: m["yes_sub_title"] for m in markets}
    held = tuple(HeldLeg(leg.market_id, Side(leg.side), leg.held, names.get(leg.market_id, "")) for leg in legs)  # type: ignore[arg-type]
    coverage = None if baseline.coverage_ppm is None else baseline.coverage_ppm / 1_000_000
    return Case(
        legs=held,
        kind=position.kind,
        cost=Money(position.cost),
        entry=EntryFacts(
            frozenset(baseline.tickers), baseline.rules_hash, baseline.certified, coverage, baseline.close_times
        ),
        now=market_facts(
            markets, prices, position.event.rules_hash, certified, position.profile.max_price_age_ms, now_ms
        ),
        books=_books(prices),
        fees=fee_schedule(position.event),
        now_ms=now_ms,
        settles_ms=max((ms for m in markets if (ms := settles_ms(m)) is not None), default=None),
        terms=terms,
        thresholds=thresholds(position.profile, position.kind),
    )


def market_facts(
    markets: Iterable[Mapping[str, Any]],
    prices: EventPrices,
    rules_hash: str,
    certified: bool,
    max_age_ms: int,
    now_ms: int,
) -> MarketFacts:
    """The catalogue's word on each market, or the stream's where it has a newer one."""
    outcomes = []
    for row in markets:
        live = prices.markets.get(row["ticker"])
        status = live.status if live is not None and live.status else row["status"]
        outcomes.append(
            OutcomeFacts(row["ticker"], status, row["result"], unix_ms(row["close_time"]), row["yes_sub_title"])
        )
    age = prices.age_ms(now_ms) if prices.live else None
    return MarketFacts(tuple(outcomes), rules_hash, certified, prices.usable((), max_age_ms, now_ms), age)


def _books(prices: EventPrices) -> dict[str, Depth]:
    return {t: m.depth for t, m in prices.markets.items() if m.depth is not None and not m.suspect}


def thresholds(profile: Profile, kind: str) -> Thresholds:
    """The profile's lines; the coverage line belongs to coverage baskets only."""
    return Thresholds(coverage_line=profile.coverage_threshold_ppm / 1_000_000 if kind == "coverage" else None)


def fee_schedule(event: Event) -> FeeSchedule | None:
    """The fees in force, or None when they are not known (then nothing is valued)."""
    series = event.series
    try:
        grid = parse_money(settings.KALSHI_FEE_GRID)
        return resolve(
            series.fee_type, series.fee_multiplier_e6, event.fee_type_override, event.fee_multiplier_override_e6, grid
        )
    except (FeeError, UnitError):
        return None


def settles_ms(market: Mapping[str, Any]) -> int | None:
    """When the market is expected to pay: expected expiration, else its close."""
    return unix_ms(market["expected_expiration_time"] or market["close_time"])


def unix_ms(moment: datetime | None) -> int | None:
    """Unix milliseconds of an aware time."""
    return None if moment is None else int(moment.timestamp() * 1000)
