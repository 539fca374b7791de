"""Listings: every page, no page twice, never a part for the whole; and the query parameters."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from kalbot.common.units import Money
from markets.kalshi.errors import PaginationError, SchemaError
from markets.kalshi.rest import pagination
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.rest.orders import ORDER_LISTING
from markets.kalshi.schemas import Allocation
from markets.kalshi.schemas.boundary import Json, Rejection

from .bodies import BOOK, EVENT, FILL, MARKET, ORDER, POSITION, SERIES, SETTLEMENT, TRADE, but
from .scripted import Answer, Request, Script


def events(cursor: str | None, *tickers: str) -> Answer:
    return Answer(200, {"events": [but(EVENT, event_ticker=t) for t in tickers], "cursor": cursor})


def test_pages_are_walked_to_the_empty_cursor_though_one_is_short(exchange: Script, client: KalshiClient) -> None:
    exchange.say(events("c1", "A", "B"), events("c2"), events("", "C"))
    pages = list(client.catalogue.events())
    assert [e.event_ticker for page in pages for e in page.events] == ["A", "B", "C"]
    assert [dict(a.query).get("cursor") for a in exchange.requests] == [None, "c1", "c2"]
    assert dict(exchange.requests[0].query) == {"status": "open", "with_nested_markets": "true", "limit": "200"}


@pytest.mark.parametrize("spelled", ["\\u0000", "\\ud83d", "\\ude00", "\\udfff\\ud800"])
@pytest.mark.parametrize(("field", "kept"), [("client_order_id", True), ("user_id", False), ("order_id", False)])
def test_a_text_that_no_database_keeps_is_the_trouble_of_its_record_and_of_a_client_id_none(
    spelled: str, field: str, kept: bool
) -> None:
    """A client id is chosen by whoever sent the order."""
    odd = msgspec.json.encode(but(ORDER, **{field: "QQ\\ \U0001f600"})).replace(b"QQ", spelled.encode())
    body = b'{"orders": [%s, %s], "cursor": ""}' % (msgspec.json.encode(ORDER), odd)
    unreadable: list[Rejection] = []
    found, _ = ORDER_LISTING.parse_readable(body, unreadable)
    assert (len(found), len(unreadable)) == (1 + kept, 1 - kept)
    names = [one.client_order_id for one in found]
    assert names[1:] == ["\ufffd" * (len(spelled) // 6) + "\\ \U0001f600"] * kept


def test_pages_are_read_when_they_are_wanted(exchange: Script, client: KalshiClient) -> None:
    exchange.say(events("c1", "A"), events("", "B"))
    walk = client.catalogue.events()
    next(walk)
    assert len(exchange.requests) == 1


def test_a_repeated_cursor_is_an_error_and_not_an_end(exchange: Script, client: KalshiClient) -> None:
    exchange.say(events("c1", "A"), events("c2", "B"), events("c1", "C"))
    with pytest.raises(PaginationError, match="repeated the cursor 'c1'"):
        list(client.catalogue.events(max_pages=8))


def test_a_listing_without_an_end_is_an_error(exchange: Script, client: KalshiClient) -> None:
    numbers = iter(range(1000))
    exchange.rule = lambda request: events(f"c{next(numbers)}", "A")
    with pytest.raises(PaginationError, match="after 5 pages"):
        list(client.catalogue.events(max_pages=5))


def test_a_cursor_too_long_to_be_sent_back_and_a_listing_that_takes_too_long_are_errors(
    exchange: Script, client: KalshiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange.say(events("c" * 100_000, "A"))
    with pytest.raises(PaginationError, match="a cursor of 100000 characters"):
        list(client.catalogue.events())
    assert len(exchange.requests) == 1
    monkeypatch.setattr(pagination, "LISTING_SECONDS", 0.0)
    numbers = iter(range(1000))
    exchange.rule = lambda request: events(f"c{next(numbers)}", "A")
    with pytest.raises(PaginationError, match="within 0 s"):
        list(client.catalogue.events())
    assert len(exchange.requests) == 2


def test_an_answer_about_another_event_market_or_series_is_refused(exchange: Script, client: KalshiClient) -> None:
    """Its result, rules or fees would be taken for those of the one that was meant."""
    reads: list[tuple[str, str, Json, Callable[[str], object]]] = [
        ("event", "event_ticker", EVENT, client.catalogue.event),
        ("market", "ticker", MARKET, client.catalogue.market),
        ("market", "ticker", MARKET, client.history.market),
        ("series", "ticker", SERIES, client.catalogue.series),
    ]
    for name, key, body, read in reads:
        exchange.say(Answer(200, {name: body}))
        ticker = body[key]
        assert read(ticker)
        with pytest.raises(SchemaError, match="was answered as"):
            read(f"{ticker}-OTHER")


def test_one_bad_order_among_many_does_not_pass_for_an_absent_one(exchange: Script, client: KalshiClient) -> None:
    exchange.say(Answer(200, {"fills": [FILL, {}], "cursor": ""}))
    with pytest.raises(SchemaError):
        list(client.portfolio.fills())


def test_books_are_requested_a_hundred_at_a_time_with_a_repeated_parameter(
    exchange: Script, client: KalshiClient
) -> None:
    def answer(request: Request) -> Answer:
        tickers = [value for name, value in request.query if name == "tickers"]
        return Answer(200, {"orderbooks": [{"ticker": t, "orderbook_fp": BOOK} for t in tickers]})

    exchange.rule = answer
    books = client.catalogue.orderbooks([f"T{n}" for n in range(150)])
    assert len(books) == 150
    assert [len(request.query) for request in exchange.requests] == [100, 50]


def test_each_family_reads_its_route(exchange: Script, client: KalshiClient) -> None:
    answers = {
        f"/events/{EVENT['event_ticker']}": {"event": EVENT, "markets": [MARKET]},
        "/markets": {"markets": [MARKET], "cursor": ""},
        f"/markets/{MARKET['ticker']}": {"market": MARKET},
        "/markets/M/orderbook": {"orderbook_fp": BOOK},
        "/markets/trades": {"trades": [TRADE], "cursor": ""},
        "/series": {"series": [SERIES]},
        f"/series/{SERIES['ticker']}": {"series": SERIES},
        "/series/fee_changes": {"series_fee_change_arr": []},
        "/events/fee_changes": {"event_fee_changes": [], "cursor": ""},
        "/portfolio/positions": {"market_positions": [POSITION], "event_positions": [], "cursor": ""},
        "/historical/positions": {"market_positions": [], "event_positions": [], "cursor": ""},
        "/portfolio/fills": {"fills": [FILL], "cursor": ""},
        "/historical/fills": {"fills": [], "cursor": ""},
        "/historical/orders": {"orders": [], "cursor": ""},
        "/portfolio/settlements": {"settlements": [SETTLEMENT], "cursor": ""},
        "/portfolio/orders/queue_positions": {
            "queue_positions": [{"order_id": "o", "market_ticker": "M", "queue_position_fp": "3.00"}]
        },
        "/exchange/user_data_timestamp": {"as_of_time": "2026-11-23T02:14:00Z"},
        "/historical/cutoff": {
            "market_settled_ts": "2026-08-23T00:00:00Z",
            "trades_created_ts": "2026-08-23T00:00:00Z",
            "orders_updated_ts": "2026-11-09T00:00:00Z",
        },
    }
    exchange.rule = lambda request: Answer(200, answers[request.route])
    c = client.catalogue
    assert c.event(EVENT["event_ticker"]).markets[0].yes_bid == 4000
    assert [m.ticker for p in c.markets("open", min_close_ts=5) for m in p.markets] == [MARKET["ticker"]]
    assert c.market(MARKET["ticker"]).yes_ask == 4300
    assert c.orderbook("M", depth=5).yes_ask == (4300, 725)
    assert [t.count for page in c.trades("M") for t in page] == [725]
    assert [s.ticker for s in c.series_list(category="Sports")] == ["KXDEMO"]
    assert c.series(SERIES["ticker"]).ticker == "KXDEMO"
    assert c.series_fee_changes() == c.event_fee_changes() == ()
    p = client.portfolio
    assert [x.position for x in p.positions(subaccount=1)] == [-725]
    assert [x.fee for x in p.fills(order_id="o")] == [124_400]
    assert [x.revenue for x in p.settlements(ticker="M")] == [7_250_000]
    assert list(p.historical_positions()) == []
    assert list(p.historical_fills()) == []
    assert list(client.orders.historical()) == []
    assert client.orders.queue_positions(market_tickers=["M", "N"])[0].ahead == 300
    assert client.exchange.user_data_time().year == 2026
    assert client.exchange.historical_cutoff().positions_updated is None
    assert {request.route for request in exchange.requests} == set(answers)
    queries = {request.route: dict(request.query) for request in exchange.requests}
    assert queries["/markets"]["min_close_ts"] == "5"
    assert queries["/markets/M/orderbook"] == {"depth": "5"}
    assert queries["/portfolio/orders/queue_positions"] == {"market_tickers": "M,N"}
    assert queries["/portfolio/positions"]["subaccount"] == "1"


def test_cash_moves_in_whole_units_only(exchange: Script, client: KalshiClient) -> None:
    exchange.say(Answer(200, {"transfer_id": "t"}))
    cash = client.portfolio.cash
    assert cash.transfer_between_shards(0, 2, Money(12_340_000), "0d6d6c0e-5d5c-4a52-8f4e-0f6c6f3a1b11") == "t"
    assert exchange.requests[0].json == {
        "source": "event_contract",
        "destination": "event_contract",
        "amount": 123_400,
        "source_exchange_shard": 0,
        "destination_exchange_shard": 2,
        "client_transfer_id": "0d6d6c0e-5d5c-4a52-8f4e-0f6c6f3a1b11",
    }
    cash.transfer_between_subaccounts("id", 0, 1, Money(10_000), 2)
    assert exchange.requests[1].json["amount_cents"] == 1
    for amount in (0, -10_000, 10_050):
        with pytest.raises(ValueError, match="not a positive number"):
            cash.transfer_between_subaccounts("id", 0, 1, Money(amount))
    with pytest.raises(ValueError, match="not a positive number"):
        cash.transfer_between_shards(0, 2, Money(99))
    with pytest.raises(ValueError, match="100 percent"):
        cash.set_target_allocation([Allocation(0, 50), Allocation(2, 40)])
    assert len(exchange.requests) == 2


def test_subaccounts_netting_and_allocations(exchange: Script, client: KalshiClient) -> None:
    answers = {
        ("GET", "/portfolio/subaccounts/balances"): {
            "subaccount_balances": [
                {"subaccount_number": 1, "exchange_index": 2, "balance": "5.0000", "updated_ts": 1795400000}
            ]
        },
        ("POST", "/portfolio/subaccounts"): {"subaccount_number": 4},
        ("GET", "/portfolio/subaccounts/netting"): {
            "netting_configs": [{"subaccount_number": 1, "enabled": False, "exchange_index": 2}]
        },
        ("PUT", "/portfolio/subaccounts/netting"): {},
        ("GET", "/portfolio/target_balance_allocation"): {
            "allocations": [{"exchange_index": 0, "percent": 100}],
            "resting_margin_reservation": "sum",
        },
        ("POST", "/portfolio/target_balance_allocation"): {},
    }
    exchange.rule = lambda request: Answer(200, answers[(request.method, request.route)])
    cash = client.portfolio.cash
    assert cash.subaccount_balances()[0].balance == 5_000_000
    assert cash.create_subaccount(2) == 4
    assert not cash.netting()[0].enabled
    cash.set_netting(1, True)
    assert cash.target_allocation() == (Allocation(0, 100),)
    cash.set_target_allocation([])
    assert exchange.requests[-1].json == {"allocations": [], "resting_margin_reservation": "sum"}
