"""The rows that views of events are made of: of everything that is open, or of a few events by statements that are compiled once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from django.db.models import CharField, DateTimeField, QuerySet

from kalbot.common import clock
from kalbot.common.db.fetch import Fetch, Queries
from kalbot.common.db.prepared import Among, Param, Prepared
from kalbot.common.db.prepared_columns import PreparedColumns
from markets.models import Certificate, Event, FeeChange, Market
from markets.terms.exhaustiveness import CERTIFICATE_VERSION
from strategies.catalogue import corrections, family_gates, settling
from strategies.catalogue.corrections import Powers

Row = Mapping[str, Any]

_EVENT_COLUMNS = (
    "ticker",
    "series_id",
    "title",
    "category",
    "mutually_exclusive",
    "collateral_return_type",
    "fee_type_override",
    "fee_multiplier_override_e6",
    "exchange_index",
    "close_time",
    "volume",
    "open_interest",
    "rules_hash",
    "series__fee_type",
    "series__fee_multiplier_e6",
    "series__category",
)
_MARKET_COLUMNS = (
    "event_id",
    "ticker",
    "yes_sub_title",
    "status",
    "market_type",
    "is_provisional",
    "notional_e6",
    "exchange_index",
    "settlement_bounds",
    "close_time",
    "expected_expiration_time",
    "yes_bid",
    "yes_bid_size",
    "yes_ask",
    "yes_ask_size",
)
_DEEP_COLUMNS = ("price_bands",)


class Rows(NamedTuple):
    """What views are made of. ``markets`` and ``events`` by ticker; ``changes``: announced fee changes whose time has come, oldest first:
    they count whatever the rows still say. Of a few events, deep, each has its ``family`` where that may count (``family_gates``)."""

    changes: Sequence[FeeChange]
    late: Mapping[str, int]
    powers: Powers
    markets: Iterable[Row]
    certificates: Iterable[Row]
    events: Iterable[dict[str, Any]]


def whole(deep: bool) -> Rows:
    """Of everything that is open; markets and events a few thousand at a time."""
    markets, certificates, events = _ALL_DEEP if deep else _ALL_FLAT
    return Rows(
        _CHANGES.rows(now=clock.now()),
        settling.late_ms(),
        corrections.powers(),
        _streamed(markets, 5000),
        certificates.named(certificates.rows()),
        _streamed(events, 2000),
    )


def go_by_the_clock() -> bool:
    """Whether views may change with time alone: by announced fees, corrections that hold for some hours before a close, families."""
    return bool(corrections.powers()) or FeeChange.objects.exists() or Event.objects.filter(is_family=True).exists()


def _streamed(query: PreparedColumns, size: int) -> Iterator[dict[str, Any]]:
    for rows in query.streamed(size):
        yield from query.named(rows)


def some(tickers: Sequence[str], deep: bool) -> Rows:
    """Of these events."""
    return fetching(tickers, deep).now()


def fetching(tickers: Sequence[str], deep: bool) -> Fetch[Rows]:
    """``some``, to be read with other things. Certificates are read whatever their status: with that in the statement SQLite reads every
    one that is granted."""
    wanted, by_depth = {"tickers": tickers}, _DEEP if deep else _FLAT
    queries: Queries = (
        (_CHANGES, {"now": clock.now()}),
        (settling.OF_EVENTS, wanted),
        (corrections.ALL, {}),
        *((query, wanted) for query in by_depth),
    )
    return Fetch(queries, partial(_of_some, by_depth))


def _of_some(by_depth: Sequence[PreparedColumns], found: Sequence[list[Any]]) -> Rows:
    changes, late, powers, *rows = found
    markets, certificates, events = (query.named(found) for query, found in zip(by_depth, rows, strict=True))
    granted = [row for row in certificates if row["status"] == Certificate.Status.GRANTED]
    return Rows(changes, settling.in_ms(late), corrections.by_lead(powers), markets, granted, events)


def _queries() -> tuple[QuerySet[Market], QuerySet[Certificate], QuerySet[Event]]:
    return (
        Market.objects.filter(event__is_open=True).order_by("ticker"),
        Certificate.objects.filter(reading=CERTIFICATE_VERSION),
        Event.objects.filter(is_open=True, is_family=False).order_by("ticker"),
    )


def _market_columns(deep: bool) -> tuple[str, ...]:
    return _MARKET_COLUMNS + _DEEP_COLUMNS if deep else _MARKET_COLUMNS


def _certificate_columns(deep: bool) -> tuple[str, ...]:
    always = ("event_id", "status", "rules_hash", "pk", "grade", "one_must_win")
    return (*always, "states", "residual") if deep else always


def _prepared(deep: bool) -> tuple[PreparedColumns, PreparedColumns, PreparedColumns]:
    tickers = Among("tickers", CharField())
    markets, certificates, events = _queries()
    columns: tuple[str, ...] = _EVENT_COLUMNS
    if deep:
        events, columns = events.annotate(family=family_gates.family_of_event()), (*columns, "family")
    return (
        PreparedColumns(lambda: markets.filter(event__in=tickers).values_list(*_market_columns(deep))),
        PreparedColumns(lambda: certificates.filter(event__in=tickers).values_list(*_certificate_columns(deep))),
        PreparedColumns(lambda: events.filter(pk__in=tickers).values_list(*columns)),
    )


def _all(deep: bool) -> tuple[PreparedColumns, PreparedColumns, PreparedColumns]:
    markets, certificates, events = _queries()
    granted = certificates.filter(status=Certificate.Status.GRANTED)
    return (
        PreparedColumns(lambda: markets.values_list(*_market_columns(deep))),
        PreparedColumns(lambda: granted.values_list(*_certificate_columns(deep))),
        PreparedColumns(lambda: events.values_list(*_EVENT_COLUMNS)),
    )


_FLAT, _DEEP = _prepared(deep=False), _prepared(deep=True)
_ALL_FLAT, _ALL_DEEP = _all(deep=False), _all(deep=True)
_CHANGES: Final = Prepared(
    lambda: FeeChange.objects.filter(scheduled_at__lte=Param("now", DateTimeField())).order_by("scheduled_at")
)
