"""Events go from the stream to a worker past Celery's queue while one waits for them, and through the queue while none does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from celery import signals

from kalbot.common import cache, messages
from kalbot.common import express as lane
from kalbot.common.trace import Stage
from kalbot.console.ops.records import task_runs
from strategies import express, tasks
from strategies.cycle import cycle, rehearsal

TASK = tasks.evaluate_event.name


def _until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def _is_served() -> bool:
    return bool(cache.prices().exists(cache.key(lane.SERVED)))


class _Worker:
    """Receivers whose evaluations are noted instead of run. ``work``: what one does beside."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ran: list[tuple[str, Any]] = []
        self.written: list[tuple[Any, ...]] = []
        self.work: Callable[[str], None] = lambda event: None
        monkeypatch.setattr(cycle, "run", self._run)
        monkeypatch.setattr(rehearsal, "run", lambda: None)
        monkeypatch.setattr(task_runs, "_write", lambda *args: self.written.append(args[1:3]))
        monkeypatch.setattr(express, "PAUSE_SECONDS", 0.01)
        monkeypatch.setattr(lane, "WAIT_SECONDS", 0.05)
        monkeypatch.setattr(express, "_receivers", [])

    def start(self, count: int = 1) -> None:
        express._start(count, "strategy@here")
        _until(_is_served)

    def _run(self, trigger: str, events: list[str], moments: Any) -> None:
        assert trigger == cycle.NUDGE
        self.ran.append((events[0], moments))
        self.work(events[0])


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Worker]:
    made = _Worker(monkeypatch)
    yield made
    express.end()


def test_an_event_waits_once_and_the_oldest_is_taken_first() -> None:
    lane.serve()
    assert lane.put(["E2", "E1"], 20) == 2
    assert lane.put(["E1", "E3"], 30) == 2
    assert lane.put(["E4"], 10) == 1
    assert 0 < cache.prices().pttl(cache.key(lane.WAITING)) <= lane.KEPT_MS
    assert [lane.take() for _ in range(4)] == [("E4", 10), ("E1", 20), ("E2", 20), ("E3", 30)]
    assert lane.put([f"F{number}" for number in range(lane.FULL + 7)], 40) == lane.FULL
    assert lane.put(["G"], 50) == 0


def test_an_event_goes_through_the_queue_unless_a_worker_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "_silent_until", 0.0)
    for served, depth in ((False, 1), (True, 1), (False, 2)):
        if served:
            lane.serve()
        else:
            lane.leave()
        messages.send(TASK, "E1", 1, 2)
        assert cache.queue_depths(["strategy"])["strategy"] == depth
    taken = lane.take()
    assert taken is not None
    assert taken.event == "E1"


def test_a_worker_evaluates_what_it_takes_as_the_task_that_the_queue_would_run(worker: _Worker) -> None:
    around: list[tuple[str, str]] = []

    def before(sender: Any, task_id: str, **kwargs: Any) -> None:
        around.append(("before", sender.name))
        assert (sender.request.id, sender.request.hostname) == (task_id, "strategy@here")

    def after(sender: Any, state: str, **kwargs: Any) -> None:
        around.append((state, sender.name))

    signals.task_prerun.connect(before)
    signals.task_postrun.connect(after)
    try:
        worker.start()
        assert lane.put(["E1"], 77) == 1
        _until(lambda: len(around) == 2)
    finally:
        signals.task_prerun.disconnect(before)
        signals.task_postrun.disconnect(after)
    assert worker.ran == [("E1", {Stage.WRITTEN: 77, Stage.NOTIFIED: 77})]
    assert around == [("before", TASK), ("SUCCESS", TASK)]
    _until(lambda: task_runs.counts()[TASK]["done"] == 1)


@pytest.mark.parametrize("fault", [RuntimeError, SystemExit])
def test_a_fault_ends_no_worker(worker: _Worker, fault: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    def fails(event: str) -> None:
        if event == "E1":
            raise fault("no")

    worker.work = fails
    worker.start()
    lane.put(["E1"], 1)
    lane.put(["E2"], 2)
    _until(lambda: [event for event, _ in worker.ran] == ["E1", "E2"])
    if fault is RuntimeError:
        _until(lambda: [status for _, status in worker.written] == ["failed"])
    else:
        assert "taking events goes on after a fault" in caplog.text


def test_a_redis_that_is_away_ends_no_worker(
    worker: _Worker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    take, times = lane.take, []

    def away() -> lane.Taken | None:
        times.append(1)
        if len(times) < 3:
            raise redis.ConnectionError
        return take()

    monkeypatch.setattr(lane, "take", away)
    worker.start()
    lane.put(["E1"], 1)
    _until(lambda: worker.ran)
    assert "no event can be taken: ConnectionError" in caplog.text


def test_of_two_that_wait_one_evaluates_each_event(worker: _Worker) -> None:
    worker.start(2)
    names = [f"E{number:02}" for number in range(30)]
    assert lane.put(names, 1) == 30
    _until(lambda: len(worker.ran) == 30)
    assert sorted(event for event, _ in worker.ran) == names


def test_a_worker_that_ends_finishes_what_it_has_taken_and_takes_no_more(
    worker: _Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, may_end = threading.Event(), threading.Event()

    def works(event: str) -> None:
        began.set()
        assert may_end.wait(30)

    monkeypatch.setattr(lane, "SERVED_SECONDS", 600)  # it does not lapse: it is taken back
    worker.work = works
    worker.start()
    lane.put(["E1"], 1)
    assert began.wait(30)
    express.end_soon()
    lane.put(["E2"], 2)
    ending = threading.Thread(target=express.end)
    ending.start()
    _until(lambda: not _is_served())
    assert lane.put(["E3"], 3) == lane.NOBODY
    assert ending.is_alive()
    may_end.set()
    ending.join(30)
    assert not ending.is_alive()
    assert [event for event, _ in worker.ran] == ["E1"]
    assert lane.take() == ("E2", 2), "it is left to others"


@pytest.mark.parametrize("queues", [["strategy"], ["execution"]])
def test_workers_of_that_queue_alone_wait_and_each_kind_of_pool_has_its_threads(
    queues: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hung = {
        signals.worker_ready: express.begin,
        signals.worker_process_init: express.begin_in_child,
        signals.worker_shutting_down: express.end_soon,
        signals.worker_shutdown: express.end,
        signals.worker_process_shutdown: express.end,
    }
    for signal, receiver in hung.items():
        assert receiver in [known() for _, known in signal.receivers]
    started: list[int] = []
    monkeypatch.setattr(express, "_start", lambda count, node: started.append(count))
    app = SimpleNamespace(amqp=SimpleNamespace(queues=SimpleNamespace(consume_from=queues)))
    monkeypatch.setattr(express, "current_app", app)
    express.begin(SimpleNamespace(pool=SimpleNamespace(executor=object())))
    express.begin(SimpleNamespace(pool=SimpleNamespace()))  # its processes begin for themselves
    express.begin_in_child()
    assert started == ([express.BESIDE_THREADS, 1] if queues == ["strategy"] else [])
