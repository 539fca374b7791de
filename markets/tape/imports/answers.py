"""Events as the exchange answered, on a tape at the moments at which they were known: listed when they opened, settled when they settled.

Answers are mostly captured after settlement and know how everything ended. What a listing says is named here, field by field; whatever
else an answer holds (prices, volume, results, fields of a later time) came later and stays out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from markets.tape.imports import source
from markets.tape.imports.listing import CENT_GRID
from markets.tape.imports.rest_books import settlement
from markets.tape.imports.source import Aside, Refused, lines, nanoseconds
from markets.tape.imports.zones import moment
from markets.tape.records import Kind, Record
from markets.tape.store import json_record

LISTED: Final = frozenset(
    {
        "can_close_early",
        "cap_strike",
        "category",
        "close_time",
        "created_time",
        "custom_strike",
        "early_close_condition",
        "event_ticker",
        "exchange_index",
        "expected_expiration_time",
        "expiration_time",
        "floor_strike",
        "functional_strike",
        "is_provisional",
        "latest_expiration_time",
        "market_type",
        "mve_collection_ticker",
        "mve_selected_legs",
        "no_sub_title",
        "open_time",
        "price_level_structure",
        "rules_primary",
        "rules_secondary",
        "settlement_timer_seconds",
        "strike_type",
        "subtitle",
        "ticker",
        "title",
        "yes_sub_title",
    }
)
"""Fields of a market that are the same from its opening to its end."""


def as_listed(answer: dict[str, Any]) -> dict[str, Any]:
    """The event as it was listed when it opened. One-cent steps where the answer names none, as they were before it named any."""
    markets = []
    for one in answer["markets"]:
        kept = {name: value for name, value in one.items() if name in LISTED and value not in ("", None)}
        steps = one.get("price_ranges") or CENT_GRID
        markets.append(
            kept | {"status": "active", "result": "", "notional_value_dollars": "1.0000", "price_ranges": steps}
        )
    return {**answer["event"], "markets": markets}


def settled(one: dict[str, Any]) -> Iterator[Record]:
    """What a market settled on, known when it settled, or where the answer does not say when, when it was expected to, but not before it
    closed (a game may have gone on for longer); nothing without a result."""
    if one.get("result"):
        at = moment(one.get("settlement_ts"))
        if not at:
            at = max(nanoseconds(one["expected_expiration_time"]), moment(one.get("close_time")))
        value = one.get("settlement_value_dollars")
        yield settlement(at, one["ticker"], one["result"], one.get("expiration_value") or "", value)


def of_file(
    path: Path,
    first_ns: int,
    last_ns: int,
    aside: Aside,
    wrong: Callable[[Iterable[Mapping[str, Any]]], str] = lambda markets: "",
) -> Iterator[Record]:
    """The events of a file with one answer a line that were open between two moments of an archive, with their results.

    The event stands by itself or under ``event``, its markets inside or beside it. Raises Refused where ``wrong`` says of any of them
    why the archive contradicts it."""
    why = ""
    for answer in lines(path, aside):
        with aside.unreadable():
            event = dict(answer.get("event") or answer)
            markets = [dict(one) for one in answer.get("markets") or event["markets"]]
            ticker = source.ticker(event["event_ticker"])
            opened = min((nanoseconds(one["open_time"]) for one in markets if one.get("open_time")), default=first_ns)
            closed = max((nanoseconds(one["close_time"]) for one in markets if one.get("close_time")), default=last_ns)
            why = why or wrong(markets)
            if opened > last_ns or closed < first_ns:
                continue  # listed again after its end it would be open again
            listed = as_listed({"event": {k: v for k, v in event.items() if k != "markets"}, "markets": markets})
            yield json_record(max(opened, first_ns), Kind.EVENT, ticker, listed)
            for one in markets:
                with aside.unreadable():
                    yield from (found for found in settled(one) if found.received_ns >= first_ns)
    if why:
        raise Refused(why)
