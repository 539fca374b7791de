"""Pieces of a sequence: nothing lost, nothing twice, none too large."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalbot.common.db.batches import batched


@given(st.lists(st.integers()), st.integers(1, 7))
def test_batches_joined_are_the_sequence_and_none_exceeds_the_size(items: list[int], size: int) -> None:
    batches = [list(batch) for batch in batched(items, size)]
    assert [item for batch in batches for item in batch] == items
    assert all(1 <= len(batch) <= size for batch in batches)
    assert all(len(batch) == size for batch in batches[:-1])


def test_a_size_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="a batch of 0"):
        list(batched([1], 0))
