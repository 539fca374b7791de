"""Numbers of things in sentences."""

from __future__ import annotations


def many(number: int, one: str, more: str = "") -> str:
    """``number`` with its noun: "1 basket", "2 baskets", "1,204 baskets". ``more``: where the plural is not ``one`` with an s."""
    return f"{number:,} {one if number == 1 else more or f'{one}s'}"
