"""What has changed in the market since a basket was bought. Pure: facts in, signals out.

Severities, weakest first:

``info``    worth knowing, changes nothing;
``watch``   something a person should check; no reason to pay for leaving;
``broken``  the reason to hold is gone: leave if leaving is cheap;
``exit``    selling is worth more than holding, by the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from triage.assessment.valuation import DECIDED, HeldLeg

MINUTE_MS: Final = 60_000
TRADING: Final = frozenset({"active", "open", ""})
"""Words of the exchange for a market that trades; an empty word means that the stream has not heard any."""
ENDED: Final = frozenset({"closed", "determined", "disputed", "amended", "finalized", "settled"})
NOT_TRADED_YET: Final = frozenset({"initialized", "unopened"})


class Severity(IntEnum):
    """How much a signal weighs. Ordered."""

    INFO = 0
    WATCH = 1
    BROKEN = 2
    EXIT = 3


@dataclass(frozen=True, slots=True)
class Signal:
    """One reason. ``source`` is ``market`` or the name of an outside source; ``age_ms`` of what it rests on."""

    code: str
    severity: Severity
    detail: str
    source: str = "market"
    age_ms: int | None = None
    needs_prices: bool = False

    def row(self) -> dict[str, object]:
        """The form kept in an assessment."""
        return {
            "code": self.code,
            "severity": self.severity.name.lower(),
            "detail": self.detail,
            "source": self.source,
            "age_ms": self.age_ms,
        }


@dataclass(frozen=True, slots=True)
class OutcomeFacts:
    """One market of the event as it is known now. Times are Unix milliseconds."""

    ticker: str
    status: str = "active"
    result: str = ""
    close_ms: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """What was true when the basket was bought, or at its first assessment.

    ``close_ms``: ticker -> close time. ``certified``: a certificate stood, so the basket counted on a listed winner.
    """

    tickers: frozenset[str]
    rules_hash: str = ""
    certified: bool = False
    coverage: float | None = None
    close_ms: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MarketFacts:
    """The event now. ``price_problem``: why its prices cannot be used (a code of ``EventPrices.usable``), or None."""

    outcomes: tuple[OutcomeFacts, ...]
    rules_hash: str = ""
    certified: bool = False
    price_problem: str | None = None
    price_age_ms: int | None = None

    @property
    def results(self) -> dict[str, str]:
        """Results known so far: ticker -> yes or no."""
        return {o.ticker: o.result for o in self.outcomes if o.result in DECIDED}

    @property
    def untradable(self) -> frozenset[str]:
        """Markets in which nothing can be sold now."""
        return frozenset(o.ticker for o in self.outcomes if o.status not in TRADING or o.result)


def market_signals(
    legs: tuple[HeldLeg, ...], kind: str, entry: EntryFacts, now: MarketFacts, now_ms: int
) -> Iterator[Signal]:
    """Feed, status, close time, rules and outcomes: everything that needs no price."""
    held = {leg.ticker: leg for leg in legs}
    if now.price_problem and not _is_over(now, held):
        yield Signal("feed_silent", Severity.WATCH, _silence(now), age_ms=now.price_age_ms)
    for outcome in now.outcomes:
        if outcome.ticker in held:
            yield from _status(held[outcome.ticker], outcome, entry, now_ms)
            yield from _close_moved(outcome, entry)
    missing = sorted(held.keys() - {o.ticker for o in now.outcomes})
    if missing:
        yield Signal("leg_gone", Severity.WATCH, f"no longer in the catalogue: {', '.join(missing)}")
    yield from _listing(kind, entry, now)


def _is_over(now: MarketFacts, held: Mapping[str, HeldLeg]) -> bool:
    return all(o.status in ENDED for o in now.outcomes if o.ticker in held)


def _silence(now: MarketFacts) -> str:
    words = {
        "dead_epoch": "the connection that brought the prices is gone",
        "stale": "no proof of life of the price feed",
        "no_book": "no order book is kept for a leg",
        "suspect": "an order book is being repaired",
        "not_active": "a leg does not trade",
        "no_side": "a leg has no bid on either side",
    }
    age = "" if now.price_age_ms is None else f", last heard {now.price_age_ms / 1000:.0f} s ago"
    return f"{words.get(now.price_problem or '', now.price_problem)}{age}: its value is unknown"


def _status(leg: HeldLeg, outcome: OutcomeFacts, entry: EntryFacts, now_ms: int) -> Iterator[Signal]:
    if outcome.result and outcome.result not in DECIDED:
        yield Signal("leg_scalar", Severity.WATCH, f"{leg.words()}: settles at a price ({outcome.result})")
    elif outcome.result and outcome.result != leg.side.value:
        yield Signal("leg_lost", Severity.INFO, f"{leg.words()}: determined {outcome.result.upper()}")
    if outcome.status in TRADING or outcome.result:
        return
    planned = entry.close_ms.get(outcome.ticker, outcome.close_ms)
    if outcome.status in ENDED:
        if planned is not None and now_ms < planned - MINUTE_MS:
            early = f"{(planned - now_ms) / MINUTE_MS:.0f} minutes before the close known at entry"
            yield Signal("leg_closed_early", Severity.WATCH, f"{leg.words()}: {outcome.status} {early}")
    elif outcome.status in ("inactive", "paused", "deactivated"):
        yield Signal("leg_paused", Severity.WATCH, f"{leg.words()}: trading is paused, nothing can be sold")
    else:
        yield Signal("leg_not_trading", Severity.WATCH, f"{leg.words()}: the exchange says {outcome.status!r}")


def _close_moved(outcome: OutcomeFacts, entry: EntryFacts) -> Iterator[Signal]:
    before = entry.close_ms.get(outcome.ticker)
    if before is None or outcome.close_ms is None or abs(outcome.close_ms - before) < MINUTE_MS:
        return
    hours = (outcome.close_ms - before) / (60 * MINUTE_MS)
    way = "later" if hours > 0 else "earlier"
    yield Signal(
        "close_moved", Severity.WATCH, f"{outcome.name or outcome.ticker} closes {abs(hours):.1f} h {way} than at entry"
    )


def _listing(kind: str, entry: EntryFacts, now: MarketFacts) -> Iterator[Signal]:
    needs_winner = entry.certified and kind != "all_no"
    added = sorted(o.name or o.ticker for o in now.outcomes if o.ticker not in entry.tickers)
    if added and entry.tickers:
        severity = Severity.INFO if kind in ("all_no", "family") else Severity.BROKEN
        yield Signal("outcome_added", severity, f"listed since entry, not in the basket: {', '.join(added)}")
    if entry.rules_hash and now.rules_hash and entry.rules_hash != now.rules_hash:
        severity = Severity.BROKEN if needs_winner and not now.certified else Severity.WATCH
        yield Signal("rules_changed", severity, "rules, strikes or the set of markets are not those of the decision")
    elif needs_winner and not now.certified:
        yield Signal(
            "certificate_void",
            Severity.BROKEN,
            "the certificate that one of the listed outcomes must win no longer stands",
        )
