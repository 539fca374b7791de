"""One event explained for one profile, line by line, with what the profile holds of it: for the terminal, the API and the page."""

from __future__ import annotations

from collections.abc import Iterator

from kalbot.common.errors import KalbotError
from kalbot.console.pages.positions.position_story import in_words, names_of, received_of
from kalbot.console.ui import formats
from strategies.explain import live_event
from strategies.models import Profile
from trading import selectors
from trading.models import ACTIVE, Position


def lines(event: str, profile: Profile) -> list[str]:
    """Why the event (its ticker) is bought or not, then its active positions. KalbotError where it is closed and there are none."""
    positions = list(holdings(event, profile))
    try:
        return [*live_event.explain_event(event, profile), *positions]
    except KalbotError as error:
        if not positions:
            raise
        return [str(error), *positions]


def holdings(event: str, profile: Profile) -> Iterator[str]:
    """What each active position of ``profile`` in ``event`` pays in each state that is still possible, and what it received."""
    found = Position.objects.filter(profile__name=profile.name, event=event, status__in=ACTIVE).order_by("pk")
    for position in found.select_related("decision", "event"):
        held, names = selectors.held_now(position), names_of(position)
        yield ""
        yield f"Position #{position.pk} ({position.get_status_display().lower()}): {in_words(position, held, names)}"
        for row in () if held.is_flat else held.payoff:
            yield f"  {row.state.words(names)}: pays {formats.money(row.pays)}"
        if received := received_of(position.legs.all()):
            yield f"  Legs that were sold or have settled brought {formats.money(received)} besides."
