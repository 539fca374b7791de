"""The durable road of fills and lifecycle messages, and what becomes of them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from markets.catalogue import lifecycle
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.ws.intake import Intake
from markets.models import Certificate, Event, ExchangeMessage, Market
from markets.streaming.output import inbox as inbox_module
from markets.streaming.output.inbox import Inbox, Message, store
from markets.streaming.output.messages import Kept, to_message
from tests.markets.exchange import SmallExchange, game, market, temperature
from tests.markets.live_exchange import fill_message, wait_for


def wait_until_empty(inbox: Inbox, seconds: float) -> bool:
    """Whether everything reached the database in time."""
    end = time.monotonic() + seconds
    while inbox.waiting and time.monotonic() < end:
        time.sleep(0.02)
    return inbox.waiting == 0


def message(key: str, kind: str = "fill", **payload: object) -> Message:
    return Message(kind, key, "EVENT-A", dict(payload), "epoch", 1)


def frame(body: dict[str, object], kind: str = "market_lifecycle_v2") -> Kept:
    """The frame that the parser makes of the wire's bytes."""
    (found,) = Intake().feed([json.dumps({"type": kind, "sid": 8, "seq": 1, "msg": body}).encode()])
    assert isinstance(found, Kept)
    return found


@pytest.mark.django_db
def test_a_message_that_comes_twice_is_one_row() -> None:
    store([message("fill:1:a"), message("fill:2:a")])
    store([message("fill:2:a", changed=True), message("fill:3:a")])
    assert list(ExchangeMessage.objects.order_by("id").values_list("key", flat=True)) == [
        "fill:1:a",
        "fill:2:a",
        "fill:3:a",
    ]
    assert ExchangeMessage.objects.get(key="fill:2:a").payload == {}


@pytest.mark.django_db(transaction=True)
def test_messages_survive_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    announced: list[set[str]] = []
    failures = [OperationalError("away")] * 4

    def flaky(messages: list[Message]) -> None:
        if failures:
            raise failures.pop()
        store(messages)

    monkeypatch.setattr(inbox_module, "store", flaky)
    inbox = Inbox(announced.append)
    inbox.start()
    for n in range(30):
        inbox.put(message(f"fill:{n}:a"))
    assert wait_until_empty(inbox, 10)
    inbox.close()
    keys = list(ExchangeMessage.objects.order_by("id").values_list("key", flat=True))
    assert keys == [f"fill:{n}:a" for n in range(30)]
    assert inbox.retries == 4
    assert announced == [{"fill"}] * len(announced)


@pytest.mark.django_db(transaction=True)
def test_what_could_not_be_stored_waits_in_a_file_for_the_next_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"

    def away(messages: list[Message]) -> None:
        raise OperationalError("away")

    with monkeypatch.context() as patch:
        patch.setattr(inbox_module, "store", away)
        inbox = Inbox(lambda kinds: None, spool)
        inbox.start()
        inbox.put(message("fill:1:a", count=7))
        inbox.put(message("fill:2:a"))
        wait_for(lambda: inbox.retries)
        inbox.close()
    assert ExchangeMessage.objects.count() == 0
    assert spool.is_file()
    again = Inbox(lambda kinds: None, spool)
    again.start()
    wait_for(lambda: ExchangeMessage.objects.count() == 2)
    wait_for(lambda: not spool.exists())
    again.close()
    assert ExchangeMessage.objects.order_by("id")[0].payload == {"count": 7}


def test_every_kind_of_frame_becomes_a_message() -> None:
    fill = frame(fill_message("t1", "EVENT-A"), "fill")
    made = to_message(fill, "epoch", 5)
    assert (made.key, made.payload["yes_price"], made.payload["outcome_side"]) == ("fill:t1:order-t1", 4300, "yes")
    strange = frame({"market_ticker": "M", "event_type": "something_new"})
    assert to_message(strange, "epoch", 5).payload["event_type"] == "something_new"
    fee = frame(
        {"event_ticker": "E", "fee_type_override": "quadratic", "fee_multiplier_override": 0.5}, "event_fee_update"
    )
    assert to_message(fee, "epoch", 5).payload["fee_multiplier_override"] == "0.5"
    paused = {"type": "market_lifecycle_v2", "sid": 8, "msg": {"market_ticker": "M", "event_type": "deactivated"}}
    twice = Intake().feed([json.dumps({**paused, "seq": seq}).encode() for seq in (1, 2)])
    assert len({to_message(one, "epoch", 5).key for one in twice if isinstance(one, Kept)}) == 2


@pytest.fixture
def listed(db: None, exchange: SmallExchange, client: KalshiClient) -> SmallExchange:
    from markets.catalogue.scan import scan

    exchange.add(temperature("KXHIGHMIA-1"), game("KXGAME-1"))
    scan(client)
    return exchange


def arrive(body: dict[str, object], kind: str = "market_lifecycle_v2") -> None:
    made = to_message(frame(body, kind), f"epoch-{ExchangeMessage.objects.count()}", 5)
    store([made])
    assert lifecycle.apply_waiting() == 1
    assert ExchangeMessage.objects.filter(applied_at=None).count() == 0


def test_a_pause_and_its_end(listed: SmallExchange) -> None:
    arrive({"market_ticker": "KXHIGHMIA-1-0", "event_type": "deactivated", "is_deactivated": True})
    assert Market.objects.get(ticker="KXHIGHMIA-1-0").status == "inactive"
    assert not Certificate.objects.filter(event_id="KXHIGHMIA-1", status="granted").exists()
    arrive({"market_ticker": "KXHIGHMIA-1-0", "event_type": "activated"})
    assert Market.objects.get(ticker="KXHIGHMIA-1-0").status == "active"
    assert Certificate.objects.filter(event_id="KXHIGHMIA-1", status="granted").exists()


def test_determination_and_settlement(listed: SmallExchange) -> None:
    arrive(
        {
            "market_ticker": "KXHIGHMIA-1-1",
            "event_type": "determined",
            "determination_ts": 1_795_486_400,
            "result": "yes",
            "settlement_value": "1.0000",
        }
    )
    leg = Market.objects.get(ticker="KXHIGHMIA-1-1")
    assert (leg.status, leg.result, leg.settlement_value_e6) == ("determined", "yes", 1_000_000)
    arrive({"market_ticker": "KXHIGHMIA-1-1", "event_type": "settled", "settled_ts": 1_795_490_000})
    leg.refresh_from_db()
    assert (leg.status, leg.result) == ("finalized", "yes")
    assert leg.settled_at is not None


def test_a_moved_close_and_a_new_grid(listed: SmallExchange) -> None:
    arrive({"market_ticker": "KXGAME-1-A", "event_type": "close_date_updated", "close_ts": 1_795_490_000})
    assert Event.objects.get(ticker="KXGAME-1").close_time == Market.objects.get(ticker="KXGAME-1-A").close_time
    bands = [{"start": "0.0000", "end": "1.0000", "step": "0.0010"}]
    arrive(
        {
            "market_ticker": "KXGAME-1-A",
            "event_type": "price_level_structure_updated",
            "price_level_structure": "deci_cent",
            "price_ranges": bands,
        }
    )
    assert Market.objects.get(ticker="KXGAME-1-A").price_bands == [[0, 10_000, 10]]


def test_a_new_event_and_a_new_market_are_fetched(listed: SmallExchange) -> None:
    listed.add(game("KXGAME-2"))
    arrive(
        {
            "event_ticker": "KXGAME-2",
            "series_ticker": "KXGAME",
            "exchange_index": 0,
            "title": "",
            "subtitle": "",
            "collateral_return_type": "MECNET",
        },
        "event_lifecycle",
    )
    assert Market.objects.filter(event_id="KXGAME-2").count() == 2
    listed.listed["KXGAME-2"]["markets"].append(market("KXGAME-2-TIE", "KXGAME-2"))
    arrive(
        {
            "market_ticker": "KXGAME-2-TIE",
            "event_type": "created",
            "additional_metadata": {"event_ticker": "KXGAME-2", "name": "Tie"},
        }
    )
    assert Market.objects.filter(event_id="KXGAME-2").count() == 3


def test_a_fee_override_and_its_end(listed: SmallExchange) -> None:
    update = {"event_ticker": "KXGAME-1", "fee_type_override": "quadratic", "fee_multiplier_override": 0.5}
    arrive(update, "event_fee_update")
    assert Event.objects.get(ticker="KXGAME-1").fee_multiplier_override_e6 == 500_000
    arrive({**update, "fee_type_override": None, "fee_multiplier_override": None}, "event_fee_update")
    event = Event.objects.get(ticker="KXGAME-1")
    assert (event.fee_type_override, event.fee_multiplier_override_e6) == ("", None)


def test_a_message_that_makes_no_sense_is_marked_and_does_not_block(listed: SmallExchange) -> None:
    store(
        [
            message("lifecycle:x", "lifecycle", nonsense=1),
            message("lifecycle:y", "lifecycle", sid=8, seq=1, market_ticker="GONE", event_type="settled"),
        ]
    )
    assert lifecycle.apply_waiting() == 2
    assert "ValidationError" in ExchangeMessage.objects.get(key="lifecycle:x").error
    assert ExchangeMessage.objects.get(key="lifecycle:y").error == ""


def test_a_batch_of_messages_takes_as_many_statements_as_one_and_the_last_word_counts(listed: SmallExchange) -> None:
    def statements(*lives: tuple[str, str]) -> int:
        number = ExchangeMessage.objects.count()
        bodies: list[dict[str, object]] = [{"market_ticker": ticker, "event_type": kind} for ticker, kind in lives]
        store([to_message(frame(body), f"epoch-{number + n}", 5) for n, body in enumerate(bodies)])
        batch = lifecycle.next_batch()
        with CaptureQueriesContext(connection) as captured:
            lifecycle.apply_batch(batch)
        return len(captured)

    one = statements(("KXHIGHMIA-1-0", "deactivated"))
    ups_and_downs = [("KXHIGHMIA-1-1", kind) for kind in ("deactivated", "activated") * 20]
    many = statements(*ups_and_downs, *[("KXHIGHMIA-1-2", "deactivated")] * 20)
    assert many <= one + 3
    of = dict(Market.objects.filter(event_id="KXHIGHMIA-1").values_list("ticker", "status"))
    assert [of[f"KXHIGHMIA-1-{n}"] for n in range(3)] == ["inactive", "active", "inactive"]


def test_a_backlog_whose_time_is_over_is_left_for_the_next_turn(listed: SmallExchange) -> None:
    store(
        [
            message(f"lifecycle:{n}", "lifecycle", sid=8, seq=1, market_ticker="GONE", event_type="settled")
            for n in range(3)
        ]
    )
    assert lifecycle.apply_waiting(seconds=0) == 0
    assert lifecycle.apply_waiting() == 3
