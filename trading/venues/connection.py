"""The exchange's client of this thread: connections are kept alive between orders, and never shared between threads."""

from __future__ import annotations

import threading

from markets.kalshi.rest import KalshiClient

_local = threading.local()


def client() -> KalshiClient:
    """The thread's client, made from the settings on first use. SettingError without a usable key."""
    found: KalshiClient | None = getattr(_local, "client", None)
    if found is None:
        from markets import connect

        found = _local.client = connect.client(for_account=True)
    return found


def use(replacement: KalshiClient | None) -> None:
    """Let this thread talk through ``replacement`` (None: forget the present one)."""
    _local.client = replacement


def public() -> KalshiClient:
    """The thread's client for public reads, without a key: paper profiles need no account."""
    found: KalshiClient | None = getattr(_local, "client", None) or getattr(_local, "public", None)
    if found is None:
        from markets import connect

        found = _local.public = connect.client()
    return found
