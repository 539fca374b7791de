"""Any JSON feed that publishes probabilities, mapped by a configuration file (``TRIAGE_JSON_FEEDS``).

The file is a list of feeds::

    [{"name": "desk",                                     the source's name: letters, digits, dashes
      "series": ["KXHIGHNY"],                             which series it covers
      "url": "https://feed.example/{event}.json",         {event} and {series} are filled in
      "as_of": "/meta/updated",                           JSON pointer to the feed's own time (ISO or Unix seconds)
      "probabilities": "/outcomes",                       pointer to an object key -> probability
      "keys": "ticker",                                   keys are market tickers, or "strike" = "<floor>:<cap>"
      "error": "said to be 2 points",                     in words, shown beside the opinion
      "max_age_seconds": 900, "refresh_seconds": 300,
      "on_trial": true}]                                  scored, and silent until its record has beaten the market

Every listed outcome must be in the feed and the probabilities must add up to one within a hundredth; anything else is no
opinion. ``docs/triage-sources.md`` uses this file as its example of a source.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from string import Formatter
from typing import Any, Final
from urllib.parse import quote

from django.conf import settings

from kalbot.common.errors import SettingError
from triage import conf
from triage.sources.protocol import Client, EventFacts, NoOpinion, Opinion, Snapshot, SourceError, Subject
from triage.sources.values import number, unix_ms

_NAME: Final = re.compile(r"\A[a-z0-9-]{1,16}\Z")
_FIELDS: Final = ("name", "series", "url", "as_of", "probabilities")


class JsonFeed:
    """One configured feed as a source of its own name."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        if not isinstance(config, Mapping):
            raise SettingError(f"a JSON feed must be an object, not {config!r}")
        missing = [field for field in _FIELDS if not config.get(field)]
        if missing:
            raise SettingError(f"a JSON feed lacks {', '.join(missing)}")
        if not _NAME.match(str(config["name"])):
            raise SettingError(f"a JSON feed's name must be small letters, digits and dashes: {config['name']!r}")
        self.name = str(config["name"])
        self.refresh_seconds = _seconds(config, "refresh_seconds", 300)
        series = config["series"]
        if not isinstance(series, list) or not all(isinstance(one, str) for one in series):
            raise SettingError(f"series of the JSON feed {self.name} must be a list of names")
        if config.get("keys", "ticker") not in ("ticker", "strike"):
            raise SettingError(f"keys of the JSON feed {self.name} must be ticker or strike")
        self._series = frozenset(series)
        self._url = str(config["url"])
        _check_address(self._url, self.name)
        self._as_of, self._probabilities = str(config["as_of"]), str(config["probabilities"])
        self._by_strike = config.get("keys", "ticker") == "strike"
        self._error = str(config.get("error", "not stated by the feed"))
        self.on_trial = bool(config.get("on_trial", False))
        self._max_age_ms = _seconds(config, "max_age_seconds", 900) * 1000

    def subject(self, event: EventFacts) -> Subject | NoOpinion:
        if event.series not in self._series:
            return NoOpinion(f"{self.name} does not cover {event.series}")
        url = self._url.format(event=quote(event.ticker, safe=""), series=quote(event.series, safe=""))
        if not conf.may_query(url):
            return NoOpinion("the exchange is a simulator; the feed is not")
        return Subject(event.ticker, {"url": url})

    def fetch(self, subject: Subject, client: Client, now_ms: int) -> Snapshot:
        answer = client.get_json(str(subject.data["url"]))
        as_of, found = pointer(answer, self._as_of), pointer(answer, self._probabilities)
        if not isinstance(found, Mapping):
            raise SourceError(f"nothing at {self._probabilities}")
        return Snapshot(now_ms, moment_ms(as_of), {"probabilities": {str(k): probability(v) for k, v in found.items()}})

    def opine(self, event: EventFacts, subject: Subject, snapshot: Snapshot, now_ms: int) -> Opinion | NoOpinion:
        age = now_ms - snapshot.as_of_ms
        if not -60_000 <= age <= self._max_age_ms:
            return NoOpinion(f"the feed is {age / 60_000:.0f} min old")
        said = snapshot.data["probabilities"]
        keys = {x.ticker: f"{x.floor}:{x.cap}" if self._by_strike else x.ticker for x in event.listings}
        missing = sorted(ticker for ticker, key in keys.items() if key not in said)
        if missing:
            return NoOpinion(f"the feed does not know {', '.join(missing)}")
        found = {ticker: float(said[key]) for ticker, key in keys.items()}
        total = sum(found.values())
        if abs(total - 1) > 0.01:
            return NoOpinion(f"the feed's probabilities add up to {total:.2f}")
        return Opinion({t: p / total for t, p in found.items()}, snapshot.as_of_ms, f"says {self.name}", self._error)


def _check_address(url: str, name: str) -> None:
    """Raises SettingError where anything but {event} and {series} is to be filled in."""
    try:
        fields = [field for _, field, _, _ in Formatter().parse(url) if field is not None]
    except ValueError as error:
        raise SettingError(f"the address of the JSON feed {name} cannot be read: {error}") from error
    if not set(fields) <= {"event", "series"} or not url.startswith(("http://", "https://")):
        raise SettingError(
            f"the address of the JSON feed {name} must begin with http and name only {{event}} and {{series}}"
        )


def _seconds(config: Mapping[str, Any], name: str, default: int) -> int:
    value = config.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise SettingError(f"{name} of the JSON feed {config['name']} must be a whole number of seconds, not {value!r}")
    return value


def pointer(document: Any, path: str) -> Any:
    """The value at a JSON pointer (RFC 6901). SourceError if there is none."""
    value = document
    for part in path.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            raise SourceError(f"nothing at {path}")
    return value


def moment_ms(value: Any) -> int:
    """Unix milliseconds of an ISO time with offset or of Unix seconds. SourceError for anything else."""
    seconds = number(value)
    if seconds is not None and 1e9 < seconds < 1e10:
        return int(seconds * 1000)
    found = unix_ms(value)
    if found is None:
        raise SourceError(f"no time with its zone: {value!r}")
    return found


def probability(value: Any) -> float:
    """A number from 0 to 1. SourceError for anything else, a percentage too."""
    found = None if isinstance(value, str) else number(value)
    if found is None or not 0 <= found <= 1:
        raise SourceError(f"not a probability: {value!r}")
    return found


def configured() -> tuple[JsonFeed, ...]:
    """The feeds of the configuration file; none without one. SettingError in words if the file is wrong."""
    path = settings.TRIAGE_JSON_FEEDS
    return _read(path, Path(path).stat().st_mtime_ns if path and Path(path).is_file() else 0) if path else ()


@lru_cache(maxsize=4)
def _read(path: str, version: int) -> tuple[JsonFeed, ...]:
    try:
        rows = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingError(f"TRIAGE_JSON_FEEDS names {path}, which cannot be read: {error}") from error
    if not isinstance(rows, list):
        raise SettingError(f"{path} must hold a list of feeds")
    return tuple(JsonFeed(row) for row in rows)
