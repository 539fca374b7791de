"""A changed copy is what ``dataclasses.replace`` makes, for the classes that it takes."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from kalbot.common.changed import changed
from strategies.catalogue.universe import EventView
from strategies.screening.verdict import Status, Verdict


def test_a_copy_differs_in_what_is_changed_alone() -> None:
    values: dict[str, Any] = {field.name: object() for field in fields(EventView)}
    view = EventView(**values)
    assert changed(view, outcomes=(), ticker="E") == replace(view, outcomes=(), ticker="E")
    assert changed(view) == view
    assert changed(view) is not view
    verdict = Verdict(Status.REJECTED, value="1")
    assert changed(verdict, recalled=True) == replace(verdict, recalled=True)
    assert not verdict.recalled


@dataclass
class _WithoutSlots:
    one: int = 1
    two: int = 2


@dataclass(slots=True)
class _Checked:
    one: int = 1
    two: int = 2

    def __post_init__(self) -> None:
        self.two = self.one + 1


@pytest.mark.parametrize(
    ("record", "values"),
    [(Verdict(Status.REJECTED), {"missing": 1}), (_WithoutSlots(), {"one": 2}), (_Checked(), {"one": 2})],
)
def test_what_would_be_another_copy_is_refused(record: Any, values: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        changed(record, **values)
