"""What the stream's notifier sends while the receiver's queue is long, and that a price waits for no measuring."""

from __future__ import annotations

import pytest
import redis

from kalbot.common import cache, messages
from markets.streaming.output import notifier
from markets.streaming.output.notifier import FULL_QUEUE, Notifier


class _Sent:
    """A notifier without its thread, and the events that it sent and when it measured the queue, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[str] = []
        self.depth = 0
        self.notifier = Notifier(send=lambda name, *args: self.seen.append(str(args[0])))
        monkeypatch.setattr(cache, "queue_depths", self._depths)
        monkeypatch.setattr(notifier, "MEASURE_SECONDS", -1.0)

    def _depths(self, names: list[str]) -> dict[str, int]:
        self.seen.append("measured")
        if self.depth < 0:
            raise redis.ConnectionError
        return dict.fromkeys(names, self.depth)

    def deliver(self, event: str) -> None:
        self.notifier._deliver((messages.EVALUATE_EVENT, (event,)))


def test_a_price_leaves_before_the_receivers_queue_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = _Sent(monkeypatch)
    sent.deliver("E1")
    sent.deliver("E2")
    assert sent.seen == ["E1", "measured", "E2", "measured"]


@pytest.mark.parametrize("depth", [FULL_QUEUE + 1, -1], ids=["long", "Redis is away"])
def test_no_price_is_sent_while_the_receivers_queue_is_long(depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = _Sent(monkeypatch)
    sent.depth = depth
    sent.deliver("E1")
    sent.deliver("E2")
    assert sent.seen == ["E1", "measured", "measured"], "what was not known yet left"
    assert (sent.notifier.sent, sent.notifier.suppressed) == (1, 1)
    sent.notifier._deliver((messages.REPRICE, ("E3",)))
    assert sent.seen[-1] == "E3", "what takes risk away leaves in any case"
    sent.depth = FULL_QUEUE
    sent.deliver("E4")
    assert sent.seen[-3:] == ["measured", "E4", "measured"]


def test_the_queue_is_measured_twice_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = _Sent(monkeypatch)
    monkeypatch.setattr(notifier, "MEASURE_SECONDS", 60.0)
    for number in range(5):
        sent.deliver(f"E{number}")
    assert sent.seen.count("measured") == 1
