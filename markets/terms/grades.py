"""How sure the payoff of a basket is: three grades, each with the one label that every screen, export and log uses."""

from __future__ import annotations

from enum import StrEnum


class Grade(StrEnum):
    """From the surest down. The values are stored; people see ``label``."""

    GUARANTEED = "guaranteed"
    IF_DETERMINED = "if_determined"
    CONDITIONAL = "conditional"

    @property
    def label(self) -> str:
        """The one wording for people."""
        return _LABELS[self]

    def meets(self, least: Grade) -> bool:
        """Whether it is at least as sure as ``least``."""
        return _ORDER.index(self) <= _ORDER.index(least)


_ORDER = tuple(Grade)
_LABELS = {
    Grade.GUARANTEED: "guaranteed",
    Grade.IF_DETERMINED: "guaranteed if determined",
    Grade.CONDITIONAL: "conditional",
}


def grade_of(floor: int, cost: int, fee_bound: int, cap: Grade) -> Grade:
    """The grade of a basket (all three in Money): the certificate's ``cap`` if floor - cost - fee bound > 0, else conditional."""
    return cap if floor - cost - fee_bound > 0 else Grade.CONDITIONAL


def lower(one: Grade, other: Grade) -> Grade:
    """The less sure of two."""
    return other if one.meets(other) else one
