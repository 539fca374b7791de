"""The one place where trading waits."""

from __future__ import annotations

import time


def wait(seconds: float) -> None:
    """Sleep. Only ever short: longer waits are ``next_step_at`` and the sweeper's."""
    if seconds > 0:
        time.sleep(seconds)
