"""What commands write for a person at a terminal: no wider than it is. A table that would not fit is a paragraph a row."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

ANY_WIDTH = 10_000


def card(title: str, facts: Iterable[tuple[str, str]], width: int) -> str:
    """The title and, indented below it, every fact that says something after its name."""
    said = "; ".join(f"{name} {text}".strip() for name, text in facts if text)
    return f"{title}\n{wrapped(said, width, '  ')}".rstrip() + "\n"


def wrapped(text: str, width: int, indent: str = "") -> str:
    """The text in lines of at most ``width``; what has no space stays whole."""
    return textwrap.fill(
        text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def show(console: Console, table: Table) -> None:
    """Print a table of plain texts, with its title and caption; at a terminal that is too narrow for it each row as a card."""
    natural = console.measure(table, options=console.options.update(width=ANY_WIDTH)).maximum
    if not console.is_terminal or natural <= console.width:
        console.print(table)
        return
    names = [str(column.header) for column in table.columns]
    cells = [[str(cell) for cell in column.cells] for column in table.columns]
    if table.title:
        plain(console, wrapped(str(table.title), console.width))
    for row in zip(*cells, strict=True):
        plain(console, card(row[0], zip(names[1:], row[1:], strict=True), console.width).rstrip())
    if table.caption:
        plain(console, wrapped(str(table.caption), console.width))


def plain(console: Console, text: str) -> None:
    """Print a text as it stands."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
