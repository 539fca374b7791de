"""Whom it concerns that the prices of an event moved, read in one message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

from django.db import connection

from kalbot.common import clock
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
    no message of its own. ``exposed``: by profile what ``candidates.exposing`` has found."""

    events: list[str]
    profiles: list[Profile]
    listed: dict[int, Listed]
    apart: bool
    views: dict[str, EventView]
    exposed: dict[int, list[Any]]


_usual: Profile | None = None
"""The one profile that the last event concerned. Where that is so again, what it has open has been read with the rest."""


def by(events: Sequence[str]) -> Concerned:
    """Whom ``events`` and the open families that they are members of concern; read once more where there is such a family."""
    global _usual
    usual = _usual if connection.vendor == "postgresql" else None  # elsewhere it would save no message
    (families, apart), profiles, listed, views, *exposed = fetch.together(
        selectors.families_of(events),
        interested(events),
        candidates.of_events(events),
        few.fetching(events),
        *([] if usual is None else [candidates.exposing(usual, clock.now())]),
    )
    _usual = profiles[0] if len(profiles) == 1 else None
    is_usual = usual is not None and _usual is not None and not families and _columns()(usual) == _columns()(_usual)
    every = [*events, *families]
    if families:
        profiles, listed = fetch.together(interested(every), candidates.of_events(every))
    known = {profiles[0].pk: exposed[0]} if is_usual else {}
    return Concerned(every, profiles, listed, apart, {} if families else views, known)


def forget() -> None:
    """Empty the memory."""
    global _usual
    _usual = None


@cache
def _columns() -> Callable[[Profile], tuple[Any, ...]]:
    """Reads every column of a profile: one that was edited is another."""
    return attrgetter(*(column.attname for column in Profile._meta.concrete_fields))
