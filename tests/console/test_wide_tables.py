"""No table of a page is wider than a phone: each one stands in a frame that scrolls, and that a keyboard and a screen reader find."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

TEMPLATES: Final = Path(__file__).resolve().parents[2] / "kalbot" / "console" / "templates"
FRAMED: Final = re.compile(
    r'<div class="k-scroll" tabindex="0" role="region" aria-label="[^"]+">\s*(?:\{%[^%]*%\}\s*)*$'
)


def loose(page: str) -> list[int]:
    """Lines of the tables without a frame."""
    return [
        page[: table.start()].count("\n") + 1
        for table in re.finditer(r'<table class="k-table', page)
        if not FRAMED.search(page[: table.start()])
    ]


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_every_table_stands_in_a_frame_that_scrolls(path: Path) -> None:
    assert loose(path.read_text()) == []


def test_a_loose_table_is_found() -> None:
    frame = '<div class="k-scroll" tabindex="0" role="region" aria-label="Rows">\n{% with a=b %}'
    assert loose(f'{frame}<table class="k-table"></table></div>\n<p>\n<table class="k-table k-stack">') == [4]
