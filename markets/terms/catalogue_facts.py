"""Facts and reviews from catalogue rows, in the form that the certificate rules want."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from kalbot.common.units import DOLLAR
from markets.kalshi.vocabulary import COMBO_PREFIX
from markets.models import Event, Market, ReviewedSeries
from markets.terms import exhaustiveness
from markets.terms.facts import UNREADABLE, EventFacts, MarketFacts
from markets.terms.reading.identity import stated_pairs
from markets.terms.reading.text import plain

EVENT_FACTS: Final = (
    "ticker",
    "series_id",
    "title",
    "sub_title",
    "mutually_exclusive",
    "collateral_return_type",
    "settlement_sources",
    "strike_period",
    "strike_date",
    "product_metadata",
)
OF_SERIES: Final = "series__settlement_sources"
MARKET_FACTS: Final = (
    "ticker",
    "event_id",
    "status",
    "market_type",
    "yes_sub_title",
    "rules_primary",
    "rules_secondary",
    "strike_type",
    "floor_strike",
    "cap_strike",
    "custom_strike",
    "is_provisional",
    "result",
    "other_texts",
    "notional_e6",
    "settlement_bounds",
    "settlement_value_e6",
    "expiration_value",
    "close_time",
    "expected_expiration_time",
    "latest_expiration_time",
)


def event_facts(event: Event) -> EventFacts:
    """The facts of one event: every market that was ever seen in it."""
    return facts_of([event.pk])[event.pk]


def facts_of(event_tickers: Iterable[str]) -> dict[str, EventFacts]:
    """The facts of several events in two queries. Unknown tickers are absent."""
    wanted = list(event_tickers)
    markets: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in Market.objects.filter(event_id__in=wanted).order_by("ticker").values(*MARKET_FACTS):
        markets[row["event_id"]].append(row)
    events = Event.objects.filter(pk__in=wanted).values(*EVENT_FACTS, OF_SERIES)
    return {row["ticker"]: build_facts(row, markets[row["ticker"]]) for row in events}


def build_facts(event: Mapping[str, Any], markets: Iterable[Mapping[str, Any]]) -> EventFacts:
    """Facts from column values (see ``EVENT_FACTS`` and ``MARKET_FACTS``; ``OF_SERIES`` where the series is known)."""
    return EventFacts(
        event_ticker=event["ticker"],
        series_ticker=event["series_id"],
        mutually_exclusive=event["mutually_exclusive"],
        collateral_return_type=event["collateral_return_type"],
        title=event["title"],
        sub_title=event["sub_title"],
        sources=_sources(event["settlement_sources"], event.get(OF_SERIES) or ()),
        strike_period=event["strike_period"],
        strike_date="" if event["strike_date"] is None else f"{event['strike_date']:%Y-%m-%d}",
        metadata=_metadata(event["product_metadata"]),
        markets=tuple(_market_facts(row) for row in markets),
    )


def _sources(*listed: Any) -> tuple[str, ...]:
    """Name and address of each source of the event and its series, once."""
    every = [source for sources in listed for source in (sources if isinstance(sources, list | tuple) else [sources])]
    return tuple(sorted({_source(source) for source in every}))


def _source(source: Any) -> str:
    named = isinstance(source, dict) and all(isinstance(source.get(key), str) for key in ("name", "url"))
    return f"{source['name']} {source['url']}" if named else f"{UNREADABLE}: {_text(source)}"


def _metadata(stored: Any) -> tuple[tuple[str, str], ...]:
    named = stored if isinstance(stored, dict) else {UNREADABLE: stored}
    return tuple(sorted((key, _text(value)) for key, value in named.items()))


def _market_facts(row: Mapping[str, Any]) -> MarketFacts:
    custom, other = row["custom_strike"], _texts(row["other_texts"])
    return MarketFacts(
        ticker=row["ticker"],
        status=row["status"],
        strike_type=row["strike_type"],
        floor_strike=_strike(row["floor_strike"]),
        cap_strike=_strike(row["cap_strike"]),
        yes_sub_title=row["yes_sub_title"],
        rules_primary=row["rules_primary"],
        rules_secondary=row["rules_secondary"],
        market_type=row["market_type"],
        result=row["result"] or ("valued" if _is_valued(row) else ""),
        custom_strike=json.dumps(custom, sort_keys=True) if custom else "",
        is_provisional=row["is_provisional"],
        is_combo=row["ticker"].startswith(COMBO_PREFIX) or "collection" in other,
        title=other.get("title", ""),
        no_sub_title=other.get("no_sub_title", ""),
        early_close_condition=other.get("early_close_condition", ""),
        functional_strike=other.get("functional_strike", ""),
        unusual=UNREADABLE if UNREADABLE in other else _unusual(row, other),
        ends=" ".join(str(row[name]) for name in ("close_time", "expected_expiration_time", "latest_expiration_time")),
    )


def _is_valued(row: Mapping[str, Any]) -> bool:
    """Whether the exchange already says what the market is worth."""
    return row["settlement_value_e6"] is not None or bool(row["expiration_value"])


def _texts(stored: Any) -> Mapping[str, str]:
    if isinstance(stored, dict) and all(isinstance(text, str) for text in stored.values()):
        return stored
    return {UNREADABLE: _text(stored)}


def _unusual(row: Mapping[str, Any], other: Mapping[str, str]) -> str:
    """What a market pays other than nothing or one dollar, in words."""
    if row["notional_e6"] != DOLLAR:
        return f"{row['notional_e6'] / DOLLAR:g} dollar a contract"
    if row["settlement_bounds"] not in ("", "default"):
        return f"values with bounds: {row['settlement_bounds']}"
    least = other.get("settlement_floor", "")
    return f"at least {least}" if least else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _strike(text: str) -> Decimal | None:
    """None where there is none; not a number where a text is none, which no reading takes for a strike."""
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        return Decimal("NaN")


def review_of(review: ReviewedSeries | None) -> exhaustiveness.ReviewedSeries | None:
    """A person's review as the certificate rules want it; None without one, or one that names no outcomes."""
    if review is None:
        return None
    names = frozenset(plain(name).lower() for name in review.outcome_names if plain(name))
    if not names:
        return None
    return exhaustiveness.ReviewedSeries(
        series_ticker=review.series_id,
        shape=exhaustiveness.ReviewShape(review.shape),
        reviewer=review.reviewed_by,
        reason=review.reason,
        outcomes=names,
        rule="\n".join(plain(line) for line in review.rule.splitlines()),
        tie_impossible=review.tie_impossible,
        titles=tuple(plain(line) for line in review.titles.splitlines() if plain(line)),
        different=stated_pairs(review.different),
    )
