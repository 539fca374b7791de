"""What is wrong with a profile across its fields, in words that a person understands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from zoneinfo import ZoneInfo

from kalbot.common.units import PPM, format_count, format_money
from strategies.models import Kind, Mode, Profile
from strategies.profiles import blackout, contradictions

Problem = tuple[str, str]


def problems(profile: Profile) -> dict[str, str]:
    """field -> the first sentence about it; empty when the profile makes sense. Reads no other rows but ``shadow_of``."""
    found: dict[str, str] = {}
    for name, sentence in every(profile):
        found.setdefault(name, sentence)
    return found


def every(profile: Profile) -> list[Problem]:
    """(field, sentence) of all that is wrong, the first one of a field first."""
    found = [
        one for check in (_bought, _filters, _money, _pool, _quotes, _live, _shadow, _times) for one in check(profile)
    ]
    if not dict(found).keys() & {"kinds", "plausible_margin_ppm", "count_step"}:  # of these the least basket is made
        found += contradictions.problems(profile)
    return found


def _bought(profile: Profile) -> Iterator[Problem]:
    kinds = profile.kinds if isinstance(profile.kinds, list) else []
    unknown = [kind for kind in kinds if kind not in Kind.values]
    if not kinds:
        yield "kinds", "Choose at least one kind of basket; a profile without one can never buy."
    elif unknown:
        yield "kinds", f"There is no kind of basket called {unknown[0]}; choose from {', '.join(Kind.values)}."
    if Kind.COVERAGE in kinds and not 0 < profile.coverage_threshold_ppm <= PPM:
        yield "coverage_threshold_ppm", "The required coverage must lie above 0 % and be at most 100 %."
    if profile.min_margin_ppm < 0:
        yield "min_margin_ppm", "A margin below zero would buy baskets that lose money even when they win."
    if profile.min_profit < 0:
        yield "min_profit", "A profit below zero would buy baskets that lose money even when they win."
    if profile.min_expected_margin_ppm <= -PPM:
        yield "min_expected_margin_ppm", "An expected loss of all that is paid is no bet; ask for more than -100 %."
    if profile.min_annualised_ppm < 0:
        yield "min_annualised_ppm", "The least return a year cannot be below zero; 0 means that none is required."
    if not 0 < profile.plausible_margin_ppm <= PPM:
        yield "plausible_margin_ppm", "A margin that needs no person's approval lies above 0 % and is at most 100 %."
    if profile.count_step < 1:
        yield "count_step", "Sizes grow in steps of at least 0.01 contract."
    for name in ("watch_margin_ppm", "near_miss_ppm"):
        if getattr(profile, name) > PPM:
            yield name, "More than 100 % away is not close; choose a smaller share."


def _filters(profile: Profile) -> Iterator[Problem]:
    if profile.min_outcomes < 2:
        yield "min_outcomes", "A basket needs at least two outcomes."
    if profile.max_outcomes < profile.min_outcomes:
        yield (
            "max_outcomes",
            f"At most {profile.max_outcomes} and at least {profile.min_outcomes} outcomes leave no event.",
        )
    for name in ("min_volume", "min_open_interest", "min_depth"):
        if getattr(profile, name) < 0:
            yield name, "A least amount cannot be below zero."
    for name in ("categories", "series_include", "series_exclude"):
        listed = getattr(profile, name)
        if not isinstance(listed, list) or any(not isinstance(item, str) or not item.strip() for item in listed):
            yield name, "Give a list of names, or leave it empty."
            return
    both = {name.upper() for name in profile.series_include} & {name.upper() for name in profile.series_exclude}
    if both:
        yield "series_exclude", f"{min(both)} is both included and excluded."
    if profile.max_days_to_close <= 0:
        yield "max_days_to_close", "Events that are over already cannot be traded; allow more than 0 days."
    elif profile.min_seconds_to_close >= profile.max_days_to_close * 86_400:
        yield (
            "min_seconds_to_close",
            f"Nothing closes later than {profile.min_seconds_to_close} s and within the days allowed.",
        )


def _money(profile: Profile) -> Iterator[Problem]:
    if profile.capital <= 0:
        yield "capital", "A profile needs capital to buy anything."
    most = profile.capital + max(0, profile.borrow_up_to)
    for name, what in (
        ("max_per_event", "one event"),
        ("max_per_position", "one position"),
        ("max_per_leg", "one leg"),
    ):
        limit = getattr(profile, name)
        if limit <= 0:
            yield name, f"With nothing allowed in {what} the profile can never buy."
        elif limit > most > 0:
            owned = "capital and what it may borrow, together" if profile.borrow_up_to > 0 else "capital of"
            yield name, f"${format_money(limit)} in {what} is more than the {owned} ${format_money(most)}."
    if profile.max_per_position > profile.max_per_event > 0:
        yield (
            "max_per_position",
            f"A position lies in one event, which may hold ${format_money(profile.max_per_event)} at most.",
        )
    if 0 < profile.max_per_position <= profile.min_profit:
        yield "min_profit", f"No basket of at most ${format_money(profile.max_per_position)} earns that much."
    if profile.max_open_positions < 1:
        yield "max_open_positions", "With no position allowed the profile can never buy."
    if profile.leg_risk_budget < 0:
        yield "leg_risk_budget", "The most that an unwind may cost cannot be below zero."
    for name in ("max_daily_loss", "max_drawdown"):
        if getattr(profile, name) <= 0:
            yield name, "A limit of zero would stop the profile before its first basket."
    smallest = max(profile.count_step, profile.min_depth)
    if profile.max_per_position > 0 and smallest * 100 > profile.max_per_position:
        yield "count_step", f"Even {format_count(smallest)} contracts at 1 cent a leg cost more than one position may."


def _pool(profile: Profile) -> Iterator[Problem]:
    if profile.profits == Profile.Profits.SWEEP and profile.sweep_above < profile.capital:
        yield "sweep_above", f"Its own ${format_money(profile.capital)} would be taken out; sweep above that or more."
    if profile.lend_above is not None and profile.lend_above < 0:
        yield "lend_above", "What is kept back cannot be below zero; leave it empty to lend nothing."
    if profile.borrow_up_to < 0:
        yield "borrow_up_to", "Nobody can owe less than nothing; 0 means that it borrows nothing."
    if profile.shadow_of_id is not None and (profile.borrow_up_to or profile.lend_above is not None):
        yield "borrow_up_to", "A shadow has the money that its live profile has; it neither lends nor borrows."


def _quotes(profile: Profile) -> Iterator[Problem]:
    if profile.quoting == Profile.Quoting.NONE:
        return
    kinds = profile.kinds or []
    if profile.quote_families and Kind.FAMILY not in kinds:
        yield "quote_families", f"A leg of a family buys “{Kind.FAMILY.label}”, which is not among the kinds of basket."
    across_alone = profile.quote_families and not {Kind.ALL_NO, Kind.ALL_YES} & set(kinds)
    for side, kind in _KIND_OF_SIDE.items():
        if profile.quote_sides in (side, Profile.QuoteSides.BOTH) and kind not in kinds and not across_alone:
            yield "quote_sides", f"Quoting {side.upper()} buys “{kind.label}”, which is not among the kinds of basket."
    if profile.quote_min_margin_ppm < profile.min_margin_ppm:
        yield (
            "quote_min_margin_ppm",
            "A quote that fills must keep at least the margin of the baskets that are taken: its legs are taken, too.",
        )
    if not 0 < profile.quote_min_margin_ppm <= PPM:
        yield "quote_min_margin_ppm", "The margin of a quote lies above 0 % and is at most 100 %."
    if profile.quote_count < max(1, profile.count_step):
        yield "quote_count", "Quote at least one step of the size."
    if profile.max_quotes < 1:
        yield "max_quotes", "With no quote allowed nothing can rest; choose to rest nothing instead."
    if profile.orphan_budget <= 0:
        yield "orphan_budget", "A quote may always fill alone; with no budget for that nothing can rest."
    elif profile.orphan_budget_day < profile.orphan_budget:
        yield "orphan_budget_day", "The budget of a day is at least that of one event."


_KIND_OF_SIDE: Final = {Profile.QuoteSides.NO: Kind.ALL_NO, Profile.QuoteSides.YES: Kind.ALL_YES}


def _live(profile: Profile) -> Iterator[Problem]:
    if profile.mode not in Mode.values:
        yield "mode", f"The mode is one of {', '.join(Mode.values)}."
    if profile.subaccount is not None and profile.mode != Mode.LIVE:
        yield "subaccount", "Only a live profile has a subaccount on the exchange."
    if profile.max_orders_per_minute < max(2, profile.min_outcomes):
        yield (
            "max_orders_per_minute",
            "A basket needs an order a leg; with fewer a minute none could ever be completed.",
        )


def _shadow(profile: Profile) -> Iterator[Problem]:
    live = profile.shadow_of
    if live is None:
        return
    if profile.mode != Mode.SIM:
        yield "mode", "A shadow trades on paper; its mode must be sim."
    if profile.pk is not None and live.pk == profile.pk:
        yield "shadow_of", "A profile cannot be its own shadow."
    elif live.mode != Mode.LIVE or live.shadow_of_id is not None:
        yield "shadow_of", f"{live.name} is not a live profile; only those have shadows."


def _times(profile: Profile) -> Iterator[Problem]:
    if not 100 <= profile.max_price_age_ms <= 60_000:
        yield "max_price_age_ms", "The feed proves its life every few seconds; allow between 100 and 60,000 ms."
    if profile.complete_seconds > 600:
        yield "complete_seconds", "A half-filled basket is a risk; complete or unwind it within 600 s."
    unreadable = blackout.problem(profile.blackout)
    if unreadable:
        yield "blackout", unreadable
    try:
        ZoneInfo(profile.day_zone)
    except (ValueError, OSError, KeyError):
        yield "day_zone", f"“{profile.day_zone}” is no time zone; write for example America/New_York."
