"""A real worker beside a broker full of other things: exits go first, and no message ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from celery import current_app, shared_task
from celery.app.task import Context
from django.db import OperationalError
from kombu.utils.imports import symbol_by_name

from kalbot.common import cache, covered, messages
from kalbot.common.covered import unless_covered
from kalbot.console.ops.health import heartbeats
from kalbot.console.tasks import heartbeat

ROOT = Path(__file__).resolve().parents[2]
BODY = "W1tdLCB7fSwge31d"  # [[], {}, {}]
JUNK = 50_000
pytestmark = pytest.mark.timeout(400)


def message(**changes: Any) -> dict[str, Any]:
    """A task message as it lies in a queue, with top-level parts replaced."""
    properties = {
        "delivery_tag": f"t{time.monotonic_ns()}",
        "delivery_info": {"exchange": "", "routing_key": "execution"},
        "body_encoding": "base64",
    }
    headers = {"task": messages.HEARTBEAT, "id": f"i{time.monotonic_ns()}", "lang": "py"}
    whole = {
        "body": BODY,
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": headers,
        "properties": properties,
    }
    return whole | changes


def with_header(**changes: Any) -> dict[str, Any]:
    """A message whose headers have other values."""
    whole = message()
    whole["headers"] |= changes
    return whole


def odd_values(*values: Any) -> tuple[Any, ...]:
    """Values of any type."""
    return values


def poison() -> Iterator[bytes]:
    """Values in a queue that are no messages, or messages that no task can run."""
    yield from (b"garbage", b"", b"{}", b"[]", b"null", b'"x"', b"7", b"\xff\xfe", b"[" * 100_000, b"\x80\x04K\x01.")
    odd: list[dict[str, Any]] = [
        *(message(properties=value) for value in odd_values(None, [], {}, {"delivery_tag": 3}, {"delivery_tag": "x"})),
        *(
            message(properties={"delivery_tag": "x", "delivery_info": value})
            for value in odd_values(None, "execution", {})
        ),
        *(message(body=value) for value in odd_values(None, 3, "!!!", "e30=", "bnVsbA==", "/w==", [1])),
        *(message(headers=value) for value in odd_values(None, [], {}, {"task": None}, {"task": 3, "id": 3})),
        *(
            message(**{"content-type": value})
            for value in odd_values(None, 3, "application/x-python-serialize", "text/none")
        ),
        *(message(**{"content-encoding": value}) for value in odd_values(None, "no such", 3)),
        *(with_header(eta=value) for value in odd_values("tomorrow", 3, [], "9999-12-31T23:59:59")),
        *(with_header(expires=value) for value in odd_values("yesterday", [], "0000-00-00")),
        *(with_header(retries=value) for value in odd_values("many", [], None)),
        *(with_header(timelimit=value) for value in odd_values("long", [None], [1, 2, 3])),
        *(with_header(task=value) for value in odd_values("no.such.task", "", "kalbot.console.tasks.heartbeat\n")),
        with_header(sent_ms="now"),
        with_header(compression="bz9"),
        with_header(stamps=3, stamped_headers=3, replaced_task_nesting="x"),
    ]
    yield from (json.dumps(one).encode() for one in odd)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("worker") / "log"


@pytest.fixture(scope="module")
def worker(log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker on exits, execution and trading, as README starts it."""
    command = ["-m", "celery", "-A", "kalbot", "worker", "-Q", "exits,execution,trading", "-n", "orders@here"]
    cache.broker().flushdb()
    cache.prices().flushdb()
    for queue in ("execution", "trading"):
        for _ in range(JUNK // 1_000):
            cache.broker().lpush(cache.key(queue), *(json.dumps(message()) for _ in range(1_000)))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command, "--concurrency", "1", "--without-mingle", "--without-gossip"],
            cwd=ROOT,
            env={**os.environ, "LOG_LEVEL": "INFO", "LOG_FORMAT": "json"},
            stdout=output,
            stderr=output,
        )
    yield process
    process.kill()
    process.wait()


def until(condition: Callable[[], object], seconds: float = 150) -> bool:
    """Whether ``condition`` came true within ``seconds``, which are for what hangs only: a busy machine starts a worker in a minute."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def answers(queue: str) -> bool:
    """Whether the worker runs a message that is sent to ``queue`` now."""
    cache.prices().delete(f"{heartbeats.KEY}{queue}")
    current_app.send_task(messages.HEARTBEAT, args=(queue,), queue=queue)
    return until(lambda: cache.prices().exists(f"{heartbeats.KEY}{queue}"))


def waiting(queue: str) -> int:
    return cache.queue_depths([queue])[queue]


def test_an_exit_is_run_before_fifty_thousand_purchases_and_a_purchase_before_other_messages(
    worker: subprocess.Popen[bytes],
) -> None:
    takes_risk_away = (messages.EXIT_POSITION, messages.SWEEP_EXITS, messages.APPLY_MESSAGES)
    assert all(messages.ROUTES[name] == {"queue": "exits"} for name in takes_risk_away)
    assert messages.ROUTES[messages.EXECUTE_DECISION] == messages.ROUTES[messages.REPRICE] == {"queue": "execution"}
    assert until(lambda: waiting("execution") < JUNK)
    for _ in range(10):
        assert answers("exits")
    assert waiting("execution") > JUNK // 2
    assert waiting("trading") == JUNK
    cache.broker().delete(cache.key("execution"))
    assert until(lambda: waiting("trading") < JUNK)
    for _ in range(10):
        assert answers("execution")
    assert waiting("trading") > JUNK // 2


def test_no_message_ends_a_worker(worker: subprocess.Popen[bytes], log: Path) -> None:
    cache.broker().delete(cache.key("trading"))
    for value in poison():
        cache.broker().lpush(cache.key("execution"), value)
    assert answers("execution")
    assert answers("exits")
    assert worker.poll() is None
    assert waiting("execution") == 0
    assert cache.broker().llen(cache.key("unreadable")) >= 20
    assert "unreadable message set aside" in log.read_text()


def test_a_worker_shows_life_by_file_and_by_node(worker: subprocess.Popen[bytes]) -> None:
    assert until(lambda: [node.node for node in heartbeats.nodes()] == ["orders@here"])
    assert heartbeats.nodes()[0].names == ("exits", "execution", "trading")
    command = [sys.executable, "manage.py", "alive", "exits", "execution", "trading"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    assert subprocess.run([*command, "beat"], cwd=ROOT, check=False, capture_output=True).returncode == 1


def test_a_worker_that_ends_as_it_should_is_not_missed(worker: subprocess.Popen[bytes]) -> None:
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(150) == 0
    assert heartbeats.nodes() == []


def test_a_message_that_ended_three_workers_is_dropped(redis_db: Any) -> None:
    run = []
    for _ in range(4):
        heartbeat.request_stack.push(Context(id="poison", delivery_info={"redelivered": True}, hostname="here"))
        try:
            cache.prices().delete(f"{heartbeats.KEY}trading")
            heartbeat("trading")
            run.append(bool(cache.prices().exists(f"{heartbeats.KEY}trading")))
        finally:
            heartbeat.request_stack.pop()
    assert run == [True, True, False, False]


def test_a_task_whose_transaction_was_given_up_runs_again() -> None:
    class Lost(Exception):
        sqlstate = "40P01"

    calls: list[int] = []

    @shared_task(name="tests.deployment.lost_race")
    def lost_race() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise OperationalError("deadlock detected") from Lost()
        return "done"

    assert lost_race() == "done"
    assert len(calls) == 3


def test_arguments_of_a_newer_version_are_left_out_and_its_keywords_are_refused() -> None:
    calls: list[tuple[str, str]] = []

    @shared_task(name="tests.deployment.newer_message")
    def newer_message(one: str, two: str = "") -> None:
        calls.append((one, two))

    run: Callable[..., object] = newer_message
    run("a")
    run("a", "b", "unknown here")
    assert calls == [("a", ""), ("a", "b")]
    with pytest.raises(TypeError):
        run("a", must="be obeyed")


def test_ten_messages_that_piled_up_are_one_run(redis_db: Any) -> None:
    class Request:
        sent_ms = 1_000

    needed = []
    for _ in range(10):
        with unless_covered(Request, "reconcile") as run:
            needed.append(run.needed)
    assert needed == [True] + [False] * 9


@pytest.mark.parametrize("wrong", [-600, 600])
def test_a_clock_ten_minutes_off_covers_nothing_that_was_sent_later(redis_db: Any, wrong: int) -> None:
    def sent(seconds: float) -> Any:
        headers: dict[str, Any] = {}
        with time_machine.travel(time.time() + seconds, tick=True):
            covered.stamp(messages.RECONCILE, headers)
        return SimpleNamespace(**headers)

    before = sent(wrong)
    time.sleep(0.01)
    with time_machine.travel(time.time() - wrong, tick=True), unless_covered(before, messages.RECONCILE) as run:
        assert run.needed
    time.sleep(0.01)
    for request, needed in ((before, False), (sent(wrong), True), (sent(0), True)):
        with unless_covered(request, messages.RECONCILE) as run:
            assert run.needed is needed
            run.failed = True


@pytest.mark.parametrize("wrong", [-600, 600])
def test_a_message_expires_by_redis_clock_whatever_the_hosts_say(redis_db: Any, wrong: int) -> None:
    with time_machine.travel(time.time() + wrong, tick=True):
        current_app.send_task(messages.HEARTBEAT, args=("x",), queue="triage", expires=20)
    raw: Any = cache.broker().rpop(cache.key("triage"))
    headers = json.loads(raw)["headers"]
    task = current_app.tasks[messages.HEARTBEAT]
    request = symbol_by_name(task.Request).__new__(symbol_by_name(task.Request))
    request.id, request.expires = "expiring", datetime.fromisoformat(headers["expires"])
    for worker in (0, wrong, -wrong):
        with time_machine.travel(time.time() + worker, tick=True):
            assert not request.maybe_expire()
    request.expires -= timedelta(seconds=21)
    with time_machine.travel(time.time() + wrong, tick=True):
        assert request.maybe_expire()


def test_without_redis_a_message_says_nothing_of_when_it_was_sent_and_expires_by_the_hosts_clock(settings: Any) -> None:
    settings.PRICES_URL = "redis://127.0.0.1:1/0"
    headers = {"expires": "2026-11-30T00:00:00+00:00"}
    covered.stamp(messages.SETTLE, headers)
    assert headers == {"expires": "2026-11-30T00:00:00+00:00"}
    with unless_covered(SimpleNamespace(sent_ms=1), messages.SETTLE) as run:
        assert run.needed


def test_a_run_that_failed_covers_nothing(redis_db: Any) -> None:
    class Request:
        sent_ms = 1_000

    with unless_covered(Request, "reconcile") as run:
        run.failed = True
    with pytest.raises(RuntimeError), unless_covered(Request, "reconcile"):
        raise RuntimeError
    with unless_covered(Request, "reconcile") as run:
        assert run.needed


def test_a_message_sent_after_the_run_began_is_run(redis_db: Any) -> None:
    with unless_covered(object(), "settle") as run:
        assert run.needed

    class Later:
        sent_ms = 1 << 50

    with unless_covered(Later, "settle") as run:
        assert run.needed
