"""Whatever the parse boundary lets through fits the columns it is kept in, so that no record of the exchange stops the others.

Every field of an event, a market, a series, a fee change and of each stored message is replaced by values that no column holds;
what Postgres would refuse is read from the models.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from django.db import models

from markets.catalogue.rows import event_row, fee_change_row, market_row, series_row
from markets.catalogue.scan import scan
from markets.fees import FeeError
from markets.kalshi.errors import SchemaError
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.schemas import pages
from markets.kalshi.schemas.portfolio import SETTLEMENT, build_settlement
from markets.kalshi.ws.intake import Intake
from markets.models import Event, ExchangeMessage, FeeChange, Market, Scan, Series
from markets.selectors import fee_schedule
from markets.streaming.output.inbox import Inbox, Message
from markets.streaming.output.messages import Kept, to_message
from tests.markets.exchange import SmallExchange, game, series

from .kalshi.bodies import EVENT, FRAMES, MARKET, SERIES
from .kalshi.bodies import SETTLEMENT as SETTLED
from .test_inbox import wait_until_empty

DEEP: Final = json.loads('{"a":' * 40 + "1" + "}" * 40)
EXTREMES: Final[tuple[Any, ...]] = (
    "",
    "x" * 1000,
    "a\0b",
    "9" * 15,
    "999999999999999.99",
    "9999-12-31T23:59:59-14:00",
    "9998-12-31T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    2**31,
    2**40,
    2**70,
    -1,
    -(2**63),
    1e300,
    1e-300,
    DEEP,
    {"n": 2**70},
    {"n": "a\0b"},
    {"a\0b": 1},
)
WHOLE: Final = {
    "IntegerField": (-(2**31), 2**31 - 1),
    "PositiveIntegerField": (0, 2**31 - 1),
    "PositiveSmallIntegerField": (0, 2**15 - 1),
    "BigIntegerField": (-(2**63), 2**63 - 1),
}


def leaves(body: Any) -> Iterator[tuple[Any, ...]]:
    """The paths of every value in it."""
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, value in items:
        yield (key,)
        yield from ((key, *path) for path in leaves(value))


def replaced(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(body)
    node = changed
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return changed


def misfits(model: type[models.Model], row: dict[str, Any]) -> list[str]:
    """The values of ``row`` that Postgres would refuse."""
    fields = {field.attname: field for field in model._meta.concrete_fields}
    found = []
    for name, value in row.items():
        field, kind = fields[name], fields[name].get_internal_type()
        if "\\u0000" in json.dumps(value, default=str):
            found.append(f"{name}: the character zero")
        if isinstance(field, models.CharField) and len(value) > (field.max_length or 0):
            found.append(f"{name}: {len(value)} characters")
        if kind in WHOLE and value is not None and not WHOLE[kind][0] <= value <= WHOLE[kind][1]:
            found.append(f"{name}: {value}")
        if isinstance(field, models.JSONField):
            assert len(list(leaves(value))) < 1000
            assert all(len(path) <= 16 for path in leaves(value)), name
    return found


def test_no_field_of_an_event_breaks_a_row_or_hides_the_event_beside_it() -> None:
    other = {**EVENT, "event_ticker": "KXDEMO-OTHER", "markets": []}
    whole = {**EVENT, "markets": [MARKET]}
    accepted = 0
    for path in leaves(whole):
        for value in EXTREMES:
            damaged = replaced(whole, path, value)
            page = pages.parse_event_page(json.dumps({"events": [damaged, other], "cursor": ""}).encode())
            assert page.events[-1].event_ticker == "KXDEMO-OTHER", (path, value)
            assert len(page.events) + len(page.rejected) == 2
            for event in page.events[:-1]:
                accepted += 1
                assert misfits(Event, event_row(event)) == [], (path, value)
                for market in event.markets:
                    assert misfits(Market, market_row(market)) == [], (path, value)
    assert accepted > 200


def test_sums_over_many_markets_fit_too() -> None:
    markets = [{**MARKET, "ticker": f"KX-{n}", "volume_fp": "9999999999.99"} for n in range(1000)]
    page = pages.parse_event_page(json.dumps({"events": [{**EVENT, "markets": markets}]}).encode())
    assert misfits(Event, event_row(page.events[0])) == []


def test_no_field_of_a_series_or_a_fee_change_breaks_a_row() -> None:
    change: dict[str, Any] = {
        "id": "1",
        "series_ticker": "KXDEMO",
        "event_ticker": "KXDEMO-1",
        "fee_type_override": "quadratic",
        "fee_multiplier_override": 1,
        "scheduled_ts": "2026-12-01T00:00:00Z",
    }
    for path in leaves(SERIES):
        for value in EXTREMES:
            body = {"series": [replaced(SERIES, path, value), {**SERIES, "ticker": "KXOTHER"}]}
            listed = pages.parse_series_list(json.dumps(body).encode()).series
            assert listed[-1].ticker == "KXOTHER", (path, value)
            assert [misfits(Series, series_row(one)) for one in listed] == [[]] * len(listed), (path, value)
    for path in leaves(change):
        for value in EXTREMES:
            answer: dict[str, Any] = {"event_fee_changes": [replaced(change, path, value)], "cursor": ""}
            try:
                (found,), _ = pages.parse_event_fee_page(json.dumps(answer).encode())
            except SchemaError:
                assert path[0] in ("id", "series_ticker", "event_ticker") or "\\u0000" in json.dumps(value), (
                    path,
                    value,
                )
                continue
            assert misfits(FeeChange, fee_change_row(found)) == [], (path, value)


def test_no_field_of_a_message_breaks_its_row() -> None:
    kept = 0
    for body in FRAMES:
        for path in leaves(body):
            for value in EXTREMES:
                for frame in Intake().feed([json.dumps(replaced(body, path, value)).encode()]):
                    if isinstance(frame, Kept):
                        message = to_message(frame, "epoch", 1)
                        row = {name: getattr(message, name) for name in Message.__struct_fields__}
                        assert misfits(ExchangeMessage, row) == [], (path, value)
                        kept += 1
    assert kept > 200


def test_money_of_the_account_fits_its_columns() -> None:
    for path in leaves(SETTLED):
        for value in EXTREMES:
            try:
                found = build_settlement(SETTLEMENT.decode(json.dumps(replaced(SETTLED, path, value)).encode()))
            except ValueError:
                continue
            for money in (found.revenue, found.fee_cost, found.yes_total_cost, found.no_total_cost):
                assert abs(money) <= 10**16, (path, value)


@pytest.mark.django_db
def test_a_scan_with_an_event_that_no_column_holds_keeps_the_others(
    exchange: SmallExchange, client: KalshiClient
) -> None:
    exchange.add(*(game(f"KXGAME-{n}") for n in range(8)))
    exchange.listed["KXGAME-1"]["markets"][0]["rules_primary"] = "If\0it rains"
    exchange.listed["KXGAME-2"]["exchange_index"] = 2**40
    exchange.listed["KXGAME-3"]["product_metadata"] = {"n": 2**70}
    exchange.listed["KXGAME-4"]["category"] = "x" * 70
    exchange.listed["KXGAME-5"]["markets"][1]["settlement_timer_seconds"] = 2**33
    exchange.listed["KXGAME-6"]["markets"][1]["volume_fp"] = "999999999999999.99"
    exchange.series["KXODD"] = series("KXODD", frequency="x" * 40)
    done = scan(client)
    assert (done.status, done.rejected) == (Scan.Status.DONE, 6), done.error
    assert set(Event.objects.filter(is_open=True).values_list("ticker", flat=True)) == {"KXGAME-0", "KXGAME-7"}
    assert not Series.objects.filter(ticker="KXODD").exists()


@pytest.mark.django_db
def test_a_fee_change_that_cannot_be_read_stops_what_it_names_and_nothing_else(
    exchange: SmallExchange, client: KalshiClient
) -> None:
    exchange.add(game("KXGAME-1"), game("KXOTHER-1", "KXOTHER"), game("KXLATER-1", "KXLATER"), game("KXONE-1", "KXONE"))
    exchange.add(game("KXONE-2", "KXONE"))
    exchange.series_fee_changes = [
        {"id": "1", "series_ticker": "KXGAME", "fee_type": "quadratic", "fee_multiplier": 1e300, "scheduled_ts": ""},
        {"id": "2", "series_ticker": "KXLATER", "fee_type": 7, "scheduled_ts": "2099-01-01T00:00:00Z"},
    ]
    exchange.event_fee_changes = [
        {"id": "3", "series_ticker": "KXONE", "event_ticker": "KXONE-1", "fee_multiplier_override": "x"},
    ]
    done = scan(client)
    assert done.status == Scan.Status.DONE, done.error
    for ticker in ("KXOTHER-1", "KXLATER-1", "KXONE-2"):
        fee_schedule(Event.objects.select_related("series").get(ticker=ticker))
    for ticker in ("KXGAME-1", "KXONE-1"):
        with pytest.raises(FeeError):
            fee_schedule(Event.objects.select_related("series").get(ticker=ticker))


@pytest.mark.django_db(transaction=True)
def test_a_message_that_no_column_holds_does_not_hold_up_the_others() -> None:
    inbox = Inbox(lambda kinds: None)
    inbox.start()
    for key, at in (("fill:1", 1), ("fill:2", 2**70), ("fill:3", 3)):
        inbox.put(Message("fill", key, "EVENT-A", {}, "epoch", at))
    assert wait_until_empty(inbox, 10)
    inbox.close()
    assert list(ExchangeMessage.objects.order_by("id").values_list("key", flat=True)) == ["fill:1", "fill:3"]
    assert inbox.impossible == 1
