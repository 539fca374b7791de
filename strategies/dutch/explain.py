"""A basket or a refusal in words, with its arithmetic: plain lines for a terminal, the admin or a log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kalbot.common.units import format_count, format_price
from markets.terms.grades import Grade, grade_of
from markets.terms.special_settlements import residual
from strategies.dutch.basket import Basket, Found, Kind, Outcome, Refused
from strategies.dutch.refusal import dollars
from strategies.reasons import Reason

KIND_WORDS = {
    Kind.ALL_YES: "YES on every outcome",
    Kind.ALL_NO: "NO on several outcomes",
    Kind.COVERAGE: "YES on some outcomes",
    Kind.FAMILY: "legs of several events on one value",
}


def explain(
    outcome: Outcome,
    names: Mapping[str, str] | None = None,
    *,
    cap: Grade = Grade.CONDITIONAL,
    discretion: Sequence[str] = (),
) -> list[str]:
    """The outcome of a search, one line each. ``names``: ticker -> outcome name, beyond those the legs carry. ``cap``: the best grade
    that the event's certificate allows. ``discretion``: sentences of its rules or terms that name the exchange's discretion."""
    if isinstance(outcome, Found):
        return explain_basket(outcome.basket, names, cap, discretion)
    return explain_refusal(outcome, names, cap, discretion)


def explain_basket(
    basket: Basket,
    names: Mapping[str, str] | None = None,
    cap: Grade = Grade.CONDITIONAL,
    discretion: Sequence[str] = (),
) -> list[str]:
    """Legs, cost, every way the event can settle, what is promised about it, and what the exchange may do besides."""
    names = {**{leg.ticker: leg.name for leg in basket.legs if leg.name}, **(names or {})}
    title = f"{KIND_WORDS[basket.kind]}: {len(basket.legs)} legs x {format_count(basket.count)} contracts"
    lines = [f"{basket.event_ticker}: {title}" if basket.event_ticker else title]
    lines += [
        f"  buy {format_count(leg.count)} {leg.side.upper()} {_named(leg.ticker, names)} at {format_price(leg.limit_price)} "
        f"or better: {dollars(leg.price_paid)} + fees {dollars(leg.fees)}"
        for leg in basket.legs
    ]
    price = basket.cost - basket.fees
    lines.append(f"Cost: {dollars(price)} + fees {dollars(basket.fees)} = {dollars(basket.cost)}")
    lines.append(f"If every leg fills at its limit: {dollars(basket.cost_at_limits)}")
    lines += _settlements(basket, names)
    lines += _verdict(basket, cap)
    lines.append(residual(basket.event_ticker, discretion))
    return lines


def _settlements(basket: Basket, names: Mapping[str, str]) -> list[str]:
    by_result: dict[int, list[str]] = {}
    for state, paid in basket.payoff:
        by_result.setdefault(int(paid), []).append(state.words(names))
    lines = ["What it pays:"]
    for pays, states in sorted(by_result.items()):
        shown = "; ".join(states) if len(states) <= 8 else f"{'; '.join(states[:6])}; and {len(states) - 6} more"
        lines.append(f"  {dollars(pays)} ({_signed(pays - basket.cost)}) if {shown}")
    return lines


def _verdict(basket: Basket, cap: Grade) -> list[str]:
    lines = [
        f"Floor: {dollars(basket.floor)}, the least over every settlement its rules name ({basket.worst_state.words()})"
    ]
    grade = grade_of(basket.floor, basket.cost, basket.fee_bound, cap)
    if basket.guaranteed:
        lines.append(
            f"{grade.label.capitalize()}: floor {dollars(basket.floor)} - cost {dollars(basket.cost)} = "
            f"{_signed(basket.floor - basket.cost)}"
            f", a margin of {basket.margin_ppm / 10_000:.4f} %; {_signed(basket.floor - basket.cost - basket.fee_bound)} "
            "after the fee bound"
        )
    else:
        label = grade.label.capitalize()
        covered = "" if basket.coverage is None else f", which live prices give {basket.coverage:.4f}"
        if basket.kind is Kind.COVERAGE:
            lines.append(f"{label}: it pays {dollars(basket.conditional)} if a covered outcome wins{covered}.")
        elif basket.floor > basket.cost:
            lines.append(f"{label}: its floor exceeds the cost, but not by the fee bound.")
        elif basket.pays > basket.cost:
            least = "where one value decides" if basket.kind is Kind.FAMILY else "where one outcome alone wins"
            lines.append(f"{label}: it pays {dollars(basket.pays)} {least}.")
        else:
            lines.append(f"{label}.")
        lines.append(_worst(basket))
    if basket.expected is not None:
        lines.append(f"Expected payoff by live prices: {dollars(round(basket.expected))} (an estimate)")
    if basket.annualised_ppm is not None and basket.days_to_settlement is not None:
        days, rate = basket.days_to_settlement, f"{basket.annualised_ppm / 10_000:.2f} % a year, simple"
        lines.append(f"Locked for {days:.1f} days: {rate}" if days >= 1 else f"Locked for {days * 24:.1f} hours")
    if basket.fee_bound:
        lines.append(
            f"Fee bound: fees assume one fill a price level; filled in pieces they may be up to {dollars(basket.fee_bound)} more."
        )
    if basket.gap:
        lines.append(f"The best basket could earn at most {dollars(basket.gap)} more; this one is not proven to be it.")
    return lines


def _worst(basket: Basket) -> str:
    """What a basket that is not guaranteed can lose, and by what: a settlement, or fees alone."""
    if basket.floor > basket.cost:
        lost = basket.cost + basket.fee_bound - basket.floor
        return f"At worst it loses {dollars(lost)}: fees are the highest that they can be."
    return f"At worst it loses {dollars(basket.cost - basket.floor)}: {basket.worst_state.words()}."


def explain_refusal(
    refused: Refused,
    names: Mapping[str, str] | None = None,
    cap: Grade = Grade.CONDITIONAL,
    discretion: Sequence[str] = (),
) -> list[str]:
    """The binding constraint, how far away it is, what would change it, and the nearest basket."""
    what = f" ({KIND_WORDS[refused.kind]})" if refused.kind else ""
    lines = [f"Not bought{what}: {refused.constraint}. {refused.sentence}"]
    if refused.unit != "flag":
        lines.append(
            f"{_in_unit(refused.value, refused.unit)} against {_in_unit(refused.limit, refused.unit)}: "
            f"{_in_unit(refused.distance, refused.unit)} away"
        )
    flip = refused.flip
    if flip is not None:
        if flip.ticker is not None and flip.price is not None and flip.to is not None and flip.side is not None:
            lines.append(
                f"It would pass if {flip.side.upper()} of {_named(flip.ticker, names or {})} were offered at "
                f"{format_price(flip.to)} instead of {format_price(flip.price)}."
            )
        else:
            lines.append(
                f"No single leg can turn it; together the prices would have to fall by {format_price(flip.amount)}."
            )
    if refused.tickers and refused.constraint is not Reason.PRICE:
        lines.append(f"Concerns {', '.join(_named(t, names or {}) for t in refused.tickers[:8])}")
    if refused.nearest is not None:
        lines.append("The nearest basket:")
        lines += [f"  {line}" for line in explain_basket(refused.nearest, names, cap, discretion)]
    return lines


def _named(ticker: str, names: Mapping[str, str]) -> str:
    name = names.get(ticker)
    return f"{name} ({ticker})" if name else ticker


def _signed(money: int) -> str:
    return f"+{dollars(money)}" if money > 0 else dollars(money)


def _in_unit(number: float, unit: str) -> str:
    if unit == "money":
        return dollars(int(number))
    if unit == "price":
        return f"${number / 10_000:.6f} a set"
    if unit == "ppm":
        return f"{number / 10_000:.4f} %"
    if unit == "count":
        return f"{format_count(int(number))} contracts"
    return f"{number:g} {unit}"
