"""A basket that is worth more than a resting quote, and needs the money that the quote has set aside.

A quote locks its whole price while nothing happens. Where a better basket, taken or quoted, cannot be bought with what is left of the
profile's capital, quotes that are idle give way to it by the rules for places (``quote_places``): those that have rested a while and have
bought nothing, the worst first, one at a time, and only if those that may go free enough. Nothing that is held is ever sold for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kalbot.common import clock, messages
from kalbot.common.units import dollars
from strategies.allocation.choice import HOUR, UNKNOWN_DAYS
from strategies.collateral.groups import Choices
from strategies.cycle import allocation, holdings
from strategies.cycle.candidates import Exposure
from strategies.cycle.evaluation import most_cost
from strategies.cycle.quote_places import BETTER, RESTED, expected_return, is_counted
from strategies.models import Profile
from strategies.reasons import Reason
from strategies.screening.verdict import Status, Verdict


@dataclass(frozen=True, slots=True)
class Idle:
    """A resting quote that may give way: its ``event``, what it locks (micro-dollars), what it is expected to return on that a day."""

    event: str
    locked: int
    return_a_day: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """A basket that waits for capital: at least so much (``needs``, micro-dollars), for so much a day and dollar."""

    event: str
    needs: int
    return_a_day: float
    verdict: Verdict


def return_a_day(profile: Profile, event: str, verdict: Verdict, choices: Choices | None = None) -> float:
    """What a candidate is expected to return on what it locks, a day; 0 where the verdict is none. The same measure for a basket that is
    taken and for one that is quoted. ``choices``: see ``Exposure``; a quote locks its price whatever they are."""
    if verdict.status is not Status.CANDIDATE or verdict.basket is None:
        return 0.0
    if not verdict.quote:
        return allocation.offer_of(profile, event, verdict.basket, choices).return_a_day
    days = verdict.basket.days_to_settlement
    return expected_return(verdict) / max(UNKNOWN_DAYS if days is None else days, HOUR)


def waiting(
    profile: Profile,
    verdicts: Mapping[str, Verdict],
    with_all: Callable[[str], Verdict | None],
    choices: Choices | None = None,
) -> Waiting | None:
    """The best of the events of which nothing can be bought now and something could with all of the profile's capital.

    ``verdicts``: by what is left of it; ``with_all``: the verdict of an event by all of it, None where money changes nothing.
    """
    found: list[Waiting] = []
    for event, verdict in verdicts.items():
        if verdict.status is Status.CANDIDATE or verdict.constraint is Reason.HURDLE:
            continue
        whole = with_all(event)
        if whole is None or whole.status is not Status.CANDIDATE or whole.basket is None:
            continue
        offer = allocation.offer_of(profile, event, whole.basket, None if whole.quote else choices)
        worth = return_a_day(profile, event, whole, choices)
        found.append(Waiting(event, int(offer.locked * offer.least), worth, whole))
    return max(found, key=lambda one: (one.return_a_day, one.event), default=None)


def gives_way(wanted: Waiting, left: int, idle: Iterable[Idle]) -> Idle | None:
    """The quote that is withdrawn for ``wanted``, or None: where money is ``left`` for it already, where none returns clearly less, or
    where all of those together would not free enough."""
    worse = [one for one in idle if one.locked > 0 and wanted.return_a_day > BETTER * one.return_a_day]
    if left >= wanted.needs or left + sum(one.locked for one in worse) < wanted.needs:
        return None
    return min(worse, key=lambda one: (one.return_a_day, -one.locked, one.event), default=None)


def replace(
    profile: Profile,
    verdicts: Mapping[str, Verdict],
    exposure: Exposure,
    with_all: Callable[[str], Verdict | None],
    judge: Callable[[str], Verdict | None],
) -> str | None:
    """Have an idle quote withdrawn for the best basket that waits for its money. Returns the quote's event. ``judge``: what would be quoted
    in an event now, None where that is not known."""
    left = exposure.capital_left
    if left >= most_cost(profile, profile.working):
        return None
    held = holdings.current().idle_quotes(profile, clock.now() - RESTED)
    wanted = waiting(profile, verdicts, with_all, exposure.choices) if held else None
    if wanted is None or (wanted.verdict.quote and not is_counted(wanted.verdict)):
        return None
    judged = ((event, locked, judge(event)) for event, locked in held.items())
    idle = [Idle(event, locked, return_a_day(profile, event, one)) for event, locked, one in judged if one is not None]
    found = gives_way(wanted, left, idle)
    if found is None:
        return None
    better, own = (allocation.return_words(one) for one in (wanted.return_a_day, found.return_a_day))
    why = f"{wanted.event} is expected to return {better} and waits for capital, this one {own} on {dollars(found.locked)}"
    messages.send(messages.REPLACE_QUOTE, profile.pk, found.event, why)
    return found.event
