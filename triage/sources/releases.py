"""The calendar of economic releases: when the figure that an event settles on comes out. It has no opinion of its own.

Before the release a person is warned, while there is still a market of expectations to leave by; after it whatever any source said before
holds no longer, because the market has the figure (``registry`` silences them). Dates are those of the Federal Reserve Bank of St. Louis
(FRED, a free key); the hour of each release is New York's and does not change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.conf import settings

from triage import conf
from triage.sources.protocol import Client, EventFacts, NoOpinion, Silence, Snapshot, SourceError, Subject
from triage.sources.values import number, objects

NEW_YORK: Final = ZoneInfo("America/New_York")
HOUR_MS: Final = 3_600_000
NEAR_MS: Final = 24 * HOUR_MS
"""So long before a release a person is warned."""
AROUND_MS: Final = 48 * HOUR_MS
"""A release farther from an event's close is not the one that it settles on."""
MAX_AGE_MS: Final = 72 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Release:
    """``number``: FRED's id. ``at``: New York's hour."""

    number: int
    name: str
    at: time


PRICES: Final = Release(10, "Consumer Price Index", time(8, 30))
JOBS: Final = Release(50, "Employment Situation", time(8, 30))
OUTPUT: Final = Release(53, "Gross Domestic Product", time(8, 30))
RATES: Final = Release(101, "FOMC decision", time(14, 0))
RELEASES: Final[Mapping[str, Release]] = {
    **dict.fromkeys(("KXCPI", "KXCPIYOY", "KXCPICORE", "KXCPICOREYOY"), PRICES),
    **dict.fromkeys(("KXPAYROLLS", "KXU3"), JOBS),
    "KXGDP": OUTPUT,
    **dict.fromkeys(("KXFED", "KXFEDDECISION"), RATES),
}
"""Series -> the release that it settles on. A series that is not listed is not covered."""


class Releases:
    """The source ``releases``."""

    name = "releases"
    refresh_seconds = 6 * 3600

    def subject(self, event: EventFacts) -> Subject | NoOpinion:
        release = RELEASES.get(event.series)
        if release is None:
            return NoOpinion("no economic release")
        if event.close_ms is None:
            return NoOpinion("no time of close")
        if not settings.FRED_API_KEY:
            return NoOpinion("no key of the calendar (FRED_API_KEY)")
        if not conf.may_query(conf.fred_url()):
            return NoOpinion("the exchange is a simulator; the real calendar says nothing about it")
        return Subject(f"fred/{release.number}", {"release": release.number})

    def fetch(self, subject: Subject, client: Client, now_ms: int) -> Snapshot:
        params = {
            "release_id": str(subject.data["release"]),
            "api_key": settings.FRED_API_KEY,
            "file_type": "json",
            "include_release_dates_with_no_data": "true",
            "sort_order": "desc",
            "limit": "100",
        }
        answer = client.get_json(f"{conf.fred_url()}/release/dates", params)
        return Snapshot(now_ms, now_ms, {"days": release_days(answer, int(subject.data["release"]))})

    def opine(self, event: EventFacts, subject: Subject, snapshot: Snapshot, now_ms: int) -> NoOpinion:
        if not 0 <= now_ms - snapshot.fetched_ms <= MAX_AGE_MS:
            return NoOpinion(f"the calendar is {(now_ms - snapshot.fetched_ms) / HOUR_MS:.0f} h old")
        release, close = RELEASES[event.series], event.close_ms or 0
        moments = [_moment(date.fromisoformat(day), release.at) for day in snapshot.data["days"]]
        at = min(moments, key=lambda ms: abs(ms - close), default=0)
        if abs(at - close) > AROUND_MS:
            return NoOpinion("the calendar has no release within two days of its close")
        if now_ms >= at:
            return NoOpinion(f"{release.name} is out: the market has the figure", Silence.RELEASED)
        words = f"{release.name} is released in {(at - now_ms) / HOUR_MS:.1f} h, and decides what is held"
        return NoOpinion(words, Silence.RELEASE_NEAR if at - now_ms <= NEAR_MS else Silence.ORDINARY)


def _moment(day: date, at: time) -> int:
    """Unix milliseconds of an hour in New York."""
    return int(datetime.combine(day, at, NEW_YORK).timestamp() * 1000)


def release_days(answer: Any, release: int) -> list[str]:
    """Days of a release, ISO, oldest first. Rows that cannot be read are left out; SourceError where nothing can."""
    if not isinstance(answer, Mapping):
        raise SourceError("not a calendar")
    found = set()
    for row in objects(answer.get("release_dates"), "the calendar"):
        if number(row.get("release_id")) == release and isinstance(row.get("date"), str):
            try:
                found.add(date.fromisoformat(row["date"]).isoformat())
            except ValueError:
                continue
    if not found:
        raise SourceError("a calendar without a day of the release")
    return sorted(found)
