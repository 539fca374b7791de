"""The conformance cases: what a venue must do before it is trusted with an order.

A case is a function that runs on a ``Harness``. Its number, its title and the venues that it does not apply to
(with the reason) are here; precondition, action and expectation are in ``docs/venue-conformance.md``. ``test_page`` keeps the
two in step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from .harness import Harness

VENUES: Final = ("live", "paper", "demo")


@dataclass(frozen=True, slots=True)
class Case:
    """``absent``: venue -> why the case does not apply to it."""

    number: int
    title: str
    run: Callable[[Harness], None]
    absent: Mapping[str, str]


CASES: dict[int, Case] = {}


def case(number: int, title: str, **absent: str) -> Callable[[Callable[[Harness], None]], Callable[[Harness], None]]:
    """Register a function as a case. Keywords: reasons why the case does not apply, by venue."""
    if number in CASES or not set(absent) <= set(VENUES):
        raise ValueError(f"case {number} is registered twice or names an unknown venue")

    def register(run: Callable[[Harness], None]) -> Callable[[Harness], None]:
        CASES[number] = Case(number, title, run, absent)
        return run

    return register
