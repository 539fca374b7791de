"""A wide table for a terminal: a paragraph a row. Markdown is for pages; at a hundred columns nobody reads fourteen."""

from __future__ import annotations

from kalbot.common.terminal import card


def cards(table: str, width: int, titles: int = 1) -> str:
    """Each row of a Markdown table as its first ``titles`` cells and, indented below them, every other cell that says something after
    the name of its column. Empty text for a table without rows."""
    head, *rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines() if line]
    return "".join(
        card(", ".join(row[:titles]), zip(head[titles:], row[titles:], strict=False), width) for row in rows[1:]
    )
