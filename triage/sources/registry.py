"""Which sources there are, and what they say about the events of a batch. Reads caches only; never the network.

Sources that contradict each other are not averaged: when two that speak of the same event put more than ``DISAGREE``
of their probability on different outcomes, neither has an opinion until they agree again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Final

from kalbot.common.errors import SettingError
from triage import conf
from triage.sources import cached, jsonfeed
from triage.sources.citytemp import CityTemperature
from triage.sources.coinprice import CoinPrice
from triage.sources.nws import NationalWeatherService
from triage.sources.openmeteo import OpenMeteo
from triage.sources.protocol import EventFacts, NoOpinion, Opinion, Report, Silence, Snapshot, Source, Subject
from triage.sources.releases import Releases
from triage.sources.scoreclock import ScoreClock

log = logging.getLogger(__name__)

BUILT_IN: Final[tuple[Source, ...]] = (
    NationalWeatherService(),
    OpenMeteo(),
    CityTemperature(),
    CoinPrice(),
    ScoreClock(),
    Releases(),
)
JSON_FEEDS: Final = "jsonfeed"
"""Enables the feeds of ``TRIAGE_JSON_FEEDS``."""
FAMILY: Final = "family"
"""The quotes of the event's whole family (``triage.assessment.family_opinions``), which is no class: nothing is fetched."""
ON_TRIAL: Final = frozenset({"coinprice", "scoreclock", FAMILY})
DISAGREE: Final = 0.5
REMEMBERED_MS: Final = 20_000
KEPT: Final = 20_000

_said: dict[tuple[str, str, str, str], tuple[int, int, Opinion | NoOpinion]] = {}


def sources() -> tuple[Source, ...]:
    """All sources that ``TRIAGE_SOURCES`` enables. A feed file that cannot be read is logged and means no feeds."""
    found: list[Source] = [source for source in BUILT_IN if conf.is_enabled(source.name)]
    if conf.is_enabled(JSON_FEEDS):
        try:
            found += jsonfeed.configured()
        except SettingError as error:
            log.error("%s", error)
    return tuple(found)


def on_trial() -> frozenset[str]:
    """Sources that are scored and say nothing until their record has beaten the market."""
    feeds = {one.name for one in sources() if isinstance(one, jsonfeed.JsonFeed) and one.on_trial}
    return ON_TRIAL | feeds


def unknown_names() -> frozenset[str]:
    """Names in ``TRIAGE_SOURCES`` that belong to no source: a source so misspelt would be silently off."""
    return conf.named_sources() - {source.name for source in BUILT_IN} - {JSON_FEEDS, FAMILY, conf.ALL}


def subjects(events: Iterable[EventFacts]) -> dict[tuple[str, str], tuple[Source, Subject]]:
    """Everything that is worth fetching for these events, each once: (source, key) -> source and subject."""
    found: dict[tuple[str, str], tuple[Source, Subject]] = {}
    for event in events:
        for source in sources():
            subject = _subject(source, event)
            if isinstance(subject, Subject):
                found[(source.name, subject.key)] = (source, subject)
    return found


def reports(events: Iterable[EventFacts], now_ms: int) -> dict[str, list[Report]]:
    """Event ticker -> what each source that covers it says. Sources that do not cover it leave no line, unless they would if the
    event did not name another source."""
    covered: list[tuple[EventFacts, Source, Subject]] = []
    found: dict[str, list[Report]] = {}
    for event in events:
        for source in sources():
            subject = _subject(source, event)
            if isinstance(subject, Subject):
                covered.append((event, source, subject))
            elif subject.code is Silence.OTHER_SOURCE:
                found.setdefault(event.ticker, []).append(Report(source.name, None, subject.reason, code=subject.code))
    snapshots = cached.load(list({(source.name, subject.key) for _, source, subject in covered}))
    for event, source, subject in covered:
        snapshot = snapshots.get((source.name, subject.key))
        found.setdefault(event.ticker, []).append(_report(source, event, subject, snapshot, now_ms))
    return {ticker: silence_contradictions(silence_after_release(lines)) for ticker, lines in found.items()}


def silence_after_release(lines: list[Report]) -> list[Report]:
    """The reports with every opinion taken back where the figure that decides the event is out."""
    out = next((line.reason for line in lines if line.code is Silence.RELEASED), None)
    if out is None:
        return lines
    return [line if line.opinion is None else Report(line.source, None, out, line.age_ms) for line in lines]


def silence_contradictions(lines: list[Report]) -> list[Report]:
    """The reports with the opinions of sources that contradict each other taken back."""
    against: dict[str, list[str]] = {}
    for one, other in combinations([line for line in lines if line.opinion is not None], 2):
        if (
            one.opinion
            and other.opinion
            and distance(one.opinion.probabilities, other.opinion.probabilities) > DISAGREE
        ):
            against.setdefault(one.source, []).append(other.source)
            against.setdefault(other.source, []).append(one.source)
    return [
        Report(line.source, None, f"contradicts {', '.join(against[line.source])}", line.age_ms)
        if line.source in against
        else line
        for line in lines
    ]


def distance(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Total variation distance: the share of probability put on different outcomes, 0 to 1."""
    return sum(abs(one.get(t, 0.0) - other.get(t, 0.0)) for t in one.keys() | other.keys()) / 2


def _subject(source: Source, event: EventFacts) -> Subject | NoOpinion:
    try:
        return source.subject(event)
    except Exception as error:
        log.exception("source %s failed on event %s", source.name, event.ticker)
        return NoOpinion(f"failed: {type(error).__name__}")


def _report(source: Source, event: EventFacts, subject: Subject, snapshot: Snapshot | None, now_ms: int) -> Report:
    if snapshot is None:
        return Report(source.name, None, "nothing fetched yet")
    said = _opinion(source, event, subject, snapshot, now_ms)
    if isinstance(said, Opinion):
        as_of = snapshot.fetched_ms if conf.is_simulated() else said.as_of_ms
        return Report(source.name, said, "", max(0, now_ms - as_of))
    return Report(source.name, None, said.reason, now_ms - snapshot.fetched_ms, said.code)


def _opinion(
    source: Source, event: EventFacts, subject: Subject, snapshot: Snapshot, now_ms: int
) -> Opinion | NoOpinion:
    """What the source says, remembered for ``REMEMBERED_MS``: positions in one event share it."""
    key = (source.name, event.ticker, event.digest, subject.key)
    known = _said.get(key)
    if known is not None and known[0] == snapshot.fetched_ms and 0 <= now_ms - known[1] < REMEMBERED_MS:
        return known[2]
    try:
        said = source.opine(event, subject, snapshot, now_ms)
    except Exception as error:
        log.exception("source %s failed on event %s", source.name, event.ticker)
        said = NoOpinion(f"failed: {type(error).__name__}")
    if len(_said) >= KEPT:
        _said.clear()
    _said[key] = (snapshot.fetched_ms, now_ms, said)
    return said
