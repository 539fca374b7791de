"""What commands write at a terminal of a hundred columns fits it, with every name whole; files keep their tables."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kalbot.common import terminal

pytestmark = pytest.mark.django_db
SNAPSHOT = Path(__file__).resolve().parents[2] / "simulator" / "data" / "20260719T155529Z"
NARROW = 100


class Terminal(io.StringIO):
    """Text that goes to a person."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (["evaluate", str(SNAPSHOT), "--profile", "careful", "--rules", "public"], "KXALLSVENSKANGAME-26JUL19ELFSIR"),
        (["quotes", str(SNAPSHOT), "--assume-states", "--side", "yes"], "KXBIG3GAME-26JUL19LACHI-CHI"),
        (["certified_share", str(SNAPSHOT), "--rules", "public"], "KXHIGHAUS-26JUL19"),
    ],
)
def test_what_is_wide_in_a_file_is_a_paragraph_a_row_at_a_terminal(
    line: list[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a hundred columns tables had columns of one letter, or cut the tickers that they were about."""
    monkeypatch.setenv("COLUMNS", str(NARROW))
    shown, kept = Terminal(), io.StringIO()
    call_command(*line, stdout=shown)
    call_command(*line, stdout=kept)
    lines = Text.from_ansi(shown.getvalue()).plain.splitlines()
    assert max(map(len, lines)) <= NARROW
    assert any(name in one for one in lines)
    assert max(map(len, kept.getvalue().splitlines())) > NARROW
    assert name in kept.getvalue()


def test_a_table_that_fits_stays_one() -> None:
    table = Table("event", "keeps", box=None, title="now")
    table.add_row("KXA-1", "3 %")
    table.add_row("KXA-2", "")

    def shown(width: int) -> str:
        file = io.StringIO()
        terminal.show(Console(file=file, width=width, force_terminal=True, color_system=None), table)
        return file.getvalue()

    assert "event  keeps" in shown(40)
    assert shown(10) == "now\nKXA-1\n  keeps 3\n  %\nKXA-2\n"


@pytest.mark.parametrize(("option", "value"), [("--count", "x"), ("--count", "0"), ("--min-profit", "much")])
def test_an_amount_that_is_none_is_refused_under_its_name(option: str, value: str) -> None:
    with pytest.raises(CommandError, match=f"argument {option}: "):
        call_command("evaluate", str(SNAPSHOT), "--profile", "careful", option, value)
