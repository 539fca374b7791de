"""How a column of a list is called and sorted: Django's and Unfold's decorator, with types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Shown = TypeVar("Shown", bound=Callable[..., Any])


def display(
    *, description: str, ordering: str = "", label: dict[str, str] | None = None, amount: tuple[str, str] | None = None
) -> Callable[[Shown], Shown]:
    """Name a column; ``ordering``: the field that it sorts by, if it can be sorted; ``label``: the colour of each of its words;
    ``amount``: (field, unit) of an amount that is written with as many decimals as the others of its column."""
    named_so = {"short_description": description, "admin_order_field": ordering, "label": label, "amount": amount}

    def named(shown: Shown) -> Shown:
        vars(shown).update({name: value for name, value in named_so.items() if value})
        return shown

    return named
