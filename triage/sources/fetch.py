"""Polite HTTP for sources: named, limited, retried, bounded in time and size; a host that fails is left alone for a while.

Only ``fetch`` of a source uses this, in a task of its own; no assessment ever waits for it.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from math import ceil
from threading import Lock
from typing import Any, Final
from urllib.parse import urlsplit

import redis
import requests
import urllib3
from django.conf import settings

from kalbot.common import cache
from triage import conf
from triage.sources.deadline import CutAdapter
from triage.sources.protocol import SourceError

log = logging.getLogger(__name__)

BIGGEST: Final = 4_000_000
TRIES: Final = 2
SPACING_SECONDS: Final = 0.1
"""Least time between two requests of one process to one host."""
PAUSES: Final = (15, 60, 300)
"""Seconds a host is left alone after its first, second and further failures in a row."""
RETRIED: Final = frozenset({429, 500, 502, 503, 504})

_turns: dict[str, float] = {}
_turns_lock = Lock()


class PoliteClient:
    """For one fetch: all its requests together, with their waiting, retries and reading, are over within ``seconds``."""

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds or settings.TRIAGE_FETCH_SECONDS
        self._deadline = time.monotonic() + self._seconds
        self._session = requests.Session()
        self._adapter = CutAdapter()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, self._adapter)
        self._session.headers.update(
            {"User-Agent": conf.user_agent(), "Accept": "application/geo+json, application/json"}
        )

    def get_json(self, url: str, params: Mapping[str, str] | None = None) -> Any:
        """The JSON of a successful answer. SourceError for anything else, at the latest at the client's deadline."""
        host, deadline = urlsplit(url).netloc, self._deadline
        if pause := paused_for(host):
            raise SourceError(f"{host} is left alone for {pause} s more after failures")
        problem, again_in = "no time", None
        for attempt in range(TRIES):
            _take_turn(host, deadline)
            answer, problem, again_in = self._try(url, params, deadline)
            if answer is not None:
                _succeeded(host)
                return answer.value
            if again_in is None or time.monotonic() + again_in >= deadline or attempt + 1 == TRIES:
                break
            time.sleep(again_in)
        if problem.startswith("HTTP 4") and problem != "HTTP 429":
            raise SourceError(f"{url}: {problem}")  # our request was wrong; the host is well
        _failed(host, again_in or 0.0)
        raise SourceError(f"{url}: {problem}")

    def _try(
        self, url: str, params: Mapping[str, str] | None, deadline: float
    ) -> tuple[_Answer | None, str, float | None]:
        """(answer, problem, seconds to wait before another try or None for "do not try again")."""
        left = deadline - time.monotonic()
        if left <= 0:
            return None, f"no answer within {self._seconds:g} s", None
        try:
            with (
                self._adapter.within(left),
                self._session.get(url, params=params, timeout=(min(3.0, left), left), stream=True) as response,
            ):
                if response.status_code != 200:
                    wait = _retry_after(response) if response.status_code in RETRIED else None
                    return None, f"HTTP {response.status_code}", wait
                return _Answer(json.loads(_read(response, deadline), object_pairs_hook=_known)), "", None
        except _TooMuch as error:
            return None, str(error), None
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError, RecursionError) as error:
            if time.monotonic() >= deadline - 0.01:
                return None, f"no answer within {self._seconds:g} s", None
            return None, f"{type(error).__name__}", 0.3


class _Answer:
    def __init__(self, value: Any) -> None:
        self.value = value


def _known(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. A key that comes twice with different values says nothing: it is null, and the rest stands."""
    found = dict(pairs)
    if len(found) < len(pairs):
        found |= {key: None for key, value in pairs if repr(value) != repr(found[key])}
    return found


class _TooMuch(Exception):
    """Too many bytes, or too slow a trickle of them."""


def _read(response: requests.Response, deadline: float) -> bytes:
    """The body, not longer than ``BIGGEST`` and not later than ``deadline``, however slowly it trickles in.

    ``read1`` returns with whatever one receive brings; reading by size would wait for the size."""
    parts, size = [], 0
    while part := response.raw.read1(65_536, decode_content=True):
        parts.append(part)
        size += len(part)
        if size > BIGGEST:
            raise _TooMuch(f"more than {BIGGEST} bytes")
        if time.monotonic() > deadline:
            raise _TooMuch("the answer trickles in too slowly")
    return b"".join(parts)


def _retry_after(response: requests.Response) -> float:
    try:
        return max(0.2, float(response.headers.get("Retry-After", "0.5")))
    except ValueError:
        return 0.5


def _take_turn(host: str, deadline: float) -> None:
    """Wait for this process's turn at the host."""
    with _turns_lock:
        now = time.monotonic()
        turn = max(now, _turns.get(host, 0.0))
        _turns[host] = turn + SPACING_SECONDS
    if turn >= deadline:
        raise SourceError(f"{host}: too many requests at once")
    if turn > now:
        time.sleep(turn - now)


def paused_for(host: str) -> int:
    """Seconds that a host is still left alone, 0 = not paused. All processes share this; without Redis nobody is paused."""
    try:
        left: int = cache.prices().ttl(cache.key(f"triage:pause:{host}"))
    except redis.RedisError:
        return 0
    return max(0, left)


def _failed(host: str, requested_seconds: float) -> None:
    """Leave the host alone, at least for as long as it requires (``Retry-After``), at most for an hour."""
    try:
        client = cache.prices()
        failures: int = client.incr(cache.key(f"triage:failures:{host}"))
        client.expire(cache.key(f"triage:failures:{host}"), 3600)
        pause = max(PAUSES[min(failures, len(PAUSES)) - 1], min(3600, ceil(requested_seconds)))
        client.set(cache.key(f"triage:pause:{host}"), failures, ex=pause)
        log.warning("source host %s failed %d times in a row, left alone for %d s", host, failures, pause)
    except redis.RedisError:
        log.warning("source host %s failed", host)


def _succeeded(host: str) -> None:
    try:
        cache.prices().delete(cache.key(f"triage:failures:{host}"))
    except redis.RedisError:
        log.debug("Redis is away")
