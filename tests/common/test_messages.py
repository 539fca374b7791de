"""Task messages: the project's application sends them in every thread, and a dead broker stops nobody."""

import logging
import threading

import celery
import pytest

from kalbot.celery import app
from kalbot.common import messages


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
