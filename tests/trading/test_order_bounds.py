"""How old an order may be, when a quote is read or prolonged, and when an end is believed: at the bound, on a stopped clock."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import time_machine

from kalbot.common import clock
from markets import exchange_hours
from markets.models import Market
from strategies.cycle import handover
from strategies.models import Profile
from tests.trading import world
from tests.trading.stopped import NOW, TICK, after, refusal_of
from trading.execution import handed
from trading.execution.orders import finality, gate, inflight, quote, record
from trading.leases import Lease
from trading.models import ExchangeAccount, ExitRequest, Leg, Order, PaperOrder, Position
from trading.reconciliation import opening
from trading.venues import connection, factory, groups, market_status
from trading.venues.protocol import Ack, Refused, Unresolved

QUOTES = [(2_900, 3_000), (3_100, 3_200), (3_000, 3_100)]


@pytest.fixture(autouse=True)
def traveller() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as found:
        world.active()
        yield found


# ---- the gate


@pytest.mark.parametrize(
    ("action", "purpose", "status", "life"), [("buy", "quote", "quoting", 5), ("sell", "unwind", "unwinding", 20)]
)
def test_an_order_may_leave_for_so_long_by_both_clocks(action: str, purpose: str, status: str, life: int) -> None:
    order = world.add_order(1, action=action, purpose=purpose)
    Position.objects.update(status=status)
    began = clock.monotonic()
    for wall, monotonic, passes in (
        (life, None, True),
        (life + 0.000001, None, False),
        (-life, None, True),
        (-life - 0.000001, None, False),
        (0, life - 1, True),
        (0, life + 1, False),
        (life + 1, 0, False),
    ):
        order.created_at = after(-wall)
        order.begun = None if monotonic is None else began - monotonic
        assert refusal_of(partial(gate.check, order)) == ("" if passes else "expired"), (wall, monotonic)


def test_only_the_purpose_that_the_position_is_at_lets_an_order_leave() -> None:
    order = world.add_order(1)
    wanted = {"entry": "executing", "quote": "quoting", "complete": "completing", "unwind": "unwinding"}
    for purpose, status in wanted.items():
        order.purpose = purpose
        for now in ("executing", "quoting", "completing", "unwinding", "exiting", "open", "aborted"):
            Position.objects.update(status=now)
            assert refusal_of(partial(gate.check, order)) == ("" if now == status else "expired"), (purpose, now)
    Position.objects.update(status="quoting")
    order.purpose = "quote"
    for row, passes in (("sending", True), ("unknown", True), ("done", False), ("resting", False), ("new", False)):
        Order.objects.update(status=row)
        assert refusal_of(partial(gate.check, order)) == ("" if passes else "expired"), row
    Order.objects.all().delete()
    assert refusal_of(partial(gate.check, order)) == "expired", "its row is gone"


def test_a_sale_of_an_exit_needs_the_request_that_it_was_written_for() -> None:
    order = world.add_order(1, action="sell", purpose="exit")
    Position.objects.update(status="exiting")
    request = ExitRequest.objects.create(position=order.position, source="person", actor="ann", reason="out")
    other = world.add_order(2)
    for at, status, position, passes in (
        (NOW, "open", order.position, True),
        (NOW + TICK, "open", order.position, False),
        (NOW, "cancelled", order.position, False),
        (NOW, "open", other.position, False),
    ):
        ExitRequest.objects.filter(pk=request.pk).update(created_at=at, status=status, position=position)
        assert refusal_of(partial(gate.check, order)) == ("" if passes else "request_withdrawn"), (at, status)


# ---- quotes


def test_a_resting_quote_is_read_every_five_seconds_and_on_paper_always(monkeypatch: pytest.MonkeyPatch) -> None:
    quote._checked.clear()
    live, second, paper = Order(mode="live"), Order(mode="live"), Order(mode="sim")
    for at, due in ((100.0, True), (100.0, False), (104.999, False), (105.0, True), (109.9, False)):
        monkeypatch.setattr(clock, "monotonic", lambda at=at: at)
        assert quote._is_due(live) is due, at
        assert quote._is_due(paper)
    assert quote._is_due(second)
    quote._checked.clear()


def test_a_quote_is_prolonged_once_half_of_its_time_is_over(settings: Any) -> None:
    settings.KALBOT_QUOTE_SECONDS = 60
    order = world.add_order(1, status="resting", exchange_order_id="e")
    lease = Lease(order.position_id, "")
    world.publish("KXT-1", {"KXT-1-0": (((2_900, 400),), ((6_800, 400),))})
    PaperOrder.objects.create(
        order=order,
        profile=order.profile,
        market=order.leg.market,
        side="yes",
        action="buy",
        remaining_count=1_000,
        fills=[],
        at=NOW,
        is_open=True,
    )
    for left, until in ((30.000001, 30.000001), (30, 60), (5, 60), (None, None)):
        expires = None if left is None else after(left)
        Order.objects.filter(pk=order.pk).update(expires_at=expires)
        order.refresh_from_db()
        quote.prolong(order, lease, 0)
        order.refresh_from_db()
        assert order.expires_at == (None if until is None else after(until)), left
    Order.objects.filter(pk=order.pk).update(status="done", expires_at=after(1))
    order.expires_at = after(1)
    quote.prolong(order, lease, 0)
    order.refresh_from_db()
    assert order.expires_at == after(1), "it ended meanwhile"


def test_an_order_is_resized_that_is_larger_or_rests_with_less_in_all() -> None:
    order = Order(count=1_000, time_in_force="good_till_canceled")
    for filled, left, resized in (
        (0, 1_000, False),
        (400, 600, False),
        (400, 601, True),
        (400, 599, True),
        (400, 0, False),
        (0, 1, True),
    ):
        assert record.is_resized(order, Ack("e", filled, left)) is resized, (filled, left)
    order.time_in_force = "immediate_or_cancel"
    assert not record.is_resized(order, Ack("e", 0, 1))


# ---- what an order that ended may still do


def test_a_second_sale_is_smaller_by_what_the_first_may_still_sell() -> None:
    leg, other = Leg(pk=1), Leg(pk=2)
    sales = [
        Order(leg=leg, count=500, filled_count=200),
        Order(leg=leg, count=100, filled_count=90),
        Order(leg=other, count=900),
    ]
    assert [finality.left_of(order) for order in sales] == [300, 10, 900]
    assert [finality.most_to_sell(leg, count, sales) for count in (1_000, 311, 310, 100)] == [690, 1, 0, 0]
    assert finality.most_to_sell(leg, 50, []) == 50


def test_an_end_is_confirmed_only_while_the_row_says_what_was_read() -> None:
    cases: tuple[tuple[dict[str, Any], bool], ...] = (
        ({}, True),
        ({"filled_count": 101}, False),
        ({"status": "resting"}, False),
        ({"status": "booking"}, False),
    )
    for number, (changes, final) in enumerate(cases):
        order, beside = (world.add_order(2 * number + n, status="done", filled_count=100) for n in (0, 1))
        Order.objects.filter(pk=order.pk).update(**changes)
        record.confirm(order)
        assert (order.is_final, Order.objects.get(pk=order.pk).is_final) == (final, final), changes
        assert not Order.objects.get(pk=beside.pk).is_final


def test_the_end_of_an_order_is_believed_after_its_seconds(settings: Any) -> None:
    settings.KALBOT_FINAL_AFTER_SECONDS = 6.0
    for ended, young in ((-5.999, True), (-6, False), (3, True)):
        assert finality._is_young(Order(ended_at=after(ended))) is young, ended
    assert finality._is_young(Order(moved_at=after(-5), created_at=after(-60)))
    assert not finality._is_young(Order(moved_at=after(-60), created_at=after(-1)))
    assert finality._is_young(Order(created_at=after(-1)))
    assert not finality._reads_show_the_end([Order(rested_at=None, ended_at=NOW)])
    assert not finality._reads_show_the_end([Order(rested_at=NOW, ended_at=None)])
    connection.use(None)
    with connection.offline():
        assert not finality._reads_show_the_end([Order(rested_at=NOW, ended_at=after(-99))]), (
            "how new reads are is not known"
        )


def test_a_refusal_is_not_taken_for_certain_until_somebody_has_seen_that_the_order_does_not_exist() -> None:
    refused: dict[str, Any] = {"status": "rejected", "error_code": "insufficient_balance", "is_final": False}
    assert inflight.is_refused_in_batch(Order(**refused))
    for columns in ({"status": "done"}, {"is_final": True}, {"error_code": "not_sent"}, {"error_code": "halted"}):
        assert not inflight.is_refused_in_batch(Order(**(refused | columns))), columns


def test_a_refusal_within_a_batch_is_searched_for_until_it_is_known_and_then_no_more(
    half_bought: Position, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = {"filled_count": 0, "status": "rejected", "error_code": "insufficient_balance", "is_final": False}
    order = world.add_order_of(half_bought, 0, **refused)
    sale = world.add_order_of(half_bought, 0, action="sell", purpose="unwind", **refused)
    answers: list[Exception | None] = [Unresolved("away"), None]
    searched: list[UUID] = []

    class Venue:
        def find(self, one: Order) -> None:
            searched.append(one.pk)
            if (answer := answers.pop(0)) is not None:
                raise answer

    monkeypatch.setattr(factory, "venue_for", lambda mode: Venue())
    assert not inflight.find_refused([order, sale]), "nobody knows whether it exists"
    assert inflight.find_refused([order, sale])
    assert inflight.find_refused([order, sale])
    assert searched == [order.pk] * 2, "it does not exist, for good; of a sale nothing needs to be known"


def test_a_decision_is_taken_from_its_message_only_with_a_profile_of_its_mode_and_under_its_own_id() -> None:
    profile = world.add_profile()
    decision = world.decide(profile, world.add_event(), {"KXT-1-0": 3_000})
    text = handover.packed(decision)
    handed.forget()
    assert handed.over(decision.pk, text) is None, "nobody has read the profile yet"
    handed.remember(profile)
    found = handed.over(str(decision.pk), text)
    assert found is not None
    assert (found.pk, found.profile) == (decision.pk, profile)
    assert handed.over(UUID(int=1), text) is None
    assert handed.over(decision.pk, "") is None
    handed.remember(Profile(pk=profile.pk, mode="live"))
    assert handed.over(decision.pk, text) is None
    handed.forget()


def test_nothing_waits_for_the_end_of_an_order_on_paper_or_of_another_leg() -> None:
    order = world.add_order(1, status="done", filled_count=100)
    position, leg = order.position, order.leg
    assert finality.unsettled(position, [leg], [order]) is None
    assert finality.open_sales(position) == []
    position.mode = "live"
    assert finality.unsettled(position, [Leg(pk=leg.pk + 1)], [order]) is None
    assert finality.unsettled(position, [leg], []) is None
    refusal = finality._waits([order, order])
    assert (refusal.code, refusal.detail) == ("order_unsettled", leg.market_id)


@pytest.mark.parametrize("ahead", [0, 5_000, -5_000])
def test_reads_are_as_new_as_they_say_by_our_own_clock(ahead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever's clock is wrong: what the exchange says of its reads is in its own time."""
    skew = SimpleNamespace(skew_ms=ahead, uncertainty_ms=10)
    for late, shown in ((0, True), (-0.001, False)):
        as_of = after(late + ahead / 1_000)
        exchange = SimpleNamespace(user_data_time=partial(lambda at: at, as_of))
        client = SimpleNamespace(exchange=exchange, transport=SimpleNamespace(skew=skew))
        monkeypatch.setattr(connection, "client", partial(lambda it: it, client))
        ended = Order(rested_at=NOW, ended_at=NOW - finality.READ_AFTER)
        assert finality._reads_show_the_end([ended]) is shown, late
        assert opening.is_shown(NOW) is shown, late
    account = ExchangeAccount(created_at=NOW)
    assert opening.is_early(after(ahead / 1_000), account)
    assert not opening.is_early(after(ahead / 1_000 + 0.001), account)


def test_a_market_is_over_at_the_moment_of_its_close_by_our_row_and_by_the_exchange(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for seconds, over in ((0, True), (0.001, False)):
        ours, later = Market(status="active", close_time=after(seconds)), Market(status="active", close_time=after(9))
        assert market_status.has_ended(Leg(market=ours), live=False) is over
        catalogue = SimpleNamespace(market=partial(lambda found, ticker: found, ours))
        monkeypatch.setattr(connection, "client", partial(SimpleNamespace, catalogue=catalogue))
        assert market_status.has_ended(Leg(market=later), live=True) is over
        assert not market_status.has_ended(Leg(market=later), live=False)


@pytest.mark.parametrize(
    ("ago_ms", "count", "rests"), [(14_999, 1_100, False), (15_000, 1_100, True), (0, 1_099, True)]
)
def test_a_group_on_paper_counts_the_fills_of_its_seconds_up_to_its_limit(ago_ms: int, count: int, rests: bool) -> None:
    filled, other = (world.add_order(number, order_group="paper-1") for number in range(2))
    fills = [["a", 3_000, 100, 0, True, clock.now_ms()], ["b", 3_000, count - 100, 0, True, clock.now_ms() - ago_ms]]
    for order, booked in ((filled, fills), (other, [])):
        columns = {"profile": order.profile, "market_id": order.leg.market_id, "side": "yes", "action": "buy"}
        PaperOrder.objects.create(order=order, is_open=True, remaining_count=500, fills=booked, at=NOW, **columns)
    groups.count_paper_fill(filled)
    assert {one.is_open for one in PaperOrder.objects.all()} == {rests}
    assert {one.remaining_count for one in PaperOrder.objects.all()} == {500 if rests else 0}


def test_a_pause_on_paper_says_nothing_of_the_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []
    monkeypatch.setattr(exchange_hours, "refused", lambda shard, sent: heard.append(shard))
    for number, mode in enumerate(("sim", "live")):
        order = world.add_order(number, world.add_profile(mode, mode=mode))
        record.reject(order, Refused("trading_is_paused"), is_final=True)
        assert (order.status, len(heard)) == ("rejected", number), mode
