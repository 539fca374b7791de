"""Series with their fee parameters, refreshed by every scan: about fifty change each quarter (docs/kalshi-protocol.md 11.1)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from django.db import transaction

from kalbot.common import clock
from kalbot.common.db.batches import batched
from markets.catalogue.rows import fee_change_row, series_row
from markets.catalogue.writing import catalogue_transaction
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.schemas import FeeChange as WireFeeChange
from markets.kalshi.schemas import Series as WireSeries
from markets.models import ContractTerms, FeeChange, Series
from markets.tape.recorder import recorder
from markets.terms import certificates
from markets.terms.registry.changes import series_moved

IN_FORCE_AFTER: Final = timedelta(minutes=10)

TERMS_COLUMNS: Final = tuple(field.name for field in ContractTerms._meta.concrete_fields if not field.primary_key)
COLUMNS = (
    "ticker",
    "title",
    "category",
    "tags",
    "frequency",
    "fee_type",
    "fee_multiplier_e6",
    "settlement_sources",
    "contract_terms_url",
    "exchange_index",
)


def refresh_series(client: KalshiClient) -> int:
    """Bring series and announced fee changes up to date. Returns how many series rows were written. Raises KalshiError."""
    written = store_series(client.catalogue.series_list().series)
    store_fee_changes([*client.catalogue.series_fee_changes(), *client.catalogue.event_fee_changes()])
    return written


def store_series(listed: Iterable[WireSeries]) -> int:
    """Write the series that differ from the database. A series that is not listed stays: its events still name it."""
    listed = list(listed)
    known = {values[0]: values for values in Series.objects.values_list(*COLUMNS)}
    rows = {series.ticker: series_row(series) for series in listed}
    changed = [row for ticker, row in rows.items() if known.get(ticker) != tuple(row[name] for name in COLUMNS)]
    tape = recorder("scan")
    if tape is not None:
        tape.series(listed, {row["ticker"] for row in changed})
        tape.terms(ContractTerms.objects.order_by("exchange", "url", "version").values(*TERMS_COLUMNS))
    with catalogue_transaction():
        Series.objects.bulk_create(
            [Series(**row) for row in changed],
            update_conflicts=True,
            unique_fields=["ticker"],
            update_fields=[*COLUMNS[1:], "updated_at"],
            batch_size=500,
        )
    at = COLUMNS.index("contract_terms_url")
    moved = {
        row["ticker"]: (str(known[row["ticker"]][at]), row["contract_terms_url"])
        for row in changed
        if row["ticker"] in known and known[row["ticker"]][at] != row["contract_terms_url"]
    }
    series_moved(moved)
    sources = COLUMNS.index("settlement_sources")
    for row in changed:
        ticker = row["ticker"]
        if ticker in known and ticker not in moved and known[ticker][sources] != row["settlement_sources"]:
            certificates.refresh_series(ticker)
    return len(changed)


def store_fee_changes(changes: Iterable[WireFeeChange]) -> None:
    """Keep announced changes. Those that the exchange no longer announces before their time were cancelled; those that
    have been in force for ``IN_FORCE_AFTER`` are in the rows of series and events by now."""
    rows = {row["change_id"]: row for row in map(fee_change_row, changes)}
    with transaction.atomic():
        known = FeeChange.objects.values_list("change_id", "scheduled_at")
        past, moment = clock.now() - IN_FORCE_AFTER, clock.now()
        over = [key for key, at in known if at < past or (at > moment and key not in rows)]
        for batch in batched(over):
            FeeChange.objects.filter(change_id__in=batch).delete()
        FeeChange.objects.bulk_create(
            [FeeChange(**row) for row in rows.values()],
            update_conflicts=True,
            unique_fields=["change_id"],
            update_fields=["series", "event_ticker", "fee_type", "fee_multiplier_e6", "scheduled_at"],
            batch_size=500,
        )
