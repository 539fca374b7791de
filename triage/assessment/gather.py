"""Rows and live prices of many positions into cases for ``assess``: a handful of queries and one Redis round trip a batch.

Everything the other packages provide is read here and nowhere else in triage: catalogue, certificates, fees, prices.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from kalbot.common.units import Count, Money
from markets import prices as live_prices
from markets.book import Depth, Side
from markets.fees import Fees
from markets.models import Certificate, Event, Market
from markets.prices import EventPrices, Prices, families
from markets.selectors import fees_of_many
from markets.terms.special_settlements import SettlementTerms
from strategies.families.estimate import Estimate
from strategies.models import Decision, Profile
from trading.closing import waiting
from trading.models import Leg, Position
from triage.assessment import across_events, family_opinions, settlement_states
from triage.assessment.case import Case, Thresholds
from triage.assessment.signals import TRADING, EntryFacts, MarketFacts, OutcomeFacts
from triage.assessment.valuation import HeldLeg
from triage.models import Baseline
from triage.sources.facts import event_facts
from triage.sources.protocol import EventFacts

_MARKET = (
    "ticker",
    "event_id",
    "status",
    "result",
    "close_time",
    "expected_expiration_time",
    "yes_sub_title",
    "strike_type",
    "floor_strike",
    "cap_strike",
)
_POSITION = (
    "profile_id",
    "event_id",
    "decision_id",
    "kind",
    "status",
    "cost",
    "states",
    "triage_opt_out",
    "opened_at",
    "created_at",
)
CHANGED = "changed before the first assessment"


@dataclass(slots=True)
class Gathered:
    """One position with its case. ``estimate``: what the family of its event says, where it has one."""

    position: Position
    profile: Profile
    event: Event
    case: Case
    facts: EventFacts
    baseline: Baseline
    estimate: Estimate | None = None


class Shared(NamedTuple):
    """What the cases of one event have in common, for one reading of its certificate and one age of prices."""

    now: MarketFacts
    books: dict[str, Depth]
    names: dict[str, str]
    settles_ms: int | None
    kept: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """What the events of a batch share, by event ticker. ``certificates``: status of the one that speaks for the event
    ("granted" only for the rules as they are now)."""

    markets: Mapping[str, list[dict[str, Any]]]
    facts: Mapping[str, EventFacts]
    terms: Mapping[str, SettlementTerms]
    certificates: Mapping[str, str]
    prices: Mapping[str, EventPrices]
    fees: Mapping[str, Fees | None]
    now_ms: int
    shared: dict[tuple[str, bool, int], Shared] = field(default_factory=dict)


def gather(
    position_ids: Sequence[int], now_ms: int, reader: Prices | None = None, *, with_families: bool = True
) -> list[Gathered]:
    """Cases of those of the positions that are open, or whose advised exit waits for bids. Positions without a held leg are left out.
    ``with_families``: with what the families of their events say."""
    rows = Position.objects.filter(waiting.advised(), pk__in=position_ids)
    positions = list(rows.only(*_POSITION))
    if not positions:
        return []
    events = _parents(positions)
    legs = _legs(p.pk for p in positions)
    members = across_events.members_of(events)
    listed = events | {event.pk: event for parts in members.values() for event in parts}
    markets, facts = _markets(listed), event_facts(listed)
    across_events.fold(members, markets, facts)
    speaking = family_opinions.families_of(events) if with_families else {}
    wanted: dict[str, Sequence[str]] = {t: [part.pk for part in members.get(t, [e])] for t, e in events.items()}
    batch = Batch(
        markets=markets,
        facts=facts,
        terms=settlement_states.terms_of(events),
        certificates=_certificates(events),
        prices=families.read(reader or live_prices.reader(), wanted | family_opinions.books_of(speaking)),
        fees=fees_of_many(events),
        now_ms=now_ms,
    )
    baselines = _baselines(positions, batch)
    said = family_opinions.estimates_of(speaking, batch.prices)
    return [
        Gathered(
            p,
            p.profile,
            p.event,
            _case(p, legs[p.pk], baselines[p.pk], batch),
            batch.facts[p.event_id],
            baselines[p.pk],
            said.get(p.event_id),
        )
        for p in positions
        if legs[p.pk]
    ]


def _parents(positions: Sequence[Position]) -> dict[str, Event]:
    """Give the positions their profiles and events, each read once however many share it; returns the events."""
    events = Event.objects.select_related("series").in_bulk({p.event_id for p in positions})
    profiles = Profile.objects.in_bulk({p.profile_id for p in positions})
    for position in positions:
        position.event, position.profile = events[position.event_id], profiles[position.profile_id]
    return events


def _legs(position_ids: Iterable[int]) -> dict[int, list[tuple[str, str, int]]]:
    """Position -> (market, side, contracts still held) of its legs, in their order."""
    found: dict[int, list[tuple[str, str, int]]] = defaultdict(list)
    columns = ("position_id", "market_id", "side", "bought_count", "sold_count", "settled_count")
    for position, market, side, bought, sold, settled in (
        Leg.objects.filter(position_id__in=list(position_ids)).order_by("pk").values_list(*columns)
    ):
        if bought > sold + settled:
            found[position].append((market, side, bought - sold - settled))
    return found


def _markets(events: Mapping[str, Event]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {ticker: [] for ticker in events}
    for row in Market.objects.filter(event_id__in=list(events)).order_by("ticker").values(*_MARKET):
        found[row["event_id"]].append(row)
    return found


def _certificates(events: Mapping[str, Event]) -> dict[str, str]:
    rows = Certificate.objects.filter(event_id__in=list(events)).exclude(status=Certificate.Status.VOID)
    return {
        event: status
        for event, status, rules in rows.values_list("event_id", "status", "rules_hash")
        if status != Certificate.Status.GRANTED or rules == events[event].rules_hash
    }


def is_certified(baseline: Baseline, digest: str, status: str) -> bool:
    """Whether one of the listed outcomes must win, for what is held.

    The catalogue's certificate falls with any change of a market's state, because nothing new may be bought on it then. The
    reason itself falls only with the rules, the strikes or the listing, or when a person revokes it.
    """
    if status in (Certificate.Status.GRANTED, Certificate.Status.REVOKED):
        return status == Certificate.Status.GRANTED
    return baseline.certified and baseline.rules_hash == digest


def _baselines(positions: Sequence[Position], batch: Batch) -> dict[int, Baseline]:
    """The baseline of each position; those of a first assessment are stored at once."""
    found = {b.position_id: b for b in Baseline.objects.filter(position_id__in=[p.pk for p in positions])}
    fresh = [p for p in positions if p.pk not in found]
    if not fresh:
        return found
    columns = ("pk", "rules_hash", "probabilities", "coverage_ppm", "certificate__one_must_win")
    decisions = {row["pk"]: row for row in Decision.objects.filter(position__in=fresh).values(*columns)}
    rows = [_first_baseline(p, decisions[p.decision_id], batch) for p in fresh]
    Baseline.objects.bulk_create(rows, ignore_conflicts=True)
    return found | {b.position_id: b for b in Baseline.objects.filter(position__in=fresh)}


def _first_baseline(position: Position, decision: Mapping[str, Any], batch: Batch) -> Baseline:
    """What was true at the decision, as far as the first assessment knows: rules that changed in between are remembered as such."""
    listed = batch.markets[position.event_id]
    untouched = all(m["status"] == "active" and not m["result"] for m in listed)
    changed = untouched and decision["rules_hash"] not in ("", position.event.rules_hash)
    return Baseline(
        position=position,
        tickers=sorted(decision["probabilities"] or (m["ticker"] for m in listed)),
        close_times={m["ticker"]: ms for m in listed if (ms := unix_ms(m["close_time"])) is not None},
        certified=bool(decision["certificate__one_must_win"]),
        rules_hash=CHANGED if changed else batch.facts[position.event_id].digest,
        coverage_ppm=decision["coverage_ppm"],
    )


def _case(position: Position, legs: list[tuple[str, str, int]], baseline: Baseline, batch: Batch) -> Case:
    event = position.event_id
    digest = batch.facts[event].digest
    certified = is_certified(baseline, digest, batch.certificates.get(event, ""))
    coverage = None if baseline.coverage_ppm is None else baseline.coverage_ppm / 1_000_000
    common = _shared(event, certified, position.profile.max_price_age_ms, batch)
    return Case(
        legs=tuple(
            HeldLeg(ticker, Side(side), Count(held), common.names.get(ticker, "")) for ticker, side, held in legs
        ),
        kind=position.kind,
        cost=Money(position.cost),
        entry=EntryFacts(
            frozenset(baseline.tickers), baseline.rules_hash, baseline.certified, coverage, baseline.close_times
        ),
        now=common.now,
        books=common.books,
        fees=batch.fees[event],
        now_ms=batch.now_ms,
        settles_ms=common.settles_ms,
        terms=batch.terms[event],
        thresholds=thresholds(position.profile, position.kind),
        states=settlement_states.of_family(position, [m["ticker"] for m in batch.markets[event]], legs),
        shared=common.kept,
    )


def _shared(event: str, certified: bool, max_age_ms: int, batch: Batch) -> Shared:
    key = (event, certified, max_age_ms)
    if key not in batch.shared:
        markets, prices, digest = batch.markets[event], batch.prices[event], batch.facts[event].digest
        batch.shared[key] = Shared(
            now=market_facts(markets, prices, digest, certified, max_age_ms, batch.now_ms),
            books=_books(prices),
            names={m["ticker"]: m["yes_sub_title"] for m in markets},
            settles_ms=max((ms for m in markets if (ms := settles_ms(m)) is not None), default=None),
            kept={},
        )
    return batch.shared[key]


def market_facts(
    markets: Iterable[Mapping[str, Any]],
    prices: EventPrices,
    rules_hash: str,
    certified: bool,
    max_age_ms: int,
    now_ms: int,
) -> MarketFacts:
    """What is known of each market: it trades only if neither the catalogue nor the stream says otherwise."""
    outcomes = []
    for row in markets:
        live = prices.markets.get(row["ticker"])
        status = live.status if live is not None and live.status not in TRADING else row["status"]
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


def settles_ms(market: Mapping[str, Any]) -> int | None:
    """When the market is expected to pay: expected expiration, else its close."""
    return unix_ms(market["expected_expiration_time"] or market["close_time"])


def unix_ms(moment: datetime | None) -> int | None:
    """Unix milliseconds of an aware time."""
    return None if moment is None else int(moment.timestamp() * 1000)
