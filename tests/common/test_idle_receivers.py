"""A purchase is given to a thread that waits for it, each to another one, and goes through the queue where none waits."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from kalbot.common import cache, express, idle_receivers, messages
from kalbot.common.idle_receivers import Receiver

pytestmark = pytest.mark.usefixtures("redis_db")


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(express, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(messages, "_silent_until", 0.0)


def _depth() -> int:
    return cache.queue_depths(["execution"])["execution"]


def test_no_purchase_waits_behind_another_and_what_finds_nobody_goes_through_the_queue() -> None:
    messages.send(messages.EXECUTE_DECISION, "D0")
    assert _depth() == 1, "nobody has said that he waits"
    receivers = [Receiver(), Receiver()]
    assert [receiver.take() for receiver in receivers] == [None, None]
    for number in (1, 2, 3):
        messages.send(messages.EXECUTE_DECISION, f"D{number}", "{}")
    assert _depth() == 2, "the third found both with something to do"
    assert sorted(str(receiver.take()) for receiver in receivers) == ["['D1', '{}']", "['D2', '{}']"]
    messages.send(messages.EXECUTE_DECISION, "D4")
    assert _depth() == 3, "both are at work"
    messages.send(messages.EXIT_POSITION, 1)
    assert cache.queue_depths([messages.EXITS])[messages.EXITS] == 1


def test_a_receiver_that_has_something_does_not_say_that_it_waits() -> None:
    receiver = Receiver()
    receiver.take()
    assert idle_receivers.give(["D1"])
    assert receiver.take() == ["D1"]
    assert not idle_receivers.give(["D2"])


def test_who_leaves_is_given_nothing_and_finds_what_it_had_been_given() -> None:
    receiver = Receiver()
    receiver.take()
    assert idle_receivers.give(["D1"])
    receiver.leave()
    assert not idle_receivers.give(["D2"])
    assert (receiver.left(), receiver.left()) == (["D1"], None)


def test_the_word_of_one_that_died_lapses(monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = Receiver()
    receiver.take()
    name = cache.key(idle_receivers.WAITING)
    assert 0 < cache.prices().pttl(name) <= idle_receivers.SAID_MS
    cache.prices().zincrby(name, -idle_receivers.SAID_MS - 1_000, receiver._name)
    assert not idle_receivers.give(["D1"])
    assert not cache.prices().exists(name)


def test_what_is_given_to_one_that_died_does_not_stay() -> None:
    receiver = Receiver()
    receiver.take()
    idle_receivers.give(["D1"])
    (given,) = cache.prices().keys(cache.key(idle_receivers.GIVEN) + "*")
    assert 0 < cache.prices().pttl(given) <= idle_receivers.KEPT_MS


@pytest.mark.parametrize("text", ["{", "[]", "7"])
def test_what_is_no_message_is_taken_out_and_refused(text: str) -> None:
    receiver = Receiver()
    receiver.take()
    assert idle_receivers.give(["D1"])
    (given,) = cache.prices().keys(cache.key(idle_receivers.GIVEN) + "*")
    cache.prices().lset(given, 0, text)
    with pytest.raises(ValueError):  # what JSON says of it is JSON's affair
        receiver.take()
    assert receiver.take() is None


@pytest.mark.parametrize(
    ("fault", "depth"), [(redis.ConnectionError, 1), (redis.ResponseError, 1), (redis.TimeoutError, 0)]
)
def test_the_queue_is_taken_where_the_prices_server_is_away(
    fault: type[Exception], depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any) -> bool:
        raise fault("no")

    monkeypatch.setattr(idle_receivers, "give", fails)
    messages.send(messages.EXECUTE_DECISION, "D1")
    assert _depth() == depth
