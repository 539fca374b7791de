"""The scan: every open event of the exchange into rows, page by page, memory flat.

What is absent is only known after a *complete* pass: a listing that broke off says nothing about what it did not show. One scan at a time:
a lock keeps the others out, and one whose lock expired while it was held up is ended by the next one and writes no more.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from kalbot.common import cache, clock
from kalbot.common.db.retry import retried
from markets.catalogue import families, family_moves
from markets.catalogue.rows import market_row
from markets.catalogue.series import refresh_series
from markets.catalogue.upsert import ABSENT, PageResult, store_events
from markets.catalogue.writing import catalogue_transaction, update_events
from markets.kalshi.errors import KalshiError, NotFound, Rejected, SchemaError
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.schemas import Event as WireEvent
from markets.kalshi.vocabulary import COMBO_PREFIX, OPEN_STATUSES, MarketStatus
from markets.models import Event, Market, Scan
from markets.tape.recorder import recorder
from markets.terms import certificates

log = logging.getLogger(__name__)

LOCK_SECONDS: Final = 45
"""Every step (a page, a fetched event), which takes far less, renews the lock; a scan whose worker died is replaced after this time."""
REFETCH_LIMIT = 100
"""Most events, and most markets, that one scan fetches one by one; the rest waits for the next scan."""
NOT_FINAL = tuple(status.value for status in MarketStatus if status is not MarketStatus.FINALIZED)

Progress = Callable[[Scan], None]
Step = Callable[[], None]

_EVENT_TICKER = re.compile(r'"event_ticker"\s*:\s*"([^"]+)"')


class Overtaken(Exception):
    """Another scan has taken this one's place."""


@contextmanager
def turn() -> Iterator[Progress | None]:
    """The right to scan until the block ends, as what ``scan`` calls to keep it; None while another scan has it. Scans that left a
    turn unfinished are over."""
    with cache.lock("scan", LOCK_SECONDS) as acquired:
        if acquired:
            end_abandoned()
        yield (lambda row: acquired.renew()) if acquired else None


def scan(client: KalshiClient, *, progress: Progress | None = None) -> Scan:
    """Read all open events and bring the database up to date. Returns the finished Scan row, done or failed.

    ``progress`` is called with the row after every step: the series, each page, each event that is fetched by itself. Errors of the
    exchange end in a failed scan with their sentence; what was read until then is kept, and nothing is marked as gone.
    """
    row = Scan.objects.create(started_at=clock.now())
    began = time.monotonic()

    def step() -> None:
        _require_turn(row)
        if progress is not None:
            progress(row)

    try:
        refresh_series(client)
        step()
        seen, complete = _read_pages(client, row, step)
        if complete:
            row.events_gone = _close_absent(seen)
        refetch_missing(client, step)
        refetch_absent(client, step)
        step()
        if complete:
            retried(families.refresh)
        row.status = Scan.Status.DONE
        tape = recorder("scan")
        if tape is not None:
            tape.scanned()
    except Overtaken:
        log.warning("scan %s ends after %s pages: another one has taken its place", row.pk, row.pages)
    except KalshiError as error:
        row.status = Scan.Status.FAILED
        row.error = f"{type(error).__name__}: {error}"
        log.warning("scan %s failed after %s pages: %s", row.pk, row.pages, error)
    except BaseException as error:
        row.status = Scan.Status.FAILED
        row.error = f"{type(error).__name__}: {error}"
        raise
    finally:
        row.finished_at = clock.now()
        row.duration_ms = int((time.monotonic() - began) * 1000)
        _finish(row)
    return row


def _require_turn(row: Scan) -> None:
    """Raises Overtaken when another scan has ended this one. In a transaction that other scan waits until it is over."""
    if not Scan.objects.filter(pk=row.pk, status=Scan.Status.RUNNING).update(pages=row.pages):
        raise Overtaken


def _finish(row: Scan) -> None:
    """Store how it ended, unless another scan has ended it before."""
    columns = [field.attname for field in Scan._meta.concrete_fields if not field.primary_key]
    values = {name: getattr(row, name) for name in columns}
    if not Scan.objects.filter(pk=row.pk, status=Scan.Status.RUNNING).update(**values):
        row.refresh_from_db()


def end_abandoned() -> int:
    """End the scans that somebody left unfinished, or that get on too slowly: those write no more. Returns how many."""
    running = Scan.objects.filter(status=Scan.Status.RUNNING)
    return running.update(
        status=Scan.Status.FAILED,
        error="no page in time: its process ended or was too slow, and the next scan took over",
        finished_at=clock.now(),
    )


def fetch_events(client: KalshiClient, tickers: Iterable[str]) -> list[str]:
    """Fetch single events (new, changed or disappeared ones) and store them. Returns those that could be read.

    Raises Unreachable when the exchange does not answer; a refusal or an unreadable answer concerns its event only.
    """
    found = []
    tape = recorder("scan")
    for ticker in tickers:
        try:
            event, answer = client.catalogue.event_answer(ticker)
        except NotFound:
            Event.objects.filter(pk=ticker).update(is_open=False, content_hash="", updated_at=clock.now())
            continue
        except (Rejected, SchemaError) as error:
            log.warning("event %s could not be read: %s", ticker, error)
            Event.objects.filter(pk=ticker).update(updated_at=clock.now())
            continue
        if is_combo(event):
            continue
        _store([event])
        if tape is not None:
            tape.event(answer)
        found.append(ticker)
    return found


def is_combo(event: WireEvent) -> bool:
    """Multi-leg combos are left out: by the ticker's beginning, or because a market says so."""
    return event.event_ticker.startswith(COMBO_PREFIX) or any(market.mve for market in event.markets)


def _read_pages(client: KalshiClient, row: Scan, step: Step) -> tuple[set[str], bool]:
    """Store every page. Returns the tickers seen, and whether absence from them means anything."""
    seen: set[str] = set()
    complete = True
    tape = recorder("scan")
    for page in client.catalogue.events(status="open", with_nested_markets=True):
        row.pages += 1
        row.rejected += len(page.rejected)
        for rejection in page.rejected:
            named = _EVENT_TICKER.search(rejection.sample)
            complete = complete and named is not None
            log.warning("scan %s: an event was refused: %s: %s", row.pk, rejection.reason, rejection.sample[:160])
        events = [event for event in page.events if event.event_ticker not in seen and not is_combo(event)]
        row.combos_left_out += sum(1 for event in page.events if is_combo(event))
        seen.update(event.event_ticker for event in events)
        result = _store(events, row)
        if tape is not None:
            tape.events(page.raw, result.changed)
        _count(row, events, result)
        step()
    return seen, complete


def _store(events: list[WireEvent], row: Scan | None = None) -> PageResult:
    """Rows and the certificates that hang on them in one transaction: a death in between must not leave a certificate that outlives
    its facts, because the next scan would find nothing changed."""

    def store() -> PageResult:
        with catalogue_transaction(event.event_ticker for event in events):
            if row is not None:
                _require_turn(row)
            result = store_events(events, row)
            certificates.refresh(result.changed)
            family_moves.end_moved(result.changed)
        return result

    return retried(store)


def _count(row: Scan, events: list[WireEvent], result: PageResult) -> None:
    row.events += len(events)
    row.markets += sum(len(event.markets) for event in events)
    row.events_written += result.events_written
    row.markets_written += result.markets_written


def _close_absent(seen: set[str]) -> int:
    """Mark events that were open and are not any more. An event whose page entry was refused counts as gone too: what cannot
    be read must not be traded."""
    listed = Event.objects.filter(is_open=True, is_family=False).values_list("ticker", flat=True)
    gone = [ticker for ticker in listed if ticker not in seen]
    update_events(gone, is_open=False, content_hash="")
    return len(gone)


def refetch_missing(client: KalshiClient, step: Step, limit: int = REFETCH_LIMIT) -> list[str]:
    """Fetch events that left the open listing although their markets are not final here, for their results.

    Those fetched longest ago come first, so that none is starved.
    """
    rows = Event.objects.filter(is_open=False, markets__status__in=NOT_FINAL).order_by("updated_at")
    tickers = list(dict.fromkeys(rows.values_list("ticker", flat=True)[: limit * 4]))[:limit]
    found = fetch_events(client, _stepping(tickers, step))
    update_events(found)
    return found


def _stepping(tickers: Iterable[str], step: Step) -> Iterator[str]:
    """The same, with a step before each."""
    for ticker in tickers:
        step()
        yield ticker


def refetch_absent(client: KalshiClient, step: Step, limit: int = REFETCH_LIMIT) -> None:
    """Fetch markets that their event no longer lists; one that the exchange does not know either stays absent."""
    rows = Market.objects.filter(status=ABSENT).order_by("updated_at")
    for ticker, event in list(rows.values_list("ticker", "event_id")[:limit]):
        step()
        try:
            found = client.catalogue.market(ticker)
        except (Rejected, SchemaError):
            Market.objects.filter(pk=ticker).update(updated_at=clock.now())
            continue
        row = market_row(found)
        del row["ticker"]
        row["content_hash"] = ""  # the event's own listing has the last word
        if row["status"] in OPEN_STATUSES:
            row["status"] = ABSENT
        with catalogue_transaction([event]):
            Market.objects.filter(pk=ticker).update(**row, updated_at=clock.now())
            certificates.refresh([event])
            family_moves.end_moved([event])
