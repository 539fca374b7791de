"""Refusals: one binding constraint each, with its value, the limit and the distance, in stated units.

Checked in this order, and the first that fails binds: structure of the event, prices, room (depth and money limits),
profit, margin, annualised margin, expectation, void. A refusal that comes later in the order was nearer to passing.
"""

from __future__ import annotations

from collections.abc import Sequence

from kalbot.common.units import DOLLAR_PRICE, format_count, format_money
from strategies.dutch.basket import PPM, Basket, Kind, LegMarket, Limits, Refused
from strategies.dutch.curve import E14, Curve

RANK = (
    "no_kinds", "no_legs", "duplicate_leg", "too_few_legs", "not_exclusive", "crossed_book", "no_price", "no_ask",
    "coverage", "price", "min_count", "depth", "max_count", "max_cost_per_leg", "max_cost", "min_profit", "min_margin",
    "min_annualised", "min_expected_margin", "void", "not_certified",
)  # fmt: skip
"""Constraint codes from the furthest to the nearest to passing."""


def furthest(refusals: Sequence[Refused]) -> Refused:
    """The refusal of the kind that came nearest to passing; within a constraint the smallest relative distance."""
    if not refusals:
        return Refused("no_kinds", "The profile allows no kind of basket.")
    return max(refusals, key=lambda r: (RANK.index(r.constraint), -r.distance / max(abs(r.limit), 1e-9)))


def refuse_structure(legs: Sequence[LegMarket], exclusive: bool, rules: Limits) -> Refused | None:
    """What forbids every kind at once."""
    if not rules.kinds:
        return Refused("no_kinds", "The profile allows no kind of basket.")
    if not legs:
        return Refused("no_legs", "The event lists no outcome.", "legs", 0, 2, 2)
    tickers = [leg.ticker for leg in legs]
    twice = tuple(sorted({ticker for ticker in tickers if tickers.count(ticker) > 1})) if len(
        set(tickers)) != len(tickers) else ()  # fmt: skip
    if twice:
        return Refused("duplicate_leg", "An outcome is listed twice.", "legs", len(tickers), len(set(tickers)),
                       len(tickers) - len(set(tickers)), tickers=twice)  # fmt: skip
    if len(legs) < 2:
        return Refused("too_few_legs", "A basket needs two outcomes; the event lists one.", "legs", 1, 2, 1)
    if not exclusive:
        return Refused("not_exclusive", "Several outcomes of this event can win, or all can lose: its legs do not hedge "
                       "each other.", "flag", 0, 1, 1)  # fmt: skip
    crossed = tuple(leg.ticker for leg in legs if leg.depth.is_crossed())
    if crossed:
        return Refused("crossed_book", "Best bids of one market add up to a dollar or more: the book is not to be "
                       "trusted.", "legs", len(crossed), 0, len(crossed), tickers=crossed)  # fmt: skip
    return None


def refuse_price(kind: Kind, chosen: Sequence[Curve], asked_e14: int, limit_e14: int, nearest: Basket | None) -> Refused:
    """The best prices with model fees already add up to what the basket pays, or more."""
    value, limit = asked_e14 / E14, limit_e14 / E14
    return Refused(
        "price",
        f"{len(chosen)} legs cost {value / DOLLAR_PRICE:.4f} a set at the best prices with fees and pay "
        f"{limit / DOLLAR_PRICE:.4f}.",
        "price", value, limit, value - limit, kind, nearest,
        tickers=tuple(curve.ticker for curve in chosen),
    )  # fmt: skip


def refuse_room(kind: Kind, chosen: Sequence[Curve], rules: Limits) -> Refused:
    """No count of at least the least one fits: which limit is in the way."""
    step: int = rules.count_step
    least: int = max([rules.min_count, *(curve.market.min_count for curve in chosen)])
    least = -(-least // step) * step
    thin = min(chosen, key=lambda curve: curve.total)
    if thin.total < least:
        return Refused("depth", f"{thin.ticker} offers {format_count(thin.total)} contracts, the least basket is "
                       f"{format_count(least)}.", "count", thin.total, least, least - thin.total, kind,
                       tickers=(thin.ticker,))  # fmt: skip
    if rules.max_count is not None and rules.max_count < least:
        return Refused("max_count", f"The profile allows {format_count(rules.max_count)} contracts, the least basket is "
                       f"{format_count(least)}.", "count", least, rules.max_count, least - rules.max_count, kind)  # fmt: skip
    costs = {curve.ticker: curve.cost_at_limit(least) for curve in chosen}
    dear = max(costs, key=lambda ticker: costs[ticker])
    if rules.max_cost_per_leg is not None and costs[dear] > rules.max_cost_per_leg:
        return _money("max_cost_per_leg", f"The least leg in {dear} costs", costs[dear], rules.max_cost_per_leg, kind)
    limit = rules.max_cost or 0
    return _money("max_cost", "The least basket costs", sum(costs.values()), limit, kind)


def _money(code: str, what: str, value: int, limit: int, kind: Kind) -> Refused:
    sentence = f"{what} ${format_money(value)}, the profile allows ${format_money(limit)}."
    return Refused(code, sentence, "money", value, limit, value - limit, kind)


def refuse_money(basket: Basket, rules: Limits) -> Refused | None:
    """The profile's demands on a basket that exists; None if it meets all of them."""
    kind, profit = basket.kind, basket.profit
    wanted = max(rules.min_profit, 1)
    if profit < wanted:
        return Refused("min_profit", f"The best size earns ${format_money(profit)}, the profile wants "
                       f"${format_money(wanted)}.", "money", profit, wanted, wanted - profit, kind, basket)  # fmt: skip
    at_limits = basket.pays - basket.cost_at_limits
    margin = at_limits * PPM // basket.cost_at_limits
    if at_limits * PPM < rules.min_margin_ppm * basket.cost_at_limits:
        return _ppm("min_margin", "If every leg fills at its limit the margin is", margin, rules.min_margin_ppm, basket)
    yearly = basket.annualised_ppm
    if rules.min_annualised_ppm is not None and (yearly is None or yearly < rules.min_annualised_ppm):
        return _ppm("min_annualised", "A year of such baskets earns", yearly or 0, rules.min_annualised_ppm, basket)
    if kind is Kind.COVERAGE:
        expected = int(((basket.expected or 0.0) - basket.cost) * PPM // basket.cost)
        if expected < rules.min_expected_margin_ppm:
            return _ppm("min_expected_margin", "The expected margin is", expected, rules.min_expected_margin_ppm, basket)
        return None
    if not basket.guaranteed and not rules.accept_void:
        return Refused("void", "The rules let the exchange void this event at prices of its own; then the basket may "
                       "pay nothing.", "money", basket.floor, basket.cost, basket.cost - basket.floor, kind,
                       basket)  # fmt: skip
    return None


def _ppm(code: str, what: str, value: int, limit: int, basket: Basket) -> Refused:
    sentence = f"{what} {value / 10_000:.4f} %, the profile wants {limit / 10_000:.4f} %."
    return Refused(code, sentence, "ppm", value, limit, limit - value, basket.kind, basket)
