"""``docs/venue-conformance.md`` and the registered cases agree."""

from __future__ import annotations

import re
from pathlib import Path

from . import batches, hostile, refusals, resting, selling, taking, unknown_outcomes  # noqa: F401  (they register the cases)
from .cases import CASES, VENUES

PAGE = Path(__file__).resolve().parents[3] / "docs" / "venue-conformance.md"
ROW = re.compile(r"^\| (\d+) \|(.+)\|$", re.MULTILINE)


def _rows() -> dict[int, list[str]]:
    found = [(int(n), [cell.strip() for cell in rest.split("|")]) for n, rest in ROW.findall(PAGE.read_text("utf-8"))]
    assert len(dict(found)) == len(found), "a case is on the page twice"
    return dict(found)


def test_every_case_is_on_the_page_and_every_case_of_the_page_is_run() -> None:
    assert list(_rows()) == sorted(CASES) == list(range(1, len(CASES) + 1))


def test_titles_and_reasons_on_the_page_are_those_of_the_code() -> None:
    for number, (title, *middle, absent) in _rows().items():
        case = CASES[number]
        assert title == case.title
        assert absent == "; ".join(f"{venue}: {reason}" for venue, reason in case.absent.items())
        assert len(middle) == 3, number
        assert all(middle), f"case {number} lacks a precondition, an action or an expectation"


def test_every_case_applies_to_some_venue() -> None:
    for case in CASES.values():
        assert len(case.absent) < len(VENUES), case
        assert all(case.absent.values()), case
