"""Task messages: the project's application sends them in every thread, and a dead broker stops nobody."""

import base64
import json
import logging
import threading
from typing import Any

import celery
import pytest
import redis

from kalbot.celery import app
from kalbot.common import cache, messages, transport

OWN = ("id", "root_id", "parent_id", "argsrepr", "correlation_id", "reply_to", "delivery_tag")
"""What differs from message to message."""


def test_the_current_application_is_ours_in_a_new_thread() -> None:
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(celery.current_app.tasks))
    thread.start()
    thread.join()
    assert found[0] is app.tasks


def test_a_broker_that_is_away_is_logged_and_not_raised(caplog: pytest.LogCaptureFixture) -> None:
    with app.connection("redis://127.0.0.1:1/0") as away, caplog.at_level(logging.WARNING):
        messages.send(messages.SWEEP, connection=away)
    assert "task trading.tasks.sweep was not sent" in caplog.text


def _waiting(queue: str) -> Any:
    (message,) = cache.broker().lrange(cache.key(queue), 0, -1)
    cache.broker().delete(cache.key(queue))
    return json.loads(message)


@pytest.mark.parametrize("name", messages.URGENT)
def test_an_urgent_message_is_the_one_that_celery_would_have_sent(
    name: str, redis_db: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "_silent_until", 0.0)
    queue, args = messages.ROUTES[name]["queue"], ("KX'\"-É", 7, None)
    app.send_task(name, args=args, retry=False)
    theirs = _waiting(queue)
    messages.send(name, *args)
    ours = _waiting(queue)
    assert transport.problem_of(ours) == ""
    assert json.loads(base64.b64decode(ours["body"])) == json.loads(base64.b64decode(theirs["body"]))
    for part in ("headers", "properties"):
        assert ours[part].keys() == theirs[part].keys()
        assert [(k, v) for k, v in ours[part].items() if k not in OWN] == [
            (k, v) for k, v in theirs[part].items() if k not in OWN
        ]
    assert {k: v for k, v in ours.items() if k in ("content-type", "content-encoding")} == {
        k: v for k, v in theirs.items() if k in ("content-type", "content-encoding")
    }
    assert ours.keys() == theirs.keys()


def test_a_channel_keeps_one_client_as_long_as_its_connections(redis_db: redis.Redis) -> None:
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        first = channel._create_client()
        assert channel._create_client() is first
        channel._disconnect_pools()
        second = channel._create_client()
        assert second is not first
        assert second.ping()


def test_an_overfull_queue_keeps_none_waiting_but_those_that_come_after_money(redis_db: redis.Redis) -> None:
    sent = {"exits": 2, "execution": 3, "scan": 12, "triage": 2, "default": 3}
    for queue, count in sent.items():
        for _ in range(count):
            app.send_task(messages.HEARTBEAT, args=(queue,), queue=queue)
    read: list[str] = []

    def keep(_body: object, message: Any) -> None:
        read.append(message.delivery_info["routing_key"])
        message.ack()

    queues = [queue for queue in app.conf.task_queues if queue.name in sent]
    with app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        channel.basic_qos(0, 1, False)
        with app.amqp.Consumer(channel, queues, on_message=None, callbacks=[keep], accept=["json"]):
            while len(read) < sum(sent.values()):
                connection.drain_events(timeout=5)
    assert read[:5] == ["exits"] * 2 + ["execution"] * 3
    assert read[5:13] == ["scan", "triage", "default"] * 2 + ["scan", "default"]
    assert read[13:] == ["scan"] * 9


def test_a_broker_that_is_away_holds_up_no_urgent_message(
    settings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BROKER_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(messages, "_silent_until", 0.0)
    with caplog.at_level(logging.WARNING):
        messages.send(messages.EXECUTE_DECISION, "1")
    assert "task trading.tasks.execute_decision was not sent" in caplog.text


@pytest.mark.parametrize(("name", "kept"), [(messages.EVALUATE_EVENT, 0), (messages.EXECUTE_DECISION, 1)])
def test_an_evaluation_is_not_noted_while_it_is_in_work(
    name: str, kept: int, redis_db: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "_silent_until", 0.0)
    queue = messages.ROUTES[name]["queue"]
    for number in range(2):
        messages.send(name, f"E{number}")
    read: list[Any] = []
    unacked = cache.key("unacked")
    with app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        channel.basic_qos(0, 1, False)
        queues = [each for each in app.conf.task_queues if each.name == queue]
        with app.amqp.Consumer(
            channel, queues, on_message=None, callbacks=[lambda _body, message: read.append(message)], accept=["json"]
        ):
            for done in (1, 2):
                connection.drain_events(timeout=5)
                assert len(read) == done
                assert not channel.qos.can_consume(), "it is in work"
                assert cache.broker().hlen(unacked) == kept
                read[-1].ack()
                assert channel.qos.can_consume()
                assert cache.broker().hlen(unacked) == 0
        assert cache.broker().llen(cache.key(queue)) == 0
