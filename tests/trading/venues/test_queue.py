"""A resting order's place in the queue, by each of the three models."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.venues.queues import Queue, QueueModel
from trading.venues.replay import Latency

EVENTS = st.lists(st.tuples(st.sampled_from(["print", "level"]), st.integers(0, 300)), max_size=30)


@pytest.mark.parametrize(
    ("model", "reached"),
    [(QueueModel.OPTIMISTIC, 60), (QueueModel.REALISTIC, 10), (QueueModel.PESSIMISTIC, 0)],
)
def test_a_print_reaches_what_stands_behind_only_after_what_is_ahead(model: QueueModel, reached: int) -> None:
    queue = Queue(model, ahead=100, level=100)
    queue.on_level(50)  # half of the level is cancelled
    assert queue.on_print(60) == reached


def test_the_fall_of_a_level_by_a_print_is_not_counted_as_a_cancel_again() -> None:
    queue = Queue(QueueModel.REALISTIC, ahead=100, level=200)
    queue.on_print(40)
    queue.on_level(160)
    assert queue.ahead == 60


@given(ahead=st.integers(0, 500), events=EVENTS)
def test_optimism_never_fills_less_and_pessimism_never_more(ahead: int, events: list[tuple[str, int]]) -> None:
    filled = {}
    for model in QueueModel:
        queue, total = Queue(model, ahead, ahead), 0
        for kind, size in events:
            if kind == "print":
                total += queue.on_print(size)
            else:
                queue.on_level(size)
            assert queue.ahead >= 0
        filled[model] = total
    assert filled[QueueModel.OPTIMISTIC] >= filled[QueueModel.REALISTIC] >= filled[QueueModel.PESSIMISTIC]


def test_a_latency_is_drawn_from_its_stated_distribution() -> None:
    spread = Latency.parse("40:80:250")
    assert [spread.draw(chance) for chance in (0.1, 0.5, 0.9)] == [40, 80, 250]
    assert Latency.parse("30").draw(0.99) == 30
    with pytest.raises(ValueError, match="no latency"):
        Latency.parse("80:40:250")
