"""What is concluded from orders as the exchange lists them, ours and others': each reading at its bound and beside it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db.models import F

from kalbot.common import clock
from kalbot.common.units import Count, Money, Price
from markets.kalshi.schemas.orders import Fill, Order
from markets.kalshi.vocabulary import BookSide, Side
from markets.kalshi.vocabulary import OrderStatus as Listed
from markets.kalshi.ws.frames import UserOrderFrame
from strategies.models import Profile
from tests.trading import world
from tests.trading.stopped import NOW, after
from trading.accounting import ledger
from trading.models import Correction, ForeignOrder, OrderStatus, Position, ProfileBalance
from trading.models import Order as Row
from trading.reconciliation import foreign, inbox, lost_baskets
from trading.reconciliation.lost_baskets import LostBasket, LostOrder

NOTHING = Money(0)


def _listed(name: str = "o1", side: Side = Side.YES, count: int = 300, **columns: Any) -> Order:
    defaults: dict[str, Any] = {
        "order_id": name,
        "client_order_id": "",
        "ticker": "KXT-1-0",
        "outcome_side": side,
        "book_side": BookSide.BID if side is Side.YES else BookSide.ASK,
        "status": Listed.EXECUTED,
        "yes_price": Price(4_000),
        "initial_count": Count(count),
        "fill_count": Count(count),
        "remaining_count": Count(0),
        **dict.fromkeys(("taker_fill_cost", "maker_fill_cost", "taker_fees", "maker_fees"), NOTHING),
        **dict.fromkeys(("expiration", "created", "last_update", "order_group_id", "subaccount", "exchange_index")),
    }
    return Order(**(defaults | columns))


def _lost(name: str, side: Side, count: int, action: Row.Action = Row.Action.BUY) -> LostOrder:
    fill = Fill(
        fill_id=name,
        order_id=name,
        ticker="KXT-1-0",
        outcome_side=side,
        book_side=BookSide.BID,
        count=Count(count),
        yes_price=Price(4_000),
        is_taker=True,
        fee=NOTHING,
        created=None,
        subaccount=None,
        exchange_index=None,
    )
    return LostOrder(_listed(name, side, count), (fill,), action, Row.Purpose.ENTRY, side.value)


@pytest.mark.parametrize(("subaccount", "kept"), [(None, 0), (0, 0), (2, 2)])
def test_somebody_elses_order_is_kept_under_its_own_subaccount(subaccount: int | None, kept: int) -> None:
    foreign.note_order(_listed(subaccount=subaccount, status=Listed.RESTING, remaining_count=Count(100)))
    row = ForeignOrder.objects.get()
    assert (row.subaccount, row.is_resting, row.remaining_count, row.side, row.price) == (kept, True, 100, "yes", 4_000)
    foreign.note_order(_listed(subaccount=subaccount, remaining_count=Count(100)))
    row.refresh_from_db()
    assert (row.is_resting, row.remaining_count) == (False, 0), "what has ended rests with nothing"


@pytest.mark.parametrize(
    ("columns", "unclear"),
    [
        ({"status": "sending", "exchange_order_id": ""}, True),
        ({"status": "resting", "exchange_order_id": "x"}, False),
        ({"status": "booking", "exchange_order_id": "x", "reported_fill_count": 1}, True),
        ({"status": "booking", "exchange_order_id": "x", "reported_fill_count": 0}, False),
        ({"status": "done", "exchange_order_id": "", "filled_count": 999, "ended_at": after(-4.9)}, True),
        ({"status": "done", "exchange_order_id": "", "filled_count": 999, "ended_at": after(-5)}, False),
        ({"status": "done", "exchange_order_id": "", "filled_count": 1_000, "ended_at": NOW}, False),
        ({"status": "done", "exchange_order_id": "", "ended_at": NOW, "is_final": True}, False),
        ({"status": "rejected", "exchange_order_id": "", "ended_at": NOW}, False),
    ],
)
def test_a_market_is_unclear_while_an_order_of_ours_may_have_filled_more(
    columns: dict[str, Any], unclear: bool, settings: Any
) -> None:
    settings.KALBOT_FINAL_AFTER_SECONDS = 5.0
    with time_machine.travel(NOW, tick=False):
        order = world.add_order(1, world.add_profile(mode="live"), **columns)
        assert foreign._is_unclear(order.leg.market_id) is unclear
        assert not foreign._is_unclear("KXT-2-0"), "another market"
        on_paper = world.add_order(2, world.add_profile("paper"), **columns)
        assert not foreign._is_unclear(on_paper.leg.market_id)


def test_an_update_that_says_nothing_new_leaves_the_order_alone() -> None:
    order = world.add_order(1, world.add_profile(mode="live"), status="resting", exchange_order_id="o1")
    long_ago = clock.now() - timedelta(hours=1)
    for known, filled, remaining, status, moves in (
        (200, 200, 800, Listed.RESTING, False),
        (200, 201, 799, Listed.RESTING, True),
        (None, 0, 1_000, Listed.RESTING, False),
        (200, 200, 700, Listed.RESTING, True),
        (200, 200, 0, Listed.CANCELED, True),
    ):
        Row.objects.filter(pk=order.pk).update(
            status=OrderStatus.RESTING, reported_fill_count=known, shrunk_to=None, moved_at=long_ago, filled_count=0
        )
        inbox._update(order, _frame(filled, remaining, status))
        order.refresh_from_db()
        assert (order.moved_at != long_ago) is moves, (known, filled, remaining, status)


def _frame(filled: int, remaining: int, status: Listed) -> UserOrderFrame:
    return UserOrderFrame(
        sid=1,
        order_id="o1",
        client_order_id="",
        ticker="KXT-1-0",
        exchange_index=0,
        status=status,
        outcome_side=Side.YES,
        book_side=BookSide.BID,
        yes_price=Price(3_000),
        initial_count=Count(1_000),
        fill_count=Count(filled),
        remaining_count=Count(remaining),
        taker_fill_cost=NOTHING,
        maker_fill_cost=NOTHING,
        taker_fees=NOTHING,
        maker_fees=NOTHING,
        order_group_id=None,
        created_ts_ms=None,
        last_updated_ts_ms=None,
        last_update_reason="",
        subaccount=None,
    )


@pytest.mark.parametrize(("bought", "sold"), [(Side.YES, Side.NO), (Side.NO, Side.YES)])
def test_what_closes_contracts_is_a_sale_of_their_side_and_one_basket_follows_the_other(
    bought: Side, sold: Side
) -> None:
    basket = LostBasket(
        0, "KXT-1", None, 0, orders=(_lost("a", bought, 300), _lost("b", sold, 300), _lost("c", sold, 200))
    )
    first, second = lost_baskets._lives(basket)
    assert [(one.action, one.purpose, one.side) for one in first.orders] == [
        ("buy", "entry", bought.value),
        ("sell", "exit", bought.value),
    ]
    assert [(one.action, one.side) for one in second.orders] == [("buy", sold.value)]
    assert first.held() == {("KXT-1-0", bought.value): 0}
    part = LostBasket(0, "KXT-1", None, 0, orders=(_lost("a", bought, 300), _lost("b", sold, 301)))
    assert [one.refusal for one in lost_baskets._lives(part)] == ["order b sold more than was held"]


def test_a_lost_basket_is_of_a_profile_on_its_own_subaccount() -> None:
    profile = world.add_profile(mode="live", subaccount=2)
    for subaccount, of, refused in ((2, profile, False), (0, profile, True), (2, None, True)):
        found = lost_baskets._read(LostBasket(subaccount, "KXT-1", of, 0), [])
        assert bool(found.refusal) is refused, (subaccount, of)
    Profile.objects.update(subaccount=None)
    profile.refresh_from_db()
    assert not lost_baskets._read(LostBasket(0, "KXT-1", profile, 0), []).refusal


def test_what_a_person_says_was_a_basket_is_searched_in_its_event_and_subaccount_alone() -> None:
    event, profile = world.add_event(), world.add_profile(mode="live")
    for number, (ticker, subaccount) in enumerate((("KXT-2-0", 0), ("KXT-1-0", 1))):
        columns = {"side": "yes", "price": 4_000, "count": 100, "client_order_id": str(uuid4())}
        ForeignOrder.objects.create(exchange_order_id=str(number), ticker=ticker, subaccount=subaccount, **columns)
    assert lost_baskets.find_of(event.ticker, profile) == []


def test_what_a_person_sold_of_several_legs_is_shared_among_them_to_the_last_micro_dollar(
    half_bought: Position,
) -> None:
    legs = list(half_bought.legs.order_by("id"))
    ledger.ensure_funded(half_bought.profile)
    cost = sum(leg.open_cost for leg in legs)
    ProfileBalance.objects.update(position_cost=cost, cash=F("cash") - cost)
    foreign._align(legs, 800, 1_000_001, 7, "sold", {})
    rows = Correction.objects.order_by("id").values_list("leg_id", "count", "proceeds", "fees")
    assert list(rows) == [(legs[0].pk, 600, 750_000, 5), (legs[1].pk, 200, 250_001, 2)]
    foreign._align(legs, 0, 0, 0, "nothing", {})
    assert Correction.objects.count() == 2
