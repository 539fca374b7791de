"""A resting order's place in the queue, by each of the three models."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.venues.queues import FALLS_KEPT_MS, MOST_FALLS, Queue, QueueModel
from trading.venues.replay import Latency

EVENTS = st.lists(st.tuples(st.sampled_from(["print", "level"]), st.integers(0, 300), st.integers(0, 5)), max_size=30)


@pytest.mark.parametrize(
    ("model", "reached"),
    [(QueueModel.OPTIMISTIC, 60), (QueueModel.REALISTIC, 10), (QueueModel.PESSIMISTIC, 0)],
)
def test_a_print_reaches_what_stands_behind_only_after_what_is_ahead(model: QueueModel, reached: int) -> None:
    queue = Queue(model, ahead=100, level=100)
    queue.on_level(50, 1)  # half of the level is cancelled
    assert queue.on_print(60, 2) == reached


def test_the_fall_of_a_level_by_a_print_is_not_counted_as_a_cancel_again() -> None:
    queue = Queue(QueueModel.REALISTIC, ahead=100, level=200)
    queue.on_print(40, 1)
    queue.on_level(160, 1)
    assert queue.ahead == 60


def test_the_fall_of_a_level_that_was_seen_before_its_trade_is_no_cancel_either() -> None:
    """As the exchange sends most of them: the change of the level, then the trade, both of the same millisecond."""
    queue = Queue(QueueModel.REALISTIC, ahead=100, level=100)
    queue.on_level(50, 1_000)
    assert (queue.on_print(50, 1_000), queue.ahead) == (0, 50)
    queue.on_level(0, 2_000)
    assert (queue.on_print(50, 2_000), queue.ahead) == (0, 0), "a hundred stood before it, a hundred were sold"
    assert queue.on_print(20, 3_000) == 20


@pytest.mark.parametrize(("made", "ahead"), [(1_000, 40), (1_001, 0)])
def test_a_level_that_was_seen_before_a_trade_was_made_knows_nothing_of_it(made: int, ahead: int) -> None:
    queue = Queue(QueueModel.REALISTIC, ahead=100, level=100)
    queue.on_level(40, 1_000)
    queue.on_print(60, made)
    assert queue.ahead == ahead


def test_of_a_fall_that_was_a_trade_and_a_cancel_the_cancel_stays() -> None:
    queue = Queue(QueueModel.REALISTIC, ahead=100, level=200)
    queue.on_level(100, 1_000)
    assert queue.ahead == 50
    queue.on_print(40, 990)
    assert queue.ahead == 30, "60 were cancelled, half of them before it, and 40 were sold"
    queue.on_print(80, 990)
    assert (queue.ahead, queue.printed) == (0, 20)


def test_falls_of_long_ago_are_no_trade_of_now() -> None:
    queue = Queue(QueueModel.REALISTIC, ahead=1_000, level=1_000)
    queue.on_level(900, 1_000)
    queue.on_level(890, 1_000 + FALLS_KEPT_MS)
    assert [fall[1:] for fall in queue.falls] == [[10, 10]]
    for number in range(2 * MOST_FALLS):
        queue.on_level(880 - number, 2_000 + FALLS_KEPT_MS)
    assert len(queue.falls) == MOST_FALLS


@given(ahead=st.integers(0, 500), events=EVENTS)
def test_optimism_never_fills_less_and_pessimism_never_more(ahead: int, events: list[tuple[str, int, int]]) -> None:
    filled = {}
    for model in QueueModel:
        queue, total = Queue(model, ahead, ahead), 0
        for at, (kind, size, late) in enumerate(events):
            if kind == "print":
                total += queue.on_print(size, at - late)
            else:
                queue.on_level(size, at)
            assert 0 <= queue.ahead <= ahead
        filled[model] = total
    assert filled[QueueModel.OPTIMISTIC] >= filled[QueueModel.REALISTIC] >= filled[QueueModel.PESSIMISTIC]


def test_a_latency_is_drawn_from_its_stated_distribution() -> None:
    spread = Latency.parse("40:80:250")
    assert [spread.draw(chance) for chance in (0.1, 0.5, 0.9)] == [40, 80, 250]
    assert Latency.parse("30").draw(0.99) == 30
    with pytest.raises(ValueError, match="no latency"):
        Latency.parse("80:40:250")
