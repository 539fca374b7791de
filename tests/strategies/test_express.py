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

from kalbot.common import cache, messages, receivers
from kalbot.common import express as lane
from kalbot.common.trace import Stage
from kalbot.console.ops.records import task_runs
from strategies import express, tasks
from strategies.cycle import cycle, rehearsal
from trading import express as purchases
from trading import tasks as trading_tasks

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
        monkeypatch.setattr(receivers, "PAUSE_SECONDS", 0.01)
        monkeypatch.setattr(lane, "WAIT_SECONDS", 0.05)

    def start(self, count: int = 1) -> None:
        express.crew.start(count, "strategy@here")
        _until(_is_served)

    def _run(self, trigger: str, events: list[str], moments: Any) -> None:
        assert trigger == cycle.NUDGE
        self.ran.append((events[0], moments))
        self.work(events[0])


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Worker]:
    made = _Worker(monkeypatch)
    yield made
    express.crew.end()


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
        assert "taking work past the queue goes on after a fault" in caplog.text


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
    assert "nothing can be taken past the queue: ConnectionError" in caplog.text


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
    express.crew.end_soon()
    lane.put(["E2"], 2)
    ending = threading.Thread(target=express.crew.end)
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
    crew = express.crew
    assert (crew.task, purchases.crew.task) == (TASK, trading_tasks.execute_decision.name)
    for other in (crew, purchases.crew):
        hung = {
            signals.worker_ready: other.begin,
            signals.worker_process_init: other.begin_in_child,
            signals.worker_shutting_down: other.end_soon,
            signals.worker_shutdown: other.end,
            signals.worker_process_shutdown: other.end,
        }
        for signal, receiver in hung.items():
            assert receiver in [known() for _, known in signal.receivers]
    started: list[int] = []
    monkeypatch.setattr(crew, "start", lambda count, node: started.append(count))
    app = SimpleNamespace(amqp=SimpleNamespace(queues=SimpleNamespace(consume_from=queues)))
    monkeypatch.setattr(receivers, "current_app", app)
    crew.begin(SimpleNamespace(pool=SimpleNamespace(executor=object())))
    crew.begin(SimpleNamespace(pool=SimpleNamespace()))  # its processes begin for themselves
    crew.begin_in_child()
    assert started == ([receivers.BESIDE_THREADS, 1] if queues == ["strategy"] else [])


class _Hang:
    """Work that does not end: in a loop of Python's, which can be ended, or in a call that cannot."""

    def __init__(self, worker: _Worker, monkeypatch: pytest.MonkeyPatch, *, in_loop: bool) -> None:
        self.over = threading.Event()
        self.in_loop = in_loop
        worker.work = self._work
        monkeypatch.setattr(express.crew, "limit_seconds", 0.1)
        monkeypatch.setattr(receivers, "WATCH_SECONDS", 0.02)

    def _work(self, event: str) -> None:
        if not event.startswith("HANGS"):
            return
        while self.in_loop:
            time.sleep(0)
        self.over.wait(30)


def test_an_evaluation_without_end_is_named_and_ended_and_its_thread_replaced(
    worker: _Worker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _Hang(worker, monkeypatch, in_loop=True)
    worker.start()
    first = express.crew.receivers[0].thread
    lane.put(["HANGS"], 1)
    lane.put(["E2"], 2)
    _until(lambda: [event for event, _ in worker.ran] == ["HANGS", "E2"])
    assert f"{TASK} of HANGS has taken more than 0.1 s" in caplog.text
    assert "in _work" in caplog.text, "where it stands"
    first.join(30)
    assert not first.is_alive()
    _until(lambda: [status for _, status in worker.written] == ["failed"])
    assert task_runs.counts()[TASK]["failed"] == 1


def test_what_cannot_be_ended_is_not_begun_again_beside_and_has_few_in_its_place(
    worker: _Worker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hang = _Hang(worker, monkeypatch, in_loop=False)
    monkeypatch.setattr(receivers, "MOST_STUCK", 2)
    monkeypatch.setattr(lane, "SERVED_SECONDS", 1)
    monkeypatch.setattr(express, "SAYS_SECONDS", 0.1)
    worker.start()
    for number in range(2):
        lane.put([f"HANGS{number}"], number)
        _until(lambda: len(express.crew.stuck) == number + 1)  # noqa: B023
        _until(lambda: len(express.crew.receivers) == 1)
    lane.put(["HANGS0"], 3)
    lane.put(["E4"], 4)
    _until(lambda: worker.ran[-1][0] == "E4")
    assert [event for event, _ in worker.ran] == ["HANGS0", "HANGS1", "E4"]
    assert f"{TASK} of HANGS0 is in work for long; it is not begun beside" in caplog.text
    lane.put(["HANGS2"], 5)
    _until(lambda: not express.crew.receivers)
    _until(lambda: not _is_served())
    assert lane.put(["E5"], 6) == lane.NOBODY, "it comes through the queue"
    stuck = express.crew.stuck
    hang.over.set()
    for receiver in stuck:
        receiver.thread.join(30)
