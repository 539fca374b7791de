"""What a process counts reaches Redis once, whatever its threads and forks do meanwhile."""

from __future__ import annotations

import os
import signal
import socket
import threading
from typing import Any

from kalbot.common import counters

NAME = "counted_in_tests"


def counted() -> list[tuple[dict[str, str], int]]:
    return counters.read().get(NAME, [])


def test_a_flush_waits_for_what_another_thread_is_sending(redis_db: Any, settings: Any) -> None:
    there = settings.PRICES_URL
    counters.flush()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.PRICES_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        counters.count(NAME, {})
        sending = threading.Thread(target=counters.flush)
        sending.start()
        first, _ = silent.accept()  # that thread, or the one of every second, has taken what was counted
        settings.PRICES_URL = there
        silent.close()
        threading.Timer(0.2, first.close).start()
        counters.flush()
    assert counted() == [({}, 1)]
    sending.join()


def test_a_fork_sends_nothing_of_its_parents_and_waits_for_none_of_its_threads(redis_db: Any) -> None:
    counters.flush()
    with counters._flushing:  # a thread of the parent is sending when the child is made
        counters.count(NAME, {})
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            counters.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert counted() == []
    counters.flush()
    assert counted() == [({}, 1)]
