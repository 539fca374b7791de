"""What triage's settings (``kalbot/settings.py`` declares them) mean.

While the exchange is on this machine (a simulator), sources elsewhere are not queried: the simulated day is not the real one.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
ALL: Final = "all"
SIMULATED_REFRESH_SECONDS: Final = 5.0


def named_sources() -> frozenset[str]:
    """What ``TRIAGE_SOURCES`` lists: names of sources, or ``all``."""
    return frozenset(part.strip() for part in settings.TRIAGE_SOURCES.split(",") if part.strip())


def is_enabled(source: str) -> bool:
    """Whether a source is consulted: its name is listed, or ``all`` is."""
    return bool(named_sources() & {ALL, source})


def nws_url() -> str:
    """Base address of the National Weather Service."""
    return str(settings.NWS_URL).rstrip("/")


def openmeteo_url() -> str:
    """Base address of the second forecast."""
    return str(settings.OPENMETEO_URL).rstrip("/")


def citytemp_url() -> str:
    """Base address of the exchange's live data."""
    return str(settings.CITYTEMP_URL).rstrip("/")


def coinprice_url() -> str:
    """Base address of the coins' prices."""
    return str(settings.COINPRICE_URL).rstrip("/")


def scores_url() -> str:
    """Base address of the scoreboards."""
    return str(settings.SCORES_URL).rstrip("/")


def fred_url() -> str:
    """Base address of the calendar of economic releases."""
    return str(settings.FRED_URL).rstrip("/")


def user_agent() -> str:
    """How requests name us, with the contact that the weather services require."""
    contact = settings.CONTACT
    return f"Kalbot/0.1 ({contact})" if contact else "Kalbot/0.1 (no contact configured)"


def is_local(url: str) -> bool:
    """Whether an address is on this machine."""
    return urlsplit(url).hostname in LOOPBACK


def is_simulated() -> bool:
    """Whether the exchange is on this machine: then its days are not the real ones."""
    return is_local(settings.KALSHI_REST_URL)


def world_speed() -> float:
    """How many seconds of a simulator's day pass in one of ours; 1 with a real exchange whatever the setting says."""
    return float(settings.TRIAGE_WORLD_SPEED) if is_simulated() else 1.0


def refresh_seconds(own: float) -> float:
    """How often to fetch from a source whose own interval is ``own``, in seconds."""
    configured = settings.TRIAGE_REFRESH_SECONDS
    if configured is not None:
        return float(configured)
    return SIMULATED_REFRESH_SECONDS if is_simulated() else own


def may_query(url: str) -> bool:
    """Whether a source at ``url`` describes the same world as the exchange: both real, or both on this machine."""
    return is_local(url) or not is_simulated()
