"""Refusals: one binding constraint each, with its value, the limit and the distance, in stated units.

Checked in this order, and the first that fails binds: structure of the event, prices, size (depth and money limits),
profit, margin, annualised margin, expectation, void. A refusal that comes later in the order was nearer to passing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kalbot.common.units import DOLLAR_PRICE, PPM, format_count, format_money
from markets.terms.states import StateKind
from strategies.dutch.basket import YEAR_DAYS, Basket, Kind, LegMarket, Limits, Refused
from strategies.dutch.curve import E14, Curve
from strategies.dutch.event import LEAST_DAYS, least_margin_ppm
from strategies.dutch.sizing import Bounds, first_count
from strategies.reasons import Reason

RANK = (
    Reason.NO_KINDS,
    Reason.NO_LEGS,
    Reason.DUPLICATE_LEG,
    Reason.TOO_FEW_LEGS,
    Reason.NOT_EXCLUSIVE,
    Reason.NO_PRICE,
    Reason.NO_ASK,
    Reason.COVERAGE,
    Reason.PRICE,
    Reason.MAX_LEGS,
    Reason.DEPTH,
    Reason.MAX_COUNT,
    Reason.MAX_COST_PER_LEG,
    Reason.MAX_COST,
    Reason.MIN_PROFIT,
    Reason.MIN_MARGIN,
    Reason.MIN_ANNUALISED,
    Reason.MIN_EXPECTED_MARGIN,
    Reason.FEE_BOUND,
    Reason.SETTLEMENT_STATE,
    Reason.VOID,
    Reason.NOT_CERTIFIED,
    Reason.UNDECIDED,
)
"""Constraint codes from the furthest to the nearest to passing."""


def dollars(money: int) -> str:
    """Money with its sign and a dollar sign: ``-$0.05``."""
    return f"-${format_money(-money)}" if money < 0 else f"${format_money(money)}"


def furthest(refusals: Sequence[Refused]) -> Refused:
    """The refusal of the kind that came nearest to passing; within a constraint the smallest relative distance."""
    if not refusals:
        return Refused(Reason.NO_KINDS, "The profile allows no kind of basket.")
    return max(refusals, key=lambda r: (RANK.index(r.constraint), -r.distance / max(abs(r.limit), 1e-9)))


def refuse_structure(legs: Sequence[LegMarket], exclusive: bool, rules: Limits) -> Refused | None:
    """What forbids every kind at once."""
    if not rules.kinds:
        return Refused(Reason.NO_KINDS, "The profile allows no kind of basket.")
    if not legs:
        return Refused(Reason.NO_LEGS, "The event lists no outcome.", "legs", 0, 2, 2)
    tickers = [leg.ticker for leg in legs]
    twice = (
        tuple(sorted({ticker for ticker in tickers if tickers.count(ticker) > 1}))
        if len(set(tickers)) != len(tickers)
        else ()
    )
    if twice:
        return Refused(
            Reason.DUPLICATE_LEG,
            "An outcome is listed twice.",
            "legs",
            len(tickers),
            len(set(tickers)),
            len(tickers) - len(set(tickers)),
            tickers=twice,
        )
    if len(legs) < 2:
        return Refused(Reason.TOO_FEW_LEGS, "A basket needs two outcomes; the event lists one.", "legs", 1, 2, 1)
    if not exclusive:
        return Refused(
            Reason.NOT_EXCLUSIVE,
            "Several outcomes of this event can win, or all can lose: its legs do not hedge each other.",
            "flag",
            0,
            1,
            1,
        )
    return None


def refuse_price(kind: Kind, chosen: Sequence[Curve], cost_e14: int, limit_e14: int) -> Refused:
    """The best prices with model fees already add up to what the basket pays, or more."""
    value, limit = cost_e14 / E14, limit_e14 / E14
    return Refused(
        Reason.PRICE,
        f"{len(chosen)} legs cost {value / DOLLAR_PRICE:.4f} a set at the best prices with fees and pay "
        f"{limit / DOLLAR_PRICE:.4f}.",
        "price",
        value,
        limit,
        value - limit,
        kind,
        tickers=tuple(curve.ticker for curve in chosen),
    )


def refuse_asks(kind: Kind, curves: Sequence[Curve], needed: int) -> Refused:
    """Too few outcomes with an ask on the side that is bought."""
    missing = tuple(curve.ticker for curve in curves if not curve.bids)
    priced = len(curves) - len(missing)
    what = "YES on every outcome needs an ask for each" if kind is Kind.ALL_YES else "NO needs two outcomes with an ask"
    return Refused(
        Reason.NO_ASK,
        f"{what}; {priced} of {len(curves)} have one.",
        "legs",
        priced,
        needed,
        needed - priced,
        kind,
        tickers=missing,
    )


def refuse_legs(kind: Kind, legs: int, most: int) -> Refused:
    """The basket takes more orders than the account can send and, if one fails, unwind."""
    return Refused(
        Reason.MAX_LEGS,
        f"It takes {legs} orders; {most} can be sent and unwound at the account's write rate.",
        "legs",
        legs,
        most,
        legs - most,
        kind,
    )


def refuse_coverage(curves: Sequence[Curve], chance: Mapping[str, float] | None, threshold: float) -> Refused:
    """No set of outcomes with an ask is likely enough, or their probabilities are not known."""
    if chance is None:
        return Refused(
            Reason.NO_PRICE, "An outcome has neither bid nor ask, so no probability is known.", kind=Kind.COVERAGE
        )
    reach = sum(chance[curve.ticker] for curve in curves if curve.bids)
    return Refused(
        Reason.COVERAGE,
        f"Outcomes with an ask cover {reach:.4f}, some left out; the profile asks for {threshold:.4f}.",
        "probability",
        reach,
        threshold,
        max(0.0, threshold - reach),
        Kind.COVERAGE,
    )


def refuse_size(kind: Kind, chosen: Sequence[Curve], bounds: Bounds) -> Refused:
    """No count of at least the least one fits: which limit is in the way."""
    least = first_count(bounds)
    thin = min(chosen, key=lambda curve: curve.total)
    if thin.total < least:
        return Refused(
            Reason.DEPTH,
            f"{thin.ticker} offers {format_count(thin.total)} contracts, the least basket is {format_count(least)}.",
            "count",
            thin.total,
            least,
            least - thin.total,
            kind,
            tickers=(thin.ticker,),
        )
    if bounds.max_count is not None and bounds.max_count < least:
        return Refused(
            Reason.MAX_COUNT,
            f"The profile allows {format_count(bounds.max_count)} contracts, the least basket is "
            f"{format_count(least)}.",
            "count",
            least,
            bounds.max_count,
            least - bounds.max_count,
            kind,
        )
    costs = {curve.ticker: curve.cost_at_limit(least) for curve in chosen}
    costliest = max(costs, key=lambda ticker: costs[ticker])
    if bounds.max_cost_per_leg is not None and costs[costliest] > bounds.max_cost_per_leg:
        return _money(
            Reason.MAX_COST_PER_LEG,
            f"The least leg in {costliest} costs",
            costs[costliest],
            bounds.max_cost_per_leg,
            kind,
        )
    return _money(Reason.MAX_COST, "The least basket costs", sum(costs.values()), bounds.max_cost or 0, kind)


def refuse_capital(wanted: Basket, rules: Limits) -> Refused:
    """``wanted`` would do, but costs more at its limit prices than the profile allows; smaller ones earn too little."""
    costliest = max(wanted.legs, key=lambda leg: leg.limit_price * leg.count)
    cap = rules.max_cost_per_leg
    if cap is not None and (rules.max_cost is None or wanted.cost_at_limits <= rules.max_cost):
        cost = max(costliest.cost, costliest.limit_price * costliest.count)
        return _money(
            Reason.MAX_COST_PER_LEG,
            f"The leg in {costliest.ticker} of a basket that pays costs",
            cost,
            cap,
            wanted.kind,
        )
    return _money(Reason.MAX_COST, "A basket that pays costs", wanted.cost_at_limits, rules.max_cost or 0, wanted.kind)


def _money(code: Reason, what: str, value: int, limit: int, kind: Kind) -> Refused:
    sentence = f"{what} {dollars(value)}, the profile allows {dollars(limit)}."
    return Refused(code, sentence, "money", value, limit, value - limit, kind)


def refuse_money(basket: Basket, rules: Limits) -> Refused | None:
    """The profile's demands on a basket that exists; None if it meets all of them."""
    kind, profit = basket.kind, basket.profit
    wanted = max(rules.min_profit, 1)
    if profit < wanted:
        return Refused(
            Reason.MIN_PROFIT,
            f"The best size earns {dollars(profit)}, the profile wants {dollars(wanted)}.",
            "money",
            profit,
            wanted,
            wanted - profit,
            kind,
            basket,
        )
    at_limits = basket.pays - basket.cost_at_limits
    if at_limits < 0 or at_limits * PPM < rules.min_margin_ppm * basket.cost_at_limits:
        margin = basket.margin_at_limits_ppm
        return _ppm(
            Reason.MIN_MARGIN, "If every leg fills at its limit the margin is", margin, rules.min_margin_ppm, basket
        )
    if rules.min_annualised_ppm is not None:
        if basket.days_to_settlement is None:
            return Refused(
                Reason.MIN_ANNUALISED,
                "Nobody knows when it settles, and the profile wants a yearly return.",
                "flag",
                0,
                1,
                1,
                kind,
                basket,
            )
        if at_limits * PPM < least_margin_ppm(rules) * basket.cost_at_limits:
            yearly = int(basket.margin_at_limits_ppm * YEAR_DAYS / max(basket.days_to_settlement, LEAST_DAYS))
            return _ppm(Reason.MIN_ANNUALISED, "A year of such baskets earns", yearly, rules.min_annualised_ppm, basket)
    if kind is Kind.COVERAGE:
        expected = int(((basket.expected or 0.0) - basket.cost_at_limits) * PPM // basket.cost_at_limits)
        if expected < rules.min_expected_margin_ppm:
            return _ppm(
                Reason.MIN_EXPECTED_MARGIN, "The expected margin is", expected, rules.min_expected_margin_ppm, basket
            )
        return None
    if basket.floor > basket.cost and not basket.guaranteed:
        return Refused(
            Reason.FEE_BOUND,
            f"It earns {dollars(basket.profit)}, but fees may be {dollars(basket.fee_bound)} more if its legs fill in pieces.",
            "money",
            basket.floor - basket.cost,
            basket.fee_bound,
            basket.fee_bound - (basket.floor - basket.cost),
            kind,
            basket,
        )
    if not basket.guaranteed:
        worst = basket.worst_state
        return Refused(
            Reason.VOID if worst.kind is StateKind.VOID else Reason.SETTLEMENT_STATE,
            f"Its rules allow a settlement in which the basket pays {dollars(basket.floor)}: {worst.words()}.",
            "money",
            basket.floor,
            basket.cost,
            basket.cost - basket.floor,
            kind,
            basket,
        )
    return None


def _ppm(code: Reason, what: str, value: int, limit: int, basket: Basket) -> Refused:
    sentence = f"{what} {value / 10_000:.4f} %, the profile wants {limit / 10_000:.4f} %."
    return Refused(code, sentence, "ppm", value, limit, limit - value, basket.kind, basket)
