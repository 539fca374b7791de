"""Numbers of things in sentences."""

from __future__ import annotations

from kalbot.common.wording import many


def test_one_of_something_is_singular_and_none_and_many_are_plural() -> None:
    assert [many(number, "basket") for number in (0, 1, 2, 1_204)] == [
        "0 baskets",
        "1 basket",
        "2 baskets",
        "1,204 baskets",
    ]
    assert (many(1, "family", "families"), many(2, "family", "families")) == ("1 family", "2 families")
