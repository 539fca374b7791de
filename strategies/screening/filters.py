"""The structural filters: what must be true of an event before its prices matter, in the order in which they bind.

Each filter is one row of ``FILTERS``. It answers None when the event passes, else a ``Miss``: the code, what was measured,
what is required, and how far it was from passing in millionths of the limit (None where there is no half way).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from kalbot.common.units import PPM
from markets.kalshi.vocabulary import COMBO_PREFIX, MarketStatus
from markets.terms.grades import Grade
from strategies.catalogue.universe import EventView
from strategies.models import Kind, Profile
from strategies.reasons import Reason

DAY_MS: Final = 86_400_000
EXOTIC: Final = "exotics"
_ACTIVE: Final = MarketStatus.ACTIVE.value


class Miss(NamedTuple):
    """Why an event does not pass. ``value`` and ``limit`` carry their units; ``distance_ppm`` is of the limit."""

    code: Reason
    value: str
    limit: str
    distance_ppm: int | None = None
    flip: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """A profile's filters, prepared once for thousands of events."""

    profile: Profile
    kinds: frozenset[str]
    categories: frozenset[str]
    series_in: frozenset[str]
    series_out: frozenset[str]

    @classmethod
    def of(cls, profile: Profile) -> Rules:
        """Prepare ``profile``."""
        return cls(
            profile=profile,
            kinds=frozenset(profile.kinds),
            categories=frozenset(name.casefold() for name in profile.categories),
            series_in=frozenset(name.upper() for name in profile.series_include),
            series_out=frozenset(name.upper() for name in profile.series_exclude),
        )


Check = Callable[[EventView, Rules, int], Miss | None]


def _combo(event: EventView, rules: Rules, now_ms: int) -> Miss | None:
    if event.ticker.startswith(COMBO_PREFIX) or event.category.casefold() == EXOTIC:
        return Miss(Reason.COMBO, event.category or event.ticker, "no multi-leg combos")
    return None


def _category(event: EventView, rules: Rules, now_ms: int) -> Miss | None:
    if rules.categories and event.category.casefold() not in rules.categories:
        return Miss(Reason.CATEGORY, event.category or "none", _some(rules.profile.categories))
    return None


def _series(event: EventView, rules: Rules, now_ms: int) -> Miss | None:
    of = [member.series for member in event.members] or [event.series]
    for series in of:
        if rules.series_in and series not in rules.series_in:
            return Miss(Reason.SERIES, series, _some(rules.profile.series_include))
        if series in rules.series_out:
            return Miss(Reason.SERIES, series, "not one of the excluded series")
    return None


def _kinds(event: EventView, rules: Rules, now_ms: int) -> Miss | None:
    """Across events only families are bought, and within one event never."""
    if event.members and Kind.FAMILY not in rules.kinds:
        return Miss(Reason.KINDS, "a family", "a kind of basket that the profile may buy")
    if not event.members and rules.kinds == {Kind.FAMILY}:
        return Miss(Reason.KINDS, "one event", "a kind of basket that the profile may buy")
    return None


def _exclusive(event: EventView, rules: Rules, now_ms: int) -> Miss | None:
    """Every kind of basket in one event needs it: without it several outcomes may win, or the sum of prices means nothing."""
    return (
        None
        if event.exclusive or event.members
        else Miss(Reason.EXCLUSIVE, "outcomes may win together", "at most one outcome wins")
    )


def _outcomes(event: EventView, rules: Rules, now_ms: int) -> Miss | None:
    count, least, most = len(event.outcomes), rules.profile.min_outcomes, rules.profile.max_outcomes
    if least <= count <= most:
        return None
    if count < least:
        return _below(Reason.OUTCOMES, count, least, f"{count} outcomes", f"at least {least}")
    return _above(Reason.OUTCOMES, count, most, f"{count} outcomes", f"at most {most}")


def _leg_status(event: EventView, rules: Rules, now_ms: int) -> Miss | None:
    closed = [o for o in event.outcomes if o.status != _ACTIVE]
    if closed:
        return Miss(
            Reason.LEG_STATUS, f"{len(closed)} of {len(event.outcomes)} {closed[0].status}", "every market active"
        )
    return None


def _contract(event: EventView, rules: Rules, now_ms: int) -> Miss | None:
    return Miss(Reason.CONTRACT, event.oddity, "plain binary one-dollar contracts") if event.oddity else None


def _shard(event: EventView, rules: Rules, now_ms: int) -> Miss | None:
    if len(event.shards) > 1:
        return Miss(Reason.SHARD, "shards " + ", ".join(map(str, event.shards)), "all legs on one exchange shard")
    return None


def _fee(event: EventView, rules: Rules, now_ms: int) -> Miss | None:
    if event.fee_known:
        return None
    return Miss(Reason.FEE_TYPE, event.fee_types, "a fee type whose formula is known")


def _closes(event: EventView, rules: Rules, now_ms: int) -> Miss | None:
    if event.ends_ms is None:
        return Miss(Reason.CLOSE_TIME, "unknown", "a known end")
    left, least = (event.ends_ms - now_ms) // 1000, rules.profile.min_seconds_to_close
    days, most = (event.ends_ms - now_ms) / DAY_MS, rules.profile.max_days_to_close
    if left >= least and days <= most:
        return None
    if left < least:
        shown = f"{left} s to the end" if left >= 0 else f"ended {_length(-left)} ago"
        late = _below(Reason.CLOSES_SOON, left, least, shown, f"at least {least} s")
        return None if late is None else late._replace(flip="nothing: it is too late for this event")
    return _above(Reason.CLOSES_LATE, days, most, f"{days:.2f} days to the end", f"at most {most:g} days")


def _length(seconds: int) -> str:
    """A length of time in a unit in which it is a number that people read, rounded down."""
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"


def _volume(event: EventView, rules: Rules, now_ms: int) -> Miss | None:
    least = rules.profile.min_volume
    if event.volume >= least:
        return None
    return _below(Reason.VOLUME, event.volume, least, _contracts(event.volume), f"at least {_contracts(least)}")


def _open_interest(event: EventView, rules: Rules, now_ms: int) -> Miss | None:
    held, least = event.open_interest, rules.profile.min_open_interest
    if held >= least:
        return None
    return _below(Reason.OPEN_INTEREST, held, least, _contracts(held), f"at least {_contracts(least)}")


def _certificate(event: EventView, rules: Rules, now_ms: int) -> Miss | None:
    """Binding as a filter only where nothing that the profile buys can do without one."""
    if rules.kinds == {Kind.ALL_YES} and not event.certified:
        return Miss(Reason.CERTIFICATE, "none", "a certificate that one listed outcome must win")
    if Kind.COVERAGE not in rules.kinds and not event.states_known:
        return Miss(Reason.CERTIFICATE, "none", "a certificate of the ways in which the event can settle")
    least = Grade(rules.profile.least_grade)
    if Kind.COVERAGE not in rules.kinds and not event.grade.meets(least):
        return Miss(Reason.GRADE, event.grade.label, least.label, flip="a person registers the contract terms")
    return None


FILTERS: Final[tuple[tuple[str, Check], ...]] = (
    ("combo", _combo),
    ("category", _category),
    ("series", _series),
    ("kinds", _kinds),
    ("exclusive", _exclusive),
    ("outcomes", _outcomes),
    ("contract", _contract),
    ("leg_status", _leg_status),
    ("shard", _shard),
    ("fee_type", _fee),
    ("closes", _closes),
    ("volume", _volume),
    ("open_interest", _open_interest),
    ("certificate", _certificate),
)
"""Name and check, in the order in which they bind: what the event *is* before how it trades. Prices come after."""


def misses(event: EventView, rules: Rules, now_ms: int) -> list[Miss]:
    """Every filter that the event does not pass, in binding order."""
    return [miss for _, check in FILTERS if (miss := check(event, rules, now_ms)) is not None]


def _below(code: Reason, value: float, least: float, shown: str, required: str) -> Miss | None:
    if value >= least:
        return None
    return Miss(code, shown, required, round((least - value) * PPM / least), f"{shown}: it takes {required}")


def _above(code: Reason, value: float, most: float, shown: str, required: str) -> Miss | None:
    if value <= most:
        return None
    distance = round((value - most) * PPM / most) if most > 0 else None
    return Miss(code, shown, required, distance, f"{shown}: it takes {required}")


def _contracts(count: int) -> str:
    return f"{count / 100:,.2f} contracts"


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
