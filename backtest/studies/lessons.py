"""What triage sources said while a tape was recorded: rows to learn from, as an assessment would have stored them.

Only answers that were recorded teach anything (a tape of ours with triage at work); each counts from the moment at which it was received,
by the product's own sources, and never without its issue time. Recorded sets of others hold no answers of sources, so they teach nothing
here; their forecasts are walked forward by ``triage_evidence``.
"""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Final

from backtest.replay.books import ReplayBooks, ReplayPrices
from backtest.replay.clock import SimulatedClock
from backtest.replay.feed import Feed
from backtest.replay.session import alone
from kalbot.common import clock
from markets.models import Event
from markets.tape.reader import Tape
from markets.tape.records import Kind, Record
from triage.learning import current, points
from triage.models import PointForecast
from triage.sources import registry
from triage.sources.facts import event_facts

MOST: Final = 1_000_000


def read(tape: Path) -> list[PointForecast]:
    """Forecasts of the tape, those settled that settled on it; not stored. Raises FileNotFoundError where there is no tape."""
    records = Tape.open(tape).records()
    first = next(records, None)
    if first is None:
        return []
    simulated = SimulatedClock(first.received_ns)
    current.forget()
    try:
        with alone(tape, 1, simulated):
            books = ReplayBooks()
            feed = Feed(books, ReplayPrices(books))
            for record in chain((first,), records):
                simulated.set(record.received_ns)
                feed.apply(record)
                if record.kind is Kind.SOURCE:
                    feed.catalogue.flush()
                    _hear(record)
            feed.catalogue.flush()
            points.settle(points.waiting(MOST))
            return list(PointForecast.objects.order_by("formed_at", "pk"))
    finally:
        current.forget()


def _hear(record: Record) -> None:
    """Store what the source of this answer says of the open events that it covers."""
    try:
        content = json.loads(record.payload)
        heard = (content["source"], content["subject"])
    except (ValueError, LookupError, TypeError):
        return  # refused by the feed, which counts it
    events = {
        event.ticker: event for event in Event.objects.filter(is_open=True, is_family=False).select_related("series")
    }
    covered = [facts for facts in event_facts(events).values() if heard in registry.subjects([facts])]
    now_ms = clock.now_ms()
    said = registry.reports(covered, now_ms)
    points.store(
        {ticker: [line for line in lines if line.source == heard[0]] for ticker, lines in said.items()}, now_ms
    )


def keep(found: list[PointForecast]) -> int:
    """Store forecasts of a tape beside those that were heard live; one that is known already stays as it is. Returns how many are new."""
    before = PointForecast.objects.count()
    for row in found:
        row.pk, row._state.adding = None, True
        row.version = 0  # what was learned when the tape was recorded is not a version of here
    PointForecast.objects.bulk_create(found, ignore_conflicts=True, batch_size=500)
    return PointForecast.objects.count() - before
