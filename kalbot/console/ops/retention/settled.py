"""Events that are over and that nobody traded: first their long texts go, a year later the rows.

What is left of them after a month is what statistics and triage read: the outcomes, strikes, results and settlement values, and
one row of a certificate that says what was granted. An event that the exchange opens again is written and certified again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db.models import Exists, OuterRef, Q, QuerySet

from kalbot.common import clock
from markets.catalogue.writing import catalogue_transaction
from markets.models import Certificate, Event, Market
from strategies.models import Decision
from triage.models import PointForecast, SourceForecast

TEXTS_DAYS: Final = 30
ROWS_DAYS: Final = 400
BATCH: Final = 200
MOST_BATCHES: Final = 500


def shorten() -> int:
    """Drop rules texts and evidence of events that ended a month ago. Returns how many events were shortened."""
    total = 0
    due = _over(TEXTS_DAYS).exclude(content_hash="", rules_hash="")
    for _ in range(MOST_BATCHES):
        events = list(due.order_by().values_list("pk", flat=True)[:BATCH])
        if not events:
            break
        _shorten(events)
        total += len(events)
    return total


def forgettable() -> QuerySet[Event]:
    """Events that ended more than a year ago and have taught nobody anything; their markets and certificates go with them."""
    of = {"event": OuterRef("pk")}
    return _over(ROWS_DAYS).exclude(
        Exists(PointForecast.objects.filter(**of)) | Exists(SourceForecast.objects.filter(**of))
    )


def _over(days: int) -> QuerySet[Event]:
    before = clock.now() - timedelta(days=days)
    ended = Event.objects.filter(is_open=False, updated_at__lt=before)
    decided = Decision.objects.filter(Q(event=OuterRef("pk")) | Q(event__members__event=OuterRef("pk")))
    return ended.exclude(Exists(decided))


def _shorten(events: list[str]) -> None:
    with catalogue_transaction(events):
        _shorten_now(events)


def _shorten_now(events: list[str]) -> None:
    """The hashes go first of all: what the exchange lists again differs from them and is written in full."""
    Event.objects.filter(pk__in=events).update(content_hash="", rules_hash="")
    Market.objects.filter(event__in=events).update(rules_primary="", rules_secondary="", content_hash="")
    of_events = Certificate.objects.filter(event__in=events).exclude(status=Certificate.Status.REVOKED)
    later = Certificate.objects.filter(event=OuterRef("event"), version__gt=OuterRef("version"))
    of_events.filter(Exists(later)).delete()
    granted = Q(status=Certificate.Status.GRANTED)
    of_events.filter(granted).update(reason="It was granted until the event had ended.")
    of_events.filter(ended_at=None).update(ended_at=clock.now())
    of_events.update(status=Certificate.Status.VOID, evidence=[], states={}, residual=[])
