"""Settings of a profile that cannot both be met: with them nothing would ever be bought, in words at the one that is easier changed.

A basket of the smallest size has a least cost, a most profit and a least number of legs; every limit must leave most_cost for it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from kalbot.common.units import PPM, format_count, format_money
from strategies.models import Kind, Profile
from strategies.profiles import blackout

Problem = tuple[str, str]
GUARANTEED: Final = frozenset({Kind.ALL_YES, Kind.ALL_NO})
YEAR: Final = 365 * 86_400
SAMPLE_WEEK: Final = datetime(2026, 1, 5, tzinfo=UTC)
"""A Monday; the pauses of any other week are the same but for daylight saving."""


def problems(profile: Profile) -> Iterator[Problem]:
    """(field, sentence) for each pair that contradicts itself. Meant for values that are sane one by one."""
    guaranteed = bool(set(profile.kinds or []) & GUARANTEED)
    if guaranteed and Kind.COVERAGE not in profile.kinds:
        yield from _margins(profile)
        yield from _least_basket(profile)
        yield from _least_profit(profile)
    yield from _cheapest_leg(profile)
    yield from _fees(profile)
    yield from _always_paused(profile)


def least_cost(profile: Profile) -> int:
    """What one step of a basket costs at least, micro-dollars: it pays a dollar a contract or more, and a margin above the plausible
    one waits for a person."""
    return profile.count_step * 10_000 * PPM // (PPM + profile.plausible_margin_ppm)


def _margins(profile: Profile) -> Iterator[Problem]:
    if profile.min_margin_ppm > profile.plausible_margin_ppm:
        yield (
            "plausible_margin_ppm",
            "Every basket with the least margin would wait for a person's approval; allow more than the least margin.",
        )
    shortest = profile.min_seconds_to_close
    if shortest and profile.min_annualised_ppm > profile.plausible_margin_ppm * YEAR // shortest:
        yield (
            "min_annualised_ppm",
            f"Locked for {shortest} s or longer, a basket with a margin that needs no approval never returns that much a year.",
        )


def _least_basket(profile: Profile) -> Iterator[Problem]:
    cost, step = least_cost(profile), format_count(profile.count_step)
    for name, what in (("max_per_position", "one position"), ("max_per_event", "one event"), ("capital", "all")):
        if 0 < getattr(profile, name) < cost:
            yield (
                "count_step",
                f"{step} contracts of a basket cost ${format_money(cost)} or more; ${format_money(getattr(profile, name))} "
                f"may be spent in {what}.",
            )
            return
    legs = min(profile.max_outcomes, profile.max_orders_per_minute)
    if 0 < profile.max_per_leg * legs < cost:
        yield "max_per_leg", f"{legs} legs of that size do not add up to {step} contracts of a basket."


def _least_profit(profile: Profile) -> Iterator[Problem]:
    """The largest basket in whole steps at the largest margin that needs no approval."""
    legs = min(profile.max_outcomes, profile.max_orders_per_minute)
    most_cost = min(profile.max_per_position, profile.max_per_event, profile.capital, profile.max_per_leg * legs)
    steps = most_cost // max(1, least_cost(profile))
    most = steps * (profile.count_step * 10_000 - least_cost(profile))
    if 0 < most < profile.min_profit:
        yield (
            "min_profit",
            f"The largest basket that these limits allow, ${format_money(most_cost)}, with a margin that needs no approval earns "
            f"${format_money(most)} at most.",
        )


def _cheapest_leg(profile: Profile) -> Iterator[Problem]:
    cheapest = profile.count_step * 100
    if 0 < profile.max_per_leg < cheapest:
        yield "max_per_leg", f"Even at 1 cent {format_count(profile.count_step)} contracts of a leg cost more."


def _fees(profile: Profile) -> Iterator[Problem]:
    if profile.leg_risk_budget == 0:
        yield (
            "leg_risk_budget",
            "Unwinding always costs something, fees at least; with nothing allowed no basket is begun.",
        )


def _always_paused(profile: Profile) -> Iterator[Problem]:
    if not profile.blackout or blackout.problem(profile.blackout):
        return
    quarters = (SAMPLE_WEEK + timedelta(minutes=15 * n) for n in range(7 * 96))
    if all(blackout.in_blackout(profile.blackout, at) for at in quarters):
        yield "blackout", "These pauses leave no time of the week in which a basket may be bought."
