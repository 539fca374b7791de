"""How sure what a position holds now is, and the least that it pays: from the columns that booking recounts, as every list says it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from markets.terms.grades import Grade
from markets.terms.states import StateError, StateList
from trading import selectors
from trading.models import Position, Settlement


def grade_of_held(position: Position) -> str:
    """The label of the grade of what is held now, from the columns that booking recounts; empty while nothing is held."""
    if not position.cost:
        return ""
    return Grade(position.grade).label if position.guaranteed else Grade.CONDITIONAL.label


def floors_of_held(positions: Iterable[Position]) -> dict[int, int | None]:
    """The least that what is held now pays, micro-dollars by position id; None while nothing is held, or where nothing is known of it:
    booking writes zero then, which is no floor. One query, and three more for each of the few with a zero and a settlement."""
    rows = list(positions)
    found = {one.pk: one.floor if one.cost else None for one in rows}
    zeros = {one.pk: one for one in rows if one.cost and not one.floor}
    if zeros:
        settled = Settlement.objects.filter(leg__position__in=zeros, reversed_at=None)
        partly = set(settled.values_list("leg__position", flat=True))
        for pk, one in zeros.items():
            unknown = selectors.held_now(one).unknown if pk in partly else not _are_readable(one.states)
            found[pk] = None if unknown else 0
    return found


def floor_of_held(position: Position) -> int | None:
    """The same of one position."""
    return floors_of_held([position])[position.pk]


def _are_readable(states: list[dict[str, Any]]) -> bool:
    try:
        return bool([StateList.from_json(stored) for stored in states])
    except StateError:
        return False
