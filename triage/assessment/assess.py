"""The assessment of one position: sell now against hold, and what that advises. Pure; numbers that a person can check.

The rule of advice:

1. nothing is advised on prices that cannot be used; then the strongest word is *watch*;
2. **exit** if the sale brings at least what any remaining settlement could pay (``sell_beats_every_outcome``);
3. **exit** if the sale beats the expected value of holding by a margin, by market prices (``sell_beats_hold``) or by
   a source that has an opinion (``source_sell_beats_hold``); where more than a third would be left behind it is no exit: *watch*;
4. **exit** if the reason to hold is gone (a *broken* signal) and leaving costs at most a small share of the holding's value; NO legs
   alone, which were better held on the record, only where leaving costs nothing;
5. **watch** on any other signal that asks for a person; else **hold**.

Rule 4's share and rule 3's margin are plain constants of ``Thresholds``: naive, visible, and scored after settlement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kalbot.common.units import PPM, Money
from markets.terms.states import State, StateKind, StateList
from strategies.dutch.coverage import probabilities as devig
from strategies.dutch.payoff import Payoff, floor_of, settlement_states
from triage.assessment.case import DAY_MS, NOTHING, Case, Holding, Thresholds, View, Word
from triage.assessment.leg_record import held_by_default
from triage.assessment.price_signals import gain_signal, priced_signals, verdict_known
from triage.assessment.signals import Severity, Signal, market_signals
from triage.assessment.valuation import Sale, break_even, condition, expected, pays, sell, still_possible


@dataclass(frozen=True, slots=True)
class Assessed:
    """The numbers and the advice. ``None`` means unknown, never zero."""

    advice: Word
    signals: tuple[Signal, ...]
    sale: Sale | None
    market: Holding | None
    views: tuple[Holding, ...]
    floor: Money
    best: Money
    break_even: float | None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    days_left: float | None = None
    annualised_ppm: int | None = None

    @property
    def can_leave(self) -> bool:
        """Everything that is worth anything can be sold now."""
        if self.sale is None:
            return False
        return not self.sale.residual or (self.market is not None and self.market.sells_in_full)


def assess(case: Case, views: tuple[View, ...] | None = None, flags: tuple[Signal, ...] = ()) -> Assessed:
    """Assess one position, with ``views`` instead of the case's own where given, and ``flags`` besides what is found here. Never raises
    on missing data: what is missing is absent from the answer."""
    states = open_states(case)
    vector = pays(case.legs, states)
    good = _good(case, vector)
    usable = case.now.price_problem is None and case.fees is not None
    sale = sell(case.legs, case.books, case.fees, case.now.untradable) if usable and case.fees else None
    beliefs = market_belief(case) if usable else None
    rest = pays(sale.residual, states) if sale and sale.residual else None
    held = _Held(vector, rest, good, sale)
    market = held.worth_to("market", beliefs, case.now.price_age_ms) if beliefs else None
    outside = tuple(_views(case, case.views if views is None else views, held))
    floor, best = floor_of(vector), Money(max((p for _, p in vector), default=0))
    line = break_even(vector, good, beliefs or {}, sale.proceeds) if sale else None
    found = [*market_signals(case.legs, case.kind, case.entry, case.now, case.now_ms)]
    found += priced_signals(case, sale, market, floor, best)
    found += [s for holding in outside for s in gain_signal(case, holding, "source_sell_beats_hold")]
    found += [*verdict_known(case, best), *flags]
    days = None if case.settles_ms is None else max(0.0, (case.settles_ms - case.now_ms) / DAY_MS)
    return Assessed(
        advise(found, sale, market, case.thresholds),
        tuple(sorted(found, key=lambda s: -s.severity)),
        sale,
        market,
        outside,
        floor,
        best,
        line,
        beliefs or {},
        days,
        annualised(sale, market, days),
    )


def open_states(case: Case) -> StateList:
    """The states in which the event, or the events of the basket, can still settle."""
    if case.states is not None:
        return still_possible(case.states, case.now.results)
    known = case.shared.get("states")
    if known is None or known[0] is not case.now or known[1] is not case.terms:
        tickers = [o.ticker for o in case.now.outcomes]
        every = settlement_states(tickers, certified=case.now.certified, terms=case.terms)
        known = case.shared["states"] = case.now, case.terms, still_possible(every, case.now.results)
    found: StateList = known[2]
    return found


def _good(case: Case, vector: Payoff) -> frozenset[State]:
    """The states the basket was bought for: a covered outcome wins, or (other kinds) the cost comes back."""
    if case.kind == "coverage":
        covered = {leg.ticker for leg in case.legs if leg.side.value == "yes"}
        return frozenset(s for s, _ in vector if s.kind is StateKind.WINNER and s.among[0] in covered)
    return frozenset(state for state, money in vector if money >= case.cost)


def market_belief(case: Case) -> dict[str, float] | None:
    """De-vigged probabilities of the outcomes that are still open; None if one of them has no price, and for a basket across events, whose
    outcomes do not exclude each other."""
    if case.states is not None:
        return None
    known = case.shared.get("belief")
    if known is None or known[0] is not case.now or known[1] is not case.books:
        known = case.shared["belief"] = case.now, case.books, _belief(case)
    found: dict[str, float] | None = known[2]
    return found


def _belief(case: Case) -> dict[str, float] | None:
    results = case.now.results
    if "yes" in results.values():
        return condition({o.ticker: 0.0 for o in case.now.outcomes}, results)
    open_tickers = [o.ticker for o in case.now.outcomes if o.ticker not in results]
    if not open_tickers or any(ticker not in case.books for ticker in open_tickers):
        return None
    found = devig({ticker: case.books[ticker] for ticker in open_tickers}, certified=case.now.certified)
    return None if found is None else {**found, **dict.fromkeys(results, 0.0)}


@dataclass(frozen=True, slots=True)
class _Held:
    """What is held as numbers: what it pays in each state, what the unsold rest pays, the states it was bought for, the sale."""

    vector: Payoff
    rest: Payoff | None
    good: frozenset[State]
    sale: Sale | None

    def worth_to(self, source: str, beliefs: Mapping[str, float], age_ms: int | None) -> Holding:
        worth = expected(self.vector, beliefs)
        unsold = expected(self.rest, beliefs) if self.rest is not None else NOTHING
        sells = self.sale is not None and any(leg.sold for leg in self.sale.legs)
        gain = Money(self.sale.proceeds + unsold - worth) if self.sale is not None and sells else None
        named = sum(beliefs.get(s.among[0], 0.0) for s in self.good if s.kind is StateKind.WINNER)
        nobody = max(0.0, 1.0 - sum(beliefs.values())) if any(s.kind is StateKind.NONE for s in self.good) else 0.0
        return Holding(source, worth, min(1.0, named + nobody), gain, age_ms, unsold)


def _views(case: Case, views: tuple[View, ...], held: _Held) -> list[Holding]:
    listed = {o.ticker for o in case.now.outcomes}
    found = []
    for view in views:
        beliefs = condition(view.probabilities, case.now.results) if view.probabilities.keys() == listed else None
        if beliefs is not None:
            found.append(held.worth_to(view.source, beliefs, view.age_ms))
    return found


def advise(signals: list[Signal], sale: Sale | None, market: Holding | None, lines: Thresholds) -> Word:
    """The rule in the module's text, points 1 to 5."""
    worst = max((s.severity for s in signals), default=Severity.INFO)
    if worst is Severity.EXIT:
        return "exit"
    if worst is Severity.BROKEN and is_cheap_to_leave(sale, market, lines):
        return "exit"
    return "watch" if worst >= Severity.WATCH else "hold"


def word_of(signal: Signal, result: Assessed, lines: Thresholds) -> Word:
    """What one reason alone advises."""
    if signal.severity is Severity.EXIT:
        return "exit"
    cheap = is_cheap_to_leave(result.sale, result.market, lines)
    return "exit" if signal.severity is Severity.BROKEN and cheap else "watch"


def is_cheap_to_leave(sale: Sale | None, market: Holding | None, lines: Thresholds) -> bool:
    """Whether selling costs at most ``leave_cost_ppm`` of what holding is worth. Legs that were better held on the record
    (``leg_record``) are never left at a cost."""
    if sale is None or market is None or market.gain is None:
        return False
    if market.gain < 0 and held_by_default(s.leg for s in sale.legs) is not None:
        return False
    return -market.gain * PPM <= market.worth * lines.leave_cost_ppm


def annualised(sale: Sale | None, market: Holding | None, days: float | None) -> int | None:
    """What holding earns a year on the cash that selling would free, in millionths; None if it is unknown.

    The days are capital saved by selling; a basket an hour from settlement counts as an hour."""
    if sale is None or market is None or market.gain is None or days is None or sale.proceeds <= 0:
        return None
    return int(-market.gain * PPM / sale.proceeds * 365 / max(days, 1 / 24))
