"""Whom it concerns that the prices of an event moved, read in one message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kalbot.common.db import fetch
from markets import selectors
from strategies.catalogue import few
from strategies.catalogue.universe import EventView
from strategies.cycle import candidates
from strategies.cycle.candidates import Listed
from strategies.models import Profile
from strategies.screening.screening import interested


class Concerned(NamedTuple):
    """The events and their families, the profiles that have one of them as a candidate, by name, and those candidates by profile.
    ``apart``: no event that is not among them has markets of theirs. ``views``: of the events as the database has them now, where that took
    no message of its own."""

    events: list[str]
    profiles: list[Profile]
    listed: dict[int, Listed]
    apart: bool
    views: dict[str, EventView]


def by(events: Sequence[str]) -> Concerned:
    """Whom ``events`` and the open families that they are members of concern; read once more where there is such a family."""
    (families, apart), profiles, listed, views = fetch.together(
        selectors.families_of(events), interested(events), candidates.of_events(events), few.fetching(events)
    )
    every = [*events, *families]
    if families:
        profiles, listed = fetch.together(interested(every), candidates.of_events(every))
    return Concerned(every, profiles, listed, apart, {} if families else views)
