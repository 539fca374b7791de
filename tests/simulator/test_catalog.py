"""Public reads: filters, pages, cursors, order books, and what is derived where the recording is silent."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from simulator.clock import parse_iso_ms
from simulator.config import SimulatorConfig
from simulator.control import admin
from simulator.persistence.snapshot import SnapshotError, load_snapshot
from simulator.randomness import Streams

from .world import B825, COIN, DRAW, GAME, HIGH, JOBS, MIN, PASS, START, T83, Client, make_exchange, write_snapshot


def test_pages_end_with_an_empty_cursor_and_cover_everything(client: Client) -> None:
    seen, cursor, pages = [], "", 0
    while True:
        body = client.get("/events", limit=2, cursor=cursor)
        seen += [e["event_ticker"] for e in body["events"]]
        cursor, pages = body["cursor"], pages + 1
        if cursor == "":
            break
    assert (sorted(seen), pages) == (sorted([HIGH, GAME, DRAW, COIN, JOBS]), 3)


def test_a_garbage_cursor_starts_over_in_silence(client: Client) -> None:
    assert client.get("/events", limit=2, cursor="!garbage!")["events"] == client.get("/events", limit=2)["events"]


def test_limits_above_the_maximum_are_refused(client: Client) -> None:
    for path, limit in (("/events", 201), ("/markets", 1_001), ("/portfolio/orders", 1_001), ("/portfolio/fills", 0)):
        assert client.call("GET", path, limit=limit)[0] == 400


def test_markets_are_newest_first_and_filtered(client: Client) -> None:
    created = [m["created_time"] for m in client.get("/markets")["markets"]]
    assert created == sorted(created, reverse=True)
    assert {m["event_ticker"] for m in client.get("/markets", event_ticker=GAME)["markets"]} == {GAME}
    assert len(client.get("/markets", series_ticker="KXHIGHNY")["markets"]) == 4
    assert [m["ticker"] for m in client.get("/markets", tickers=f"{B825},NOPE")["markets"]] == [B825]
    assert client.get("/markets", mve_filter="only")["markets"] == []
    assert client.get("/markets", status="settled")["markets"] == []
    assert client.call("GET", "/markets", status="active")[0] == 400
    assert client.call("GET", "/markets", min_close_ts=1, status="open")[0] == 400


def test_an_open_event_may_hold_closed_children(client: Client) -> None:
    admin.handle(client.exchange, "POST", "market/close", {}, {"ticker": B825})
    body = client.get("/events", status="open", series_ticker="KXHIGHNY", with_nested_markets="true")
    assert {m["status"] for m in body["events"][0]["markets"]} == {"active", "closed"}
    assert len(client.get("/events", status="closed")["events"]) == 1


def test_nested_and_top_level_markets(client: Client) -> None:
    nested = client.get(f"/events/{HIGH}", with_nested_markets=True)
    assert (len(nested["event"]["markets"]), nested["markets"]) == (4, [])
    flat = client.get(f"/events/{HIGH}")
    assert ("markets" in flat["event"], len(flat["markets"])) == (False, 4)


def test_order_books_are_ascending_bids_with_depth(client: Client) -> None:
    book = client.get(f"/markets/{B825}/orderbook")["orderbook_fp"]
    assert book == {"yes_dollars": [["0.3800", "80.00"]], "no_dollars": [["0.5500", "60.00"], ["0.5800", "20.50"]]}
    assert client.get(f"/markets/{B825}/orderbook", depth=1)["orderbook_fp"]["no_dollars"] == [["0.5800", "20.50"]]
    assert client.call("GET", f"/markets/{B825}/orderbook", depth=101)[0] == 400
    assert client.get("/markets/NOPE/orderbook")["orderbook_fp"] == {"yes_dollars": [], "no_dollars": []}


def test_repeated_tickers_and_the_comma_trap(client: Client) -> None:
    both = client.get("/markets/orderbooks", tickers=[B825, MIN])["orderbooks"]
    assert [b["ticker"] for b in both] == [B825, MIN]
    trap = client.get("/markets/orderbooks", tickers=f"{B825},{MIN}")["orderbooks"]
    assert trap == [{"ticker": f"{B825},{MIN}", "orderbook_fp": {"yes_dollars": [], "no_dollars": []}}]
    assert client.call("GET", "/markets/orderbooks")[0] == 400


def test_a_side_without_level_has_no_size(client: Client) -> None:
    market = client.get(f"/markets/{COIN}-B50")["market"]
    assert (market["yes_bid_dollars"], market["yes_bid_size_fp"]) == ("0.0000", "0.00")
    assert (market["yes_ask_dollars"], market["yes_ask_size_fp"]) == ("0.0100", "1000.00")
    assert client.get(f"/markets/{JOBS}-T0")["market"]["yes_ask_size_fp"] == "0.00"


def test_series_carry_fees_shards_and_sources(client: Client) -> None:
    series = {s["ticker"]: s for s in client.get("/series")["series"]}
    assert (series["KXMLBGAME"]["fee_type"], series["KXMLBGAME"]["fee_multiplier"]) == (
        "quadratic_with_maker_fees",
        0.5,
    )
    assert (series["KXHIGHNY"]["fee_type"], series["KXHIGHNY"]["fee_multiplier"]) == ("quadratic", 1)
    assert {t: s["exchange_index"] for t, s in series.items()} == {
        "KXHIGHNY": 0,
        "KXMLBGAME": 3,
        "KXMLSGAME": 0,
        "KXBTC": 2,
        "KXPAYROLLS": 0,
    }
    assert "issuedby=NYC" in series["KXHIGHNY"]["settlement_sources"][0]["url"]
    assert [s["ticker"] for s in client.get("/series", category="Crypto")["series"]] == ["KXBTC"]


def test_rules_are_written_from_the_strikes(client: Client) -> None:
    markets = {m["ticker"]: m for m in client.get("/markets")["markets"]}
    assert "is between 82-83°" in markets[B825]["rules_primary"]
    assert "is greater than 83°" in markets[T83]["rules_primary"]
    assert "50/50" in markets[MIN]["rules_secondary"]
    assert "tie" in markets[f"{DRAW}-TIE"]["rules_primary"]


def test_recorded_instants_are_mapped_to_real_time(snapshot_folder: Path) -> None:
    fast = make_exchange(snapshot_folder, speed=600.0)
    assert fast.markets[B825].close_ms == START + 90_000_000 // 600
    left = (parse_iso_ms("2026-07-19T17:00:00Z") - parse_iso_ms("2026-07-19T15:55:29Z")) / 600
    assert fast.markets[f"{COIN}-B50"].close_ms == START + round(left)


def test_fee_changes_are_listed_and_take_effect(client: Client) -> None:
    admin.handle(
        client.exchange, "POST", "event/fees", {}, {"event_ticker": HIGH, "fee_type": "quadratic", "fee_multiplier": 0}
    )
    admin.handle(
        client.exchange,
        "POST",
        "series/fees",
        {},
        {
            "series_ticker": "KXBTC",
            "fee_type": "quadratic",
            "fee_multiplier": 0.5,
            "in_ms": 60_000,
        },
    )
    assert client.get("/events/fee_changes")["event_fee_changes"][0]["fee_multiplier_override"] == 0
    assert client.get("/series/fee_changes")["series_fee_change_arr"][0]["fee_multiplier"] == 0.5
    client.order(B825, "bid", "0.4200", "10")
    assert client.get("/portfolio/fills")["fills"][0]["fee_cost"] == "0.000000"
    client.exchange.advance(START + 60_000)
    assert client.get("/series/KXBTC")["series"]["fee_multiplier"] == 0.5
    assert client.get("/series/fee_changes")["series_fee_change_arr"] == []
    assert len(client.get("/series/fee_changes", show_historical=True)["series_fee_change_arr"]) == 1


def test_unknown_paths_and_methods(client: Client) -> None:
    assert client.call("GET", "/nothing")[0] == 404
    assert client.call("PUT", "/markets")[0] == 405


@pytest.mark.parametrize("breakage", ["no folder", "no books", "no json", "no pages", "no time", "no market"])
def test_what_is_not_a_snapshot_is_refused_in_one_sentence(tmp_path: Path, breakage: str) -> None:
    folder = write_snapshot(tmp_path)
    if breakage == "no folder":
        folder = tmp_path / "elsewhere"
    elif breakage == "no books":
        (folder / "orderbooks.jsonl.gz").unlink()
    elif breakage == "no json":
        (folder / "events.jsonl.gz").write_bytes(b"plain text")
    elif breakage == "no time":
        folder = folder.rename(tmp_path / "unnamed")
    else:
        row: dict[str, list[str]] = {"events": []} if breakage == "no market" else {"markets": []}
        with gzip.open(folder / "events.jsonl.gz", "wt") as out:
            out.write(json.dumps(row))
    with pytest.raises(SnapshotError) as refused:
        load_snapshot(folder, SimulatorConfig(), Streams(1), START)
    assert "\n" not in str(refused.value)
    assert PASS in str(refused.value) or breakage in ("no folder", "no time")
