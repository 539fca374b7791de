"""Fetching, away from every assessment: what open positions need and is due, side by side, within a time.

A source that hangs holds up nothing but its own thread: the run returns when its time is over, whoever is still waiting.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from django.db import connection

from kalbot.common import cache, clock
from markets.models import Event
from trading.closing import waiting
from trading.models import Position
from triage import conf
from triage.sources import cached, registry
from triage.sources.facts import event_facts
from triage.sources.fetch import PoliteClient
from triage.sources.protocol import Client, EventFacts, Snapshot, Source, SourceError, Subject

log = logging.getLogger(__name__)

THREADS = 6


@dataclass(slots=True)
class Refreshed:
    """What one run brought: ``fresh`` (source, key) with new content, ``failed`` with the reason, ``unfinished`` left behind."""

    fetched: int = 0
    not_due: int = 0
    unfinished: int = 0
    fresh: set[tuple[str, str]] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)


def refresh(seconds: float = 20.0, client: Client | None = None) -> Refreshed:
    """Fetch what open positions' events need and is due. Returns at the latest after ``seconds``."""
    if unknown := registry.unknown_names():
        log.error("TRIAGE_SOURCES names sources that do not exist: %s", ", ".join(sorted(unknown)))
    facts = open_event_facts()
    wanted = registry.subjects(facts)
    known = cached.load(list(wanted))
    now_ms, run = clock.now_ms(), Refreshed()
    due = []
    for pair, (source, subject) in wanted.items():
        if pair in known and now_ms - known[pair].fetched_ms < conf.refresh_seconds(source.refresh_seconds) * 1000:
            run.not_due += 1
        else:
            due.append((source, subject))
    _fetch_all(due, client, seconds, run)
    run.fresh = {p for p in run.fresh if p not in known or _said(known[p]) != _said(cached.load([p]).get(p))}
    run.events = sorted({event.ticker for event in facts for pair in registry.subjects([event]) if pair in run.fresh})
    return run


def open_event_facts() -> list[EventFacts]:
    """Facts of all events in which a position is assessed."""
    positions = Position.objects.filter(waiting.advised()).values("event_id")
    events = {e.ticker: e for e in Event.objects.filter(ticker__in=positions).select_related("series")}
    return list(event_facts(events).values())


def _said(snapshot: Snapshot | None) -> object:
    return None if snapshot is None else snapshot.data


def _fetch_all(due: Iterable[tuple[Source, Subject]], client: Client | None, seconds: float, run: Refreshed) -> None:
    started = time.monotonic()
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="source")
    tasks = {pool.submit(_fetch, source, subject, client): (source, subject) for source, subject in due}
    done, not_done = wait(tasks, timeout=max(0.0, seconds - (time.monotonic() - started)))
    pool.shutdown(wait=False, cancel_futures=True)
    for task in done:
        source, subject = tasks[task]
        problem = task.result()
        if problem:
            run.failed[f"{source.name}/{subject.key}"] = problem
        else:
            run.fetched += 1
            run.fresh.add((source.name, subject.key))
    run.unfinished = len(not_done)
    for task in not_done:
        source, subject = tasks[task]
        run.failed[f"{source.name}/{subject.key}"] = "no answer in time"


def _fetch(source: Source, subject: Subject, client: Client | None) -> str:
    """Fetch one subject; the problem in words, empty if it went well. One worker at a time fetches the same subject."""
    try:
        with cache.lock(f"triage:fetch:{source.name}:{subject.key}", 30) as acquired:
            if acquired:
                cached.store(source.name, subject.key, source.fetch(subject, client or PoliteClient(), clock.now_ms()))
        return ""
    except SourceError as error:
        return str(error)
    except Exception as error:
        log.exception("source %s failed on %s", source.name, subject.key)
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()
