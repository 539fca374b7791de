"""A ping outward while all is well: a service such as healthchecks.io calls people when it stays away, so that silence is noticed too."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

import requests
from django.conf import settings

from kalbot.console.ops.health import status
from markets.kalshi.rest.deadline import DeadlineAdapter, within

log = logging.getLogger(__name__)
SECONDS = 5.0


def ping() -> str:
    """Request ``DEADMAN_URL`` when no part is bad, ``DEADMAN_URL/fail`` when one is. Returns what was said; never raises."""
    if not settings.DEADMAN_URL:
        return "off"
    well = status.worst(status.check()) != status.BAD
    parts = urlsplit(settings.DEADMAN_URL)
    url = parts.geturl() if well else parts._replace(path=parts.path.rstrip("/") + "/fail").geturl()
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, DeadlineAdapter())
    try:
        # only the status counts: a body, however long, is not read
        with session, within(SECONDS), session.get(url, timeout=SECONDS, stream=True) as answer:
            answer.raise_for_status()
    except (requests.RequestException, ValueError) as error:
        log.warning("dead-man's ping failed (%s)", type(error).__name__)
        return f"failed: {type(error).__name__}"
    return "ok" if well else "fail"
