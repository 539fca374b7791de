"""Events as the strategies see them: one small immutable view an event, the same from rows and from a recording.

A view carries all that a filter, a price screen or the search asks about an event but its live books. Whole catalogues (12,500 events,
100,000 markets) are read in a few plain queries; ``deep`` adds what only the search needs: price grids and settlement states.
Prices 1/10,000 dollar, counts 1/100 contract, times Unix milliseconds.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from kalbot.common import clock
from kalbot.common.db import fetch
from kalbot.common.db.batches import batched
from kalbot.common.units import DOLLAR, Price
from markets.fees import RATES
from markets.kalshi.grid import PriceBand
from markets.models import FeeChange
from markets.terms import special_settlements
from markets.terms.atoms import Atoms
from markets.terms.exhaustiveness import at_most_one_wins
from markets.terms.grades import Grade
from markets.terms.special_settlements import SettlementTerms
from markets.terms.states import StateList
from strategies.catalogue import family_gates, family_views, kept_whole, universe_rows
from strategies.catalogue.corrections import Powers, power_of
from strategies.catalogue.family_views import Family, Member
from strategies.catalogue.universe_rows import Row, Rows
from strategies.families.estimate import Estimate

log = logging.getLogger(__name__)

GONE: Final = frozenset({"determined", "finalized", "settled"})


class Outcome(NamedTuple):
    """One market of an event with its best prices. None = nobody there, never a default."""

    ticker: str
    name: str
    status: str
    yes_bid: int | None
    yes_bid_size: int
    yes_ask: int | None
    yes_ask_size: int
    price_bands: tuple[PriceBand, ...] = ()


@dataclass(frozen=True, slots=True)
class EventView:
    """One event. ``closes_ms``: when trading in it first ends; ``over_ms``: when its outcome is expected to be known;
    ``ends_ms``: the earlier of the two, when it is over for us.

    ``oddity`` names the first thing that makes a market no plain one-dollar contract ("" = none). ``exclusive``: by both fields of
    the exchange. ``certificate_id`` is that of the granted certificate for exactly these rules and markets; ``grade`` the surest
    that a basket under it can be (conditional without one), ``certified`` whether one outcome must win by it. ``states`` (deep
    views only): its settlement states, None without one. ``members``: the events of a family, whose settlement is in its ``atoms``.
    """

    ticker: str
    series: str
    title: str
    category: str
    exclusive: bool
    fee_type: str
    fee_multiplier_e6: int
    shards: tuple[int, ...]
    oddity: str
    closes_ms: int | None
    over_ms: int | None
    ends_ms: int | None
    volume: int
    open_interest: int
    rules_hash: str
    certified: bool
    certificate_id: int | None
    outcomes: tuple[Outcome, ...]
    grade: Grade = Grade.CONDITIONAL
    states: StateList | None = None
    late_ms: int = 0
    members: tuple[Member, ...] = ()
    atoms: Atoms | None = None
    power: float = 1.0
    """Of its probabilities, where a correction has earned its use (``catalogue.corrections``); 1: as prices say."""
    fees: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """Market -> its own fee type and multiplier, where the events of a family have different ones; empty where all have ``fee_type``."""
    discretion: tuple[str, ...] = ()
    """Sentences of its own rules or terms that name the exchange's discretion (deep views only)."""
    family: EventView | None = None
    """The family whose quotes have earned to say what is likely in it (deep views of few events, ``family_gates``); None: its own do."""
    estimate: Estimate | None = None
    """What they say, once live prices are read (``cycle.estimates``)."""

    @property
    def states_known(self) -> bool:
        """Whether a certificate says in which ways the event can settle; without one NO on several outcomes proves nothing."""
        return self.grade is not Grade.CONDITIONAL or self.states is not None

    @property
    def books_of(self) -> tuple[str, ...]:
        """The events whose books it is traded on: itself, or the members of a family."""
        return tuple(member.ticker for member in self.members) or (self.ticker,)

    @property
    def terms(self) -> SettlementTerms:
        """What may happen besides one winner, or none."""
        return special_settlements.of_states(self.states)

    @property
    def fee_known(self) -> bool:
        """Whether the exchange's fee on this event can be computed."""
        return all(kind in RATES and multiplier >= 0 for kind, multiplier in self.fees.values() or (self.fee_of(""),))

    @property
    def fee_types(self) -> str:
        """The exchange's words for how its fills are charged."""
        kinds = {kind for kind, _ in self.fees.values()} or {self.fee_type}
        return ", ".join(sorted(kind or "none" for kind in kinds))

    def fee_of(self, ticker: str) -> tuple[str, int]:
        """Fee type and multiplier (millionths) of one of its markets."""
        return self.fees[ticker] if self.fees else (self.fee_type, self.fee_multiplier_e6)

    def settles_in_days(self, now_ms: int) -> float | None:
        """Days until money is expected back: from the later of close and expected end, as much later (``late_ms``) as its series has
        settled so far; None when neither is known."""
        last = max((t for t in (self.closes_ms, self.over_ms) if t is not None), default=None)
        return None if last is None else max(0.0, (last + self.late_ms - now_ms) / 86_400_000)


def load(tickers: Sequence[str] | None = None, *, deep: bool = False) -> dict[str, EventView]:
    """Views of the open events and families (all, or those of ``tickers`` that are open), by ticker, in ticker order."""
    if tickers is None and not deep:
        return kept_whole.views(lambda: _loaded(None, deep=False), universe_rows.go_by_the_clock)
    return _loaded(tickers, deep)


def _loaded(tickers: Sequence[str] | None, deep: bool) -> dict[str, EventView]:
    families, listed, earned = (*_all(deep), {}) if tickers is None else _of(sorted(set(tickers)), deep)
    named = listed.keys() if tickers is None else set(tickers)
    found = {ticker: view for ticker, view in listed.items() if ticker in named}
    if not families:
        return found
    together = family_views.views(families, listed)
    for event, family in earned.items():
        found[event] = replace(found[event], family=together.get(family))
    return dict(sorted((found | {t: v for t, v in together.items() if tickers is None or t in named}).items()))


def _all(deep: bool) -> tuple[list[Family], dict[str, EventView]]:
    return family_views.of(None), views_of(universe_rows.whole(deep), deep=deep)


def _of(tickers: Sequence[str], deep: bool) -> tuple[list[Family], dict[str, EventView], dict[str, str]]:
    """The families among ``tickers`` and those that may speak of one (event -> family), and views of what the exchange lists of all."""
    families: list[Family] = []
    found: dict[str, EventView] = {}
    family_of: dict[str, str] = {}
    for batch in batched(tickers):
        of_batch, rows = fetch.together(family_views.fetching(batch), universe_rows.fetching(batch, deep))
        families += of_batch
        found |= views_of(rows, deep=deep)
        family_of |= {row["ticker"]: row["family"] for row in rows.events if row.get("family")}
    earned = family_gates.open_for(found, family_of)
    if earned:
        families += family_views.of(sorted(set(earned.values()) - {family.ticker for family in families}))
    members = {event for family in families for event in family.events}
    for batch in batched(sorted(members.difference(tickers))):
        found |= views_of(universe_rows.some(batch, deep), deep=deep)
    return families, found, earned


def views_of(rows: Rows, *, deep: bool) -> dict[str, EventView]:
    """The views of what the exchange lists, by ticker."""
    found: dict[str, EventView] = {}
    legs: dict[str, list[Row]] = {}
    for market in rows.markets:
        legs.setdefault(market["event_id"], []).append(market)
    granted = {row["event_id"]: row for row in rows.certificates}
    for row in rows.events:
        if rows.changes:
            _apply_fee_changes(row, rows.changes)
        ticker = row["ticker"]
        certificate = granted.get(ticker)
        if certificate is not None and certificate["rules_hash"] != row["rules_hash"]:
            certificate = None
        found[ticker] = view_of(row, legs.get(ticker, ()), certificate, rows.late, rows.powers, deep=deep)
    return found


def view_of(
    event: Row,
    markets: Sequence[Row],
    certificate: Row | None,
    late: Mapping[str, int] | None = None,
    powers: Powers = MappingProxyType({}),
    *,
    deep: bool = False,
) -> EventView:
    """The view of column values (see ``markets.catalogue.rows``; the event's with its series' fee columns beside them).

    ``certificate``: pk, grade, one_must_win and (deep) the stored states and residual of the certificate in force. One that cannot be
    read certifies nothing and is the event's ``oddity``. ``late``: series -> milliseconds after the expected end at which it settles.
    ``powers``: corrections of probabilities that have earned their use.
    """
    listed = [m for m in markets if m["status"] != "absent"]
    override, multiplier = event["fee_type_override"], event["fee_multiplier_override_e6"]
    closes = [t for t in (_ms(m["close_time"]) for m in listed if m["status"] not in GONE) if t is not None]
    over = [t for t in (_ms(m["expected_expiration_time"]) for m in listed) if t is not None]
    closes_ms, over_ms = min(closes, default=_ms(event["close_time"])), max(over, default=None)
    category = event["category"] or event.get("series__category") or ""
    certificate, unread = (None, "") if certificate is None else _judged(event["ticker"], certificate, deep)
    return EventView(
        ticker=event["ticker"],
        series=event["series_id"],
        title=event["title"],
        category=category,
        exclusive=at_most_one_wins(event["mutually_exclusive"], event["collateral_return_type"]),
        fee_type=override or event["series__fee_type"],
        fee_multiplier_e6=event["series__fee_multiplier_e6"] if multiplier is None else multiplier,
        shards=tuple(sorted({m["exchange_index"] for m in markets} | {event["exchange_index"]})),
        oddity=unread or next((odd for m in markets if (odd := _oddity(m))), ""),
        closes_ms=closes_ms,
        over_ms=over_ms,
        ends_ms=min((t for t in (closes_ms, over_ms) if t is not None), default=None),
        volume=event["volume"],
        open_interest=event["open_interest"],
        rules_hash=event.get("rules_hash", ""),
        certified=certificate is not None and certificate["one_must_win"],
        certificate_id=None if certificate is None else certificate["pk"],
        outcomes=tuple(_outcome(m, deep) for m in markets),
        grade=Grade.CONDITIONAL if certificate is None else certificate["grade"],
        states=certificate["states"] if certificate is not None and deep else None,
        discretion=certificate["residual"] if certificate is not None and deep else (),
        late_ms=(late or {}).get(event["series_id"], 0),
        power=power_of(powers, category, closes_ms, clock.now_ms()),
    )


def _judged(ticker: str, certificate: Row, deep: bool) -> tuple[dict[str, Any] | None, str]:
    """The certificate with its grade and (deep) states as values, or None and what is wrong with what is stored."""
    try:
        read = {**certificate, "grade": Grade(certificate["grade"])}
        if deep:
            read |= {"states": StateList.from_json(certificate["states"]), "residual": tuple(certificate["residual"])}
    except (ValueError, TypeError) as error:
        log.error("the certificate of %s cannot be read: %s", ticker, error)
        return None, f"its certificate cannot be read: {error}"
    return read, ""


def _apply_fee_changes(event: dict[str, Any], changes: Sequence[FeeChange]) -> None:
    for change in changes:
        if change.event_ticker == event["ticker"]:
            event["fee_type_override"] = change.fee_type
            event["fee_multiplier_override_e6"] = change.fee_multiplier_e6
        elif change.series_id == event["series_id"] and not change.event_ticker:
            event["series__fee_type"] = change.fee_type
            event["series__fee_multiplier_e6"] = -1 if change.fee_multiplier_e6 is None else change.fee_multiplier_e6


def _outcome(m: Row, deep: bool) -> Outcome:
    bands = _bands(tuple(tuple(band) for band in m["price_bands"])) if deep else ()
    return Outcome(
        m["ticker"],
        m["yes_sub_title"],
        m["status"],
        m["yes_bid"],
        m["yes_bid_size"],
        m["yes_ask"],
        m["yes_ask_size"],
        bands,
    )


@lru_cache(maxsize=256)
def _bands(bands: tuple[tuple[Price, ...], ...]) -> tuple[PriceBand, ...]:
    """Few markets have a price grid of their own."""
    return tuple(PriceBand(*band) for band in bands)


def _oddity(m: Row) -> str:
    if m["market_type"] != "binary":
        return f"{m['market_type']} market"
    if m["is_provisional"]:
        return "provisional market"
    if m["notional_e6"] != DOLLAR:
        return f"notional {m['notional_e6'] / DOLLAR:g} dollar"
    bounds = m["settlement_bounds"]
    return "" if bounds in ("", "default") else f"settlement bounds: {bounds}"


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)
