"""What a position waits for, as lists, pages and search write it."""

from __future__ import annotations

from kalbot.common import clock
from kalbot.console.ui import formats
from trading.waiting import Waiting


def sentence(waiting: Waiting | None) -> str:
    """``"waits for fills of 2 orders, since 12 s ago; next try in 1 s"``; a residual follows a colon. Empty: it has ended."""
    if waiting is None:
        return ""
    what = waiting.what if waiting.what.startswith("for ") else f": {waiting.what}"
    since = f"since {formats.moment(waiting.since)}"
    return f"{'waits ' if what == waiting.what else 'waits'}{what}, {since}{next_try(waiting)}"


def next_try(waiting: Waiting) -> str:
    """``"; next try in 12 s"``, or that it is due; empty where nothing is tried."""
    if waiting.next_try is None:
        return ""
    now = clock.now()
    return f"; next try {formats.ago(waiting.next_try, now)}" if waiting.next_try > now else "; next try is due"


def unusual(waiting: Waiting | None) -> str:
    """The same for lists, which leave out what nearly every open basket waits for: its settlement."""
    return "" if waiting is None or waiting.is_usual else sentence(waiting)
