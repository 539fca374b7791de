"""When the markets of an archive are on it, whether that can be UTC, and the times of archives whose clock went by another zone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from markets.tape.imports import source
from markets.tape.imports.source import nanoseconds
from markets.tape.records import UNREADABLE

Row = Mapping[str, Any]
ROUNDED_NS: Final = 600 * 10**9
"""Openings and closes are said to the minute, and a recorder may list a market a little before the one and hear of it after the other."""
NEVER: Final = "0001-"
"""How a time begins that the exchange has not set."""
HOUR_NS: Final = 3_600 * 10**9


class Universal(int):
    """Unix nanoseconds that are UTC by the archive's own word."""


class Span(NamedTuple):
    """The first and last row of a market, and the last by which somebody traded or bid (0: none), Unix nanoseconds."""

    first: int
    last: int
    active: int


def instant(value: Any) -> int:
    """Nanoseconds since 1970 of what archives write: integers, ISO strings. Raises ValueError."""
    if isinstance(value, int) or str(value).isdigit():
        return source.instant(value)
    return nanoseconds(str(value))


def spanned(
    found: Iterable[Row], column: str, is_active: Callable[[Row], bool], spans: dict[str, Span]
) -> Iterator[Row]:
    """The rows; meanwhile ``spans`` learns when each market is on them."""
    for row in found:
        yield row
        try:
            at, ticker = instant(row[column]), source.ticker(row["ticker"])
            active = at if is_active(row) else 0
        except UNREADABLE:
            continue
        known = spans.get(ticker, Span(at, at, 0))
        spans[ticker] = Span(min(known.first, at), max(known.last, at), max(known.active, active))


def in_zone(found: Iterable[Row], column: str, zone: ZoneInfo | None) -> Iterator[Row]:
    """The rows with their times of ``zone`` in UTC. A time that the zone has twice or never is no time any more; one that names its own
    zone stays."""
    for row in found:
        yield row if zone is None else {**row, column: _universal(row[column], zone)}


def _universal(value: Any, zone: ZoneInfo) -> Any:
    text = str(value)
    if isinstance(value, Universal) or text.endswith("Z") or "+" in text or text.count("-") > 2:
        return value
    try:
        at = instant(value)
    except UNREADABLE:
        return value
    there = datetime.fromtimestamp(at // 10**9, UTC).replace(tzinfo=None)
    early, late = (int(there.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (0, 1))
    if early != late:
        return f"{there} is not one time in {zone.key}"
    return Universal(early * 10**9 + at % 10**9)


def wrong(markets: Iterable[Mapping[str, Any]], spans: Mapping[str, Span], zone: ZoneInfo | None) -> str:
    """Why the times of an archive cannot be UTC, by what the exchange answered of these markets: it has rows of one from before it
    opened, or trades and bids from after its close. Empty where they can. Too late ones are believed where a person has named the
    ``zone``: some archives do go on."""
    for one in markets:
        span = spans.get(one["ticker"])
        if span is None:
            continue
        opened, closed = (moment(one.get(name)) for name in ("open_time", "close_time"))
        if opened and span.first < opened - ROUNDED_NS:
            return _sentence(one["ticker"], "rows from", opened - span.first, "before it opened")
        if closed and zone is None and span.active > closed + ROUNDED_NS:
            return _sentence(one["ticker"], "trades or bids from", span.active - closed, "after it closed")
    return ""


def moment(said: Any) -> int:
    """A time of the exchange's answers, Unix nanoseconds; 0 where it has not set it."""
    return nanoseconds(said) if said and not str(said).startswith(NEVER) else 0


def _sentence(ticker: str, what: str, by_ns: int, when: str) -> str:
    return (
        f"{ticker} has {what} {by_ns / HOUR_NS:.1f} h {when}; times must be UTC: name the zone of others with --times-zone, "
        "and UTC if they are"
    )


def zone_of(name: str) -> ZoneInfo | None:
    """The zone of that name; None for an empty one. Raises ValueError for a name that is none."""
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone such as Europe/Berlin") from None
