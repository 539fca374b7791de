"""Best prices of single legs: the winner of a tournament, coins up or down in a quarter of an hour, one side of basketball games.

Events whose other legs were not recorded are not exclusive here: what is missing proves nothing, so no basket is made of them. They serve
triage, calibration and queue models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from markets.tape.imports import source
from markets.tape.imports.listing import Listing, event_of, market, series_of
from markets.tape.imports.packed import files, one_file
from markets.tape.imports.prints import print_of
from markets.tape.imports.rest_books import _catalogued, settlement
from markets.tape.imports.source import Aside, Part, contracts, dollars, instant, iso, lines, nanoseconds
from markets.tape.records import Kind, Record
from markets.tape.store import json_record

DECI_CENT_GRID: Final = [{"start": "0.0000", "end": "1.0000", "step": "0.0010"}]
NOISE: Final = Decimal("0.000001")
"""Dollars by which a recorded floating number may miss the price that it was computed from."""
_Read = Callable[[Path, Listing, Aside], Iterator[Record]]


def winners(root: Path) -> Iterator[Part]:
    """``sports/worldcup_winner_*``: two legs of one event with sizes, every three seconds during two matches."""
    about = _about("best prices with sizes, two of 48 legs", "polls 3 to 4 s apart", ["other legs", "prints", "rules"])
    yield from _parts(root, "sports/worldcup_winner_*.jsonl", "quotes-tournament-winner", about, _winners)


def quarter_hours(root: Path) -> Iterator[Part]:
    """``crypto15m``: best prices of one market an event twice a second, its prints and, where labelled, what it settled on."""
    about = _about(
        "best prices of coins up or down",
        "polls 0.5 to 1 s apart",
        ["sizes of best prices", "rules"],
        licence="CC BY 4.0 (Johnny-God/kalshi-crypto-15m-dataset)",
    )
    yield from _parts(root, "crypto15m/*_raw_snapshots.jsonl", "quotes-crypto15m", about, _quarter_hours)


def games(root: Path) -> Iterator[Part]:
    """``sports/*_games.jsonl``: one leg a game, the bid and ask at the end of each minute, with the result."""
    about = _about("bid and ask at the end of each minute", "minutes", ["the other leg", "sizes", "rules"])
    yield from _parts(root, "sports/*_games.jsonl", "quotes-basketball", about, _games)


def _about(source: str, cadence: str, absent: list[str], licence: str = "none stated") -> dict[str, Any]:
    assumed = ["steps of a tenth of a cent"]
    return {"source": source, "cadence": cadence, "absent": absent, "assumed": assumed, "licence": licence}


def _parts(root: Path, pattern: str, tape: str, about: dict[str, Any], read: _Read) -> Iterator[Part]:
    listing = Listing(_catalogued(root))
    for path in files(root, pattern):
        yield Part(tape, path.name.split(".")[0], about, _Reader(path, listing, read))


class _Reader:
    def __init__(self, path: Path, listing: Listing, read: _Read) -> None:
        self._path, self._listing, self._read = path, listing, read

    def __call__(self, aside: Aside) -> Iterator[Record]:
        return self._read(self._path, self._listing, aside)


def _winners(path: Path, listing: Listing, aside: Aside) -> Iterator[Record]:
    polled: list[Record] = []
    for line in lines(path, aside):
        with aside.unreadable():
            yes, ask = (_price(line[name], cents=True) for name in ("yes_bid", "yes_ask"))
            content = touch(yes, ask, line.get("yes_bid_sz"), line.get("yes_ask_sz"))
            polled.append(json_record(instant(line["ts"]), Kind.QUOTE, source.ticker(line["ticker"]), content))
    legs: dict[str, set[str]] = {}
    for record in polled:
        legs.setdefault(event_of(record.key), set()).add(record.key)
    if polled:
        yield from _listed(listing, legs, min(record.received_ns for record in polled))
    yield from polled


def _quarter_hours(path: Path, listing: Listing, aside: Aside) -> Iterator[Record]:
    polled: list[Record] = []
    for line in lines(path, aside):
        with aside.unreadable():
            content = touch(_price(line["yb"]), _price(line["ya"]))
            polled.append(json_record(instant(line["ts"]), Kind.QUOTE, source.ticker(line["ticker"]), content))
    seen: set[str] = set()
    for record in sorted(polled, key=lambda record: record.received_ns):
        if record.key not in seen:
            seen.add(record.key)
            yield from _listed(listing, {event_of(record.key): {record.key}}, record.received_ns, whole=True)
        yield record
    series = path.name.split("_")[0]
    printed = one_file(path.parent / f"{series}_trades.jsonl")
    for line in lines(printed, aside) if printed is not None else ():
        with aside.unreadable():
            price = _price(line["yes_price"]) or Decimal(0)
            at = nanoseconds(line["created_time"])
            yield print_of(at, line["ticker"], price, line["count"], line["taker_side"])
    labelled = one_file(path.parent / f"{series}_model_training_data.jsonl")
    known: dict[str, Record] = {}
    for line in lines(labelled, aside) if labelled is not None else ():
        with aside.unreadable():
            if line["outcome"] in ("yes", "no") and line["ticker"] not in known:
                known[line["ticker"]] = settlement(nanoseconds(line["ts"]), line["ticker"], line["outcome"])
    yield from (known[ticker] for ticker in sorted(known))


def _games(path: Path, listing: Listing, aside: Aside) -> Iterator[Record]:
    for game in lines(path, aside):
        with aside.unreadable():
            ticker, place, quotes = source.ticker(game["game"]["ticker"]), aside.place, []
            for minute in game["candles"]:
                aside.place = f"{place}, {ticker}"
                with aside.unreadable():
                    ended, bid, ask, *_ = minute
                    quotes.append(json_record(instant(ended), Kind.QUOTE, ticker, touch(_price(bid), _price(ask))))
            if not quotes:
                continue
            quotes.sort(key=lambda record: record.received_ns)
            yield from _listed(listing, {event_of(ticker): {ticker}}, quotes[0].received_ns)
            yield from quotes
            if game["result"] in ("yes", "no"):
                yield settlement(quotes[-1].received_ns, ticker, game["result"])


def _listed(listing: Listing, legs: dict[str, set[str]], at: int, *, whole: bool = False) -> Iterator[Record]:
    """The series and events of these legs. ``whole``: all markets of the events are there, so the catalogue's word on them holds."""
    yield from listing.records({series_of(event) for event in legs}, at)
    for event, tickers in sorted(legs.items()):
        times = {"close_time": closes(event)}
        markets = [market(ticker, times=times) | {"price_ranges": DECI_CENT_GRID} for ticker in sorted(tickers)]
        yield json_record(
            at,
            Kind.EVENT,
            event,
            listing.event(event, markets, exclusive=None if whole and len(tickers) > 1 else False),
        )


def closes(event: str) -> str | None:
    """When an event whose ticker carries day and hour in New York ends (``KXETH15M-26AUG170145``); None where it carries none.

    >>> closes("KXETH15M-26AUG170145"), closes("KXNBAGAME-26MAR19CLECHI")
    ('2026-08-17T05:45:00Z', None)
    """
    try:
        moment = datetime.strptime(event.split("-")[1], "%y%b%d%H%M").replace(tzinfo=ZoneInfo("America/New_York"))
    except (IndexError, ValueError):
        return None
    return iso(int(moment.astimezone(UTC).timestamp()) * 10**9)


def touch(yes: Decimal | None, ask: Decimal | None, yes_size: Any = None, ask_size: Any = None) -> dict[str, str]:
    """A QUOTE payload from a YES bid and ask in dollars: the NO bid is a dollar less the ask. A side that nobody quotes is absent."""
    found: dict[str, Any] = {"yes_bid_dollars": None, "no_bid_dollars": None}
    for side, price, size in (("yes", yes, yes_size), ("no", None if ask is None else 1 - ask, ask_size)):
        if price is not None and 0 < price < 1:
            found[f"{side}_bid_dollars"] = dollars(price)
            if size is not None:
                found[f"{side}_bid_size_fp"] = contracts(size)
    return found


def _price(value: Any, *, cents: bool = False) -> Decimal | None:
    """A recorded floating number as the price that it stands for. Raises ValueError where it stands for none."""
    if value is None or value == "":
        return None
    exact = Decimal(value) / (100 if cents else 1)
    price = round(exact, 4)
    if abs(price - exact) > NOISE:
        raise ValueError(f"not a price: {value}")
    return price
