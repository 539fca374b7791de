"""Signals that rest on prices: what cannot be sold, what selling gains, how far coverage fell, what results already decide. Pure."""

from __future__ import annotations

from kalbot.common.units import CENT, PPM, Money, format_money
from triage.assessment.case import Case, Holding
from triage.assessment.leg_record import held_by_default
from triage.assessment.signals import ENDED, Severity, Signal
from triage.assessment.valuation import Sale


def priced_signals(case: Case, sale: Sale | None, market: Holding | None, floor: Money, best: Money) -> list[Signal]:
    found: list[Signal] = []
    if sale is None:
        return found
    ended = {o.ticker for o in case.now.outcomes if o.status in ENDED or o.result}
    stuck = [s for s in sale.unsellable if s.leg.ticker not in ended]
    if stuck:
        named = "; ".join(f"{s.leg.words()} ({s.problem.replace('_', ' ')})" for s in stuck)
        severity = Severity.INFO if market is not None and market.sells_in_full else Severity.WATCH
        found.append(Signal("depth_gone", severity, f"cannot be sold in full: {named}", needs_prices=True))
    complete = not sale.residual
    if complete and sale.proceeds >= best and sale.proceeds > 0:
        words = f"selling brings ${format_money(sale.proceeds)}, no settlement pays more than ${format_money(best)}"
        found.append(Signal("sell_beats_every_outcome", Severity.EXIT, words, needs_prices=True))
    if market is not None:
        found += gain_signal(case, market, "sell_beats_hold") + _coverage_signals(case, market)
    return found


def gain_signal(case: Case, holding: Holding, code: str) -> list[Signal]:
    """Selling beats holding by the margin. Advice of a source names the source in the code, so each has its own line.

    Legs that were better held on the record (``leg_record``) are sold for more than what holding them brought besides: below it the figures
    are shown and nothing is advised."""
    lines = case.thresholds
    if holding.gain is None or holding.gain < max(lines.margin, holding.worth * lines.margin_ppm // PPM):
        return []
    words = (
        f"by {holding.source} holding is worth ${_about(holding.worth)} "
        f"(coverage {holding.coverage:.1%}); selling now brings ${_about(holding.gain)} more"
    )
    name = code if holding.source == "market" else f"{code}:{holding.source}"
    if not holding.sells_in_full:
        words += f", and what nobody bids for, worth ${_about(holding.unsold)}, stays"
    severity = Severity.EXIT if holding.leaves else Severity.WATCH
    record = held_by_default(case.legs)
    if record is not None and holding.gain < record.brought(sum(leg.count for leg in case.legs)):
        severity, words = Severity.INFO, f"{words}; {record.words()}, which is more"
    return [Signal(name[:40], severity, words, holding.source, holding.age_ms, needs_prices=True)]


def _about(money: Money) -> str:
    """An expectation in words: to the cent, for more it does not know."""
    return format_money(Money((money + CENT // 2) // CENT * CENT))


def _coverage_signals(case: Case, market: Holding) -> list[Signal]:
    if case.kind != "coverage":
        return []
    line, before = case.thresholds.coverage_line, case.entry.coverage
    if line is not None and market.coverage < line:
        words = f"coverage {market.coverage:.1%} is below the profile's line of {line:.1%}"
        return [Signal("coverage_below_line", Severity.BROKEN, words, age_ms=market.age_ms, needs_prices=True)]
    if before is not None and market.coverage < before - case.thresholds.coverage_fall:
        words = f"coverage fell from {before:.1%} at entry to {market.coverage:.1%}"
        return [Signal("coverage_falling", Severity.WATCH, words, age_ms=market.age_ms, needs_prices=True)]
    return []


def verdict_known(case: Case, best: Money) -> list[Signal]:
    """Results so far leave no settlement that returns the cost."""
    if not case.now.results or best >= case.cost:
        return []
    words = f"by the results so far it pays at most ${format_money(best)}, it cost ${format_money(case.cost)}"
    return [Signal("determined_against", Severity.BROKEN, words)]
