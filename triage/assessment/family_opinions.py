"""What the quotes of a whole family say of one of its events, as one more source: on trial, frozen and scored beside the market like any.

It fetches nothing: the books of the other members come with those of the event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from markets import watchlist
from markets.models import Event, FamilyMember
from markets.prices import EventPrices
from strategies.catalogue import universe
from strategies.catalogue.corrections import lead_of
from strategies.catalogue.universe import EventView
from strategies.cycle import estimates
from strategies.dutch.coverage import by_family
from strategies.families.estimate import Estimate
from trading.closing import waiting
from trading.models import Position
from triage import conf
from triage.assessment.assess import market_belief
from triage.sources import registry
from triage.sources.protocol import Opinion, Report
from triage.sources.registry import FAMILY

if TYPE_CHECKING:
    from triage.assessment.gather import Gathered

WATCH: Final = "triage:families"
PRIORITY: Final = 5
"""Books that serve an opinion on trial come after all that something is bought or sold by."""


class Speaking(NamedTuple):
    """An event, and the family whose value settles it."""

    view: EventView
    family: EventView


def families_of(events: Mapping[str, Event]) -> dict[str, Speaking]:
    """Those of ``events`` in which one outcome wins and whose open family is in force, with both views."""
    own = [ticker for ticker, event in events.items() if event.mutually_exclusive and not event.is_family]
    if not own or not conf.is_enabled(FAMILY):
        return {}
    rows = FamilyMember.objects.filter(event__in=own, family__is_open=True).order_by("-family_id")
    families = dict(rows.values_list("event_id", "family_id"))
    if not families:
        return {}
    views = universe.load([*families, *families.values()])
    return {
        event: Speaking(views[event], views[family])
        for event, family in families.items()
        if event in views and family in views
    }


def books_of(speaking: Mapping[str, Speaking]) -> dict[str, tuple[str, ...]]:
    """What has to be read beside the events' own books."""
    return {event: (event,) for one in speaking.values() for event in one.family.books_of}


def estimates_of(speaking: Mapping[str, Speaking], prices: Mapping[str, EventPrices]) -> dict[str, Estimate]:
    """Event -> what its family says on these prices, or why it does not."""
    found = {event: estimates.estimated(one.view, one.family, prices).estimate for event, one in speaking.items()}
    return {event: estimate for event, estimate in found.items() if estimate is not None}


def with_families(
    gathered: Iterable[Gathered], reports: Mapping[str, list[Report]], now_ms: int
) -> dict[str, list[Report]]:
    """The reports (event -> lines) with a line for every event whose family is read. After a release it is silent like the others."""
    found = dict(reports)
    done: set[str] = set()
    for item in gathered:
        event = item.facts.ticker
        if item.estimate is not None and event not in done:
            done.add(event)
            lines = [*found.get(event, []), _line(item, item.estimate, now_ms)]
            found[event] = registry.silence_after_release(lines)
    return found


def watch() -> None:
    """Have the books of the families of what is held kept; those of no other any more."""
    siblings: list[str] = []
    if conf.is_enabled(FAMILY):
        held = Position.objects.filter(waiting.advised(), event__mutually_exclusive=True).values("event")
        families = FamilyMember.objects.filter(event__in=held, family__is_open=True).values("family")
        rows = FamilyMember.objects.filter(family__in=families).exclude(event__in=held)
        siblings = list(rows.values_list("event_id", flat=True).distinct())
    watchlist.replace(WATCH, siblings, PRIORITY)


def _line(item: Gathered, estimate: Estimate, now_ms: int) -> Report:
    age = item.case.now.price_age_ms or 0
    market = None if item.case.now.price_problem else market_belief(item.case)
    if estimate.chances is None:
        return Report(FAMILY, None, estimate.sentence, age)
    if market is None or market.keys() != estimate.chances.keys():
        return Report(FAMILY, None, "no usable prices of the event itself", age)
    event = item.event
    lead = lead_of(item.facts.close_ms, now_ms)
    judged = {"family": estimate.family, "category": event.category or event.series.category, "lead": lead}
    said = Opinion(
        by_family(market, estimate.chances),
        now_ms - age,
        f"the quotes of {estimate.family} together",
        plot={"family": judged},
    )
    return Report(FAMILY, said, "", age)
