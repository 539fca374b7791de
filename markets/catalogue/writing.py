"""Writers of the catalogue take turns: a scan's page, a batch of lifecycle messages, a person's review and what is filled in or forgotten
later touch many of the same rows, each in its own order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from django.db import connection, transaction

from kalbot.common import clock
from kalbot.common.db.batches import batched
from markets.models import Event

TURN: Final = 7_203_001
"""The key of Postgres' advisory lock; SQLite has one writer anyway."""


@contextmanager
def catalogue_transaction(events: Iterable[str] = ()) -> Iterator[None]:
    """A transaction that no other writer of the catalogue runs beside; keep it short. ``events``: those that it may write, whose rows are
    locked first, in the order in which a decision on several locks them (``strategies.cycle.claims``)."""
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [TURN])
            list(
                Event.objects.select_for_update(no_key=True)
                .filter(pk__in=list(events))
                .order_by("pk")
                .values_list("pk")
            )
        yield


def update_events(tickers: Sequence[str], **columns: Any) -> None:
    """Set columns of many events, ``updated_at`` too, in short transactions."""
    for batch in batched(tickers):
        with catalogue_transaction(batch):
            Event.objects.filter(ticker__in=batch).update(**columns, updated_at=clock.now())
