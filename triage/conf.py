"""Triage's settings: from Django's settings where they are there, else from the environment, else these defaults.

========================= ============================================  =======================================
name                       default                                      what
========================= ============================================  =======================================
``TRIAGE_SOURCES``        ``nws,openmeteo,citytemp,jsonfeed``           sources consulted; empty = none
``NWS_URL``               ``https://api.weather.gov``                   US National Weather Service
``OPENMETEO_URL``         ``https://api.open-meteo.com``                second forecast
``CITYTEMP_URL``          the exchange's REST address                   city temperature index
``TRIAGE_JSON_FEEDS``     none                                          file with feeds, see docs/triage-sources.md
``TRIAGE_FETCH_SECONDS``  ``12``                                        most that one fetch may take
``TRIAGE_REFRESH_SECONDS`` each source's own; 5 beside a simulator      how often a source is asked again
``TRIAGE_WORLD_SPEED``    ``1``                                         how much faster a simulator's days pass
``CONTACT``               none                                          who we are, in every request
========================= ============================================  =======================================

While the exchange is on this machine (a simulator), sources elsewhere are not asked: the simulated day is not the real one.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from django.conf import settings

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def text(name: str, default: str = "") -> str:
    """A setting as text."""
    value = getattr(settings, name, None)
    return str(value) if value is not None else os.environ.get(name, default)


def seconds(name: str, default: float) -> float:
    """A setting in seconds; a value that is no positive number counts as the default."""
    try:
        value = float(text(name, str(default)))
    except ValueError:
        return default
    return value if value > 0 else default


def sources() -> frozenset[str]:
    """Names of the sources to consult."""
    named = text("TRIAGE_SOURCES", "nws,openmeteo,citytemp,jsonfeed")
    return frozenset(part.strip() for part in named.split(",") if part.strip())


def nws_url() -> str:
    """Base address of the National Weather Service."""
    return text("NWS_URL", "https://api.weather.gov").rstrip("/")


def openmeteo_url() -> str:
    """Base address of the second forecast."""
    return text("OPENMETEO_URL", "https://api.open-meteo.com").rstrip("/")


def citytemp_url() -> str:
    """Base address of the exchange's live data."""
    return text("CITYTEMP_URL", settings.KALSHI_REST_URL).rstrip("/")


def user_agent() -> str:
    """How we name ourselves, with the contact that the weather services ask for."""
    contact = text("CONTACT") or text("KALBOT_CONTACT")
    return f"Kalbot/0.1 ({contact})" if contact else "Kalbot/0.1 (no contact configured)"


def is_local(url: str) -> bool:
    """Whether an address is on this machine."""
    return urlsplit(url).hostname in LOOPBACK


def is_simulated() -> bool:
    """Whether the exchange is on this machine: then its days are not the real ones."""
    return is_local(settings.KALSHI_REST_URL)


def world_speed() -> float:
    """How many seconds of a simulator's day pass in one of ours; 1 with a real exchange whatever the setting says."""
    return seconds("TRIAGE_WORLD_SPEED", 1.0) if is_simulated() else 1.0


def refresh_seconds(own: float) -> float:
    """How often to ask a source whose own wish is ``own``."""
    return seconds("TRIAGE_REFRESH_SECONDS", 5.0 if is_simulated() else own)


def may_ask(url: str) -> bool:
    """Whether a source at ``url`` speaks of the same world as the exchange: both real, or both on this machine."""
    return is_local(url) or not is_simulated()
