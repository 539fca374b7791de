"""Quoted baskets over the real client against the simulated exchange: what rests, what fills, what is hedged, held and withdrawn."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from backtest.replay.clock import in_place
from kalbot.common import clock
from markets import watchlist
from markets.kalshi.token_buckets import Kind, LocalLimiter
from markets.models import Certificate
from strategies.models import Decision, Profile
from strategies.quoting.offer import Way
from tests.trading import quoted, world
from tests.trading.twin import Twin
from tests.trading.unhurried import UnhurriedClock
from trading import sweeper, tasks
from trading.closing import settlement
from trading.execution import executor
from trading.execution.sizing import quotes
from trading.models import Denial, Discrepancy, Order, Position
from trading.reconciliation import reconcile
from trading.safety import halt
from trading.venues import connection

pytestmark = pytest.mark.alike


@pytest.fixture
def twin(settings: Any) -> Iterator[Twin]:
    with in_place(UnhurriedClock()):
        yield quoted.begin(settings)


def test_every_leg_rests_post_only_with_an_expiry_and_leaves_no_pause_behind(twin: Twin) -> None:
    position = quoted.begun(twin, quoted.profile())
    assert quoted.resting(position) == {m: (p, 1_000) for m, p in zip(twin.markets, quoted.NO_BIDS, strict=True)}
    sent = [body for method, _, body in twin.session.sent if method == "POST"]
    orders = [order for body in sent for order in body.get("orders", [body])]
    assert len(orders) == 3
    assert all(o["post_only"] and o["cancel_order_on_pause"] and o["expiration_time"] for o in orders)
    assert position.reserved == position.decision.max_cost
    assert position.orphan_limit == 20 * world.DOLLAR
    assert quoted.step(twin, position).status == "quoting"
    assert len(position.orders.all()) == 3, "nothing moved, so nothing was sent"


def test_all_legs_fill_in_any_order_and_the_basket_settles(twin: Twin) -> None:
    profile = quoted.profile()
    position = quoted.begun(twin, profile)
    for number, price in ((2, 6_400), (0, 5_500), (1, 5_800)):
        quoted.sell_no(twin, number, price, quoted.DEPTH + 1_000)
        position = quoted.step(twin, position)
    assert position.status == "open"
    assert quoted.held(position) == [1_000] * 3
    assert position.guaranteed
    assert position.residual_code == ""
    assert position.orphan_limit == 0
    twin.finish(winner=twin.markets[1])
    assert settlement.run() == 3
    position.refresh_from_db()
    assert position.status == "settled"
    assert position.realised == 20_000_000 - 1_000 * sum(quoted.NO_BIDS)
    quoted.agree(profile)


def test_what_fills_alone_is_held_inside_the_budget_until_it_settles(twin: Twin) -> None:
    profile = quoted.profile()
    position = quoted.begun(twin, profile)
    quoted.sell_no(twin, 0, 5_500, quoted.DEPTH + 300)
    position = quoted.step(twin, position)
    assert position.status == "quoting"
    assert quoted.held(position) == [300, 0, 0]
    Decision.objects.filter(pk=position.decision_id).update(quote=position.decision.quote | {"until_ms": 0})
    position = quoted.step(twin, position)
    assert (position.status, position.residual_code) == ("open", "orphans_held")
    assert not position.guaranteed
    assert position.orphan_limit == 300 * 5_500
    assert quoted.rests_at_the_exchange(twin) == 0
    assert sweeper.sweep() == 0
    quoted.agree(profile)
    twin.finish(winner=twin.markets[1])
    settlement.run()
    position.refresh_from_db()
    assert position.status == "settled"
    assert position.realised == 300 * 4_500


@pytest.mark.parametrize("offered", [True, False])
def test_what_fills_alone_is_completed_where_that_loses_less_else_sold_where_the_profile_sells(
    twin: Twin, offered: bool
) -> None:
    position = quoted.begun(twin, quoted.profile(orphans="sell"))
    quoted.sell_no(twin, 0, 5_500, quoted.DEPTH + 300)
    twin.quote(twin.markets[0], "ask", 4_500, quoted.DEPTH)  # somebody else bids for NO again
    if not offered:
        for ticker in twin.markets[1:]:
            twin.cancel_makers(ticker, "bid")
    position = quoted.step(twin, position)
    Decision.objects.filter(pk=position.decision_id).update(quote=position.decision.quote | {"until_ms": 0})
    position = quoted.step(twin, position)
    assert position.status == ("open" if offered else "aborted")
    assert quoted.held(position) == [300 if offered else 0] * 3


@pytest.mark.parametrize("filled", [1_000, 370, 100])
def test_a_quote_that_fills_is_hedged_for_exactly_what_filled(twin: Twin, filled: int) -> None:
    profile = quoted.profile(quoting="one_leg", quote_min_margin_ppm=1_000, count_step=1)
    position = quoted.begun(twin, profile)
    (price, count) = quoted.resting(position)[twin.markets[0]]
    assert count == 1_000
    assert price == 5_600, "a tick above the best bid of others"
    quoted.sell_no(twin, 0, price, filled)
    position = quoted.step(twin, position)
    assert quoted.held(position) == [filled] * 3
    assert position.guaranteed
    if filled == 1_000:
        assert position.status == "open"
    else:
        assert position.status == "quoting"
        assert quoted.resting(position) == {twin.markets[0]: (price, 1_000 - filled)}
    quoted.agree(profile)


def test_a_hedge_that_is_gone_leaves_a_held_orphan_and_nothing_resting(twin: Twin) -> None:
    position = quoted.begun(twin, quoted.profile(quoting="one_leg", quote_min_margin_ppm=1_000))
    quoted.sell_no(twin, 0, 5_600, 400)
    twin.cancel_makers(twin.markets[2], "bid")  # nobody offers NO there any more
    position = quoted.step(twin, position)
    for _ in range(3):
        position = quoted.step(twin, position)
    assert (position.status, position.residual_code) == ("open", "orphans_held")
    assert quoted.held(position)[0] == 400
    assert position.cost <= 400 * (5_600 + 6_700)
    assert not position.guaranteed
    assert quoted.rests_at_the_exchange(twin) == 0


def _halted(twin: Twin, position: Position) -> None:
    halt.set_state(state="halted", actor="ann", reason="test")


def _reducing(twin: Twin, position: Position) -> None:
    halt.set_state(state="reducing", actor="ann", reason="test", profile=position.profile)


def _switched_off(twin: Twin, position: Position) -> None:
    Profile.objects.update(quoting="none")


def _inactive(twin: Twin, position: Position) -> None:
    Profile.objects.update(is_active=False)


def _revoked(twin: Twin, position: Position) -> None:
    Certificate.objects.update(status="revoked")


def _rules(twin: Twin, position: Position) -> None:
    type(twin.row).objects.update(rules_hash="others")


def _feed_away(twin: Twin, position: Position) -> None:
    world.publish(twin.event, twin.books(), lease=None)


def _stale(twin: Twin, position: Position) -> None:
    world.publish(twin.event, twin.books(), age_ms=60_000)


def _paused(twin: Twin, position: Position) -> None:
    world.publish(twin.event, twin.books(), statuses={twin.markets[1]: "inactive"})


def _budget(twin: Twin, position: Position) -> None:
    Profile.objects.update(orphan_budget=world.DOLLAR)


def _moved(twin: Twin, position: Position) -> None:
    for market, ask in zip(twin.markets, quoted.NO_ASKS, strict=True):
        twin.quote(market, "ask", 10_000 - ask + 100, 100)  # NO bids a cent below the asks: 1.99 for 2 dollars
    twin.sync()
    Order.objects.update(created_at=clock.now() - timedelta(seconds=5))


@pytest.mark.parametrize(
    "forbid",
    [_halted, _reducing, _switched_off, _inactive, _revoked, _rules, _feed_away, _stale, _paused, _budget, _moved],
)
def test_nothing_rests_once_a_new_basket_would_be_forbidden(twin: Twin, forbid: Any) -> None:
    position = quoted.begun(twin, quoted.profile())
    assert quoted.rests_at_the_exchange(twin) == 3
    later = clock.now() + timedelta(seconds=3)
    assert position.next_step_at is not None
    assert position.next_step_at < later, "the sweeper finds it"
    forbid(twin, position)
    position = executor.step(position.pk)
    assert quoted.rests_at_the_exchange(twin) == 0
    assert not position.orders.filter(status="resting").exists()
    assert (position.status, position.close_type) == ("aborted", "not_bought")
    assert position.reserved == 0


def test_a_basket_filled_in_part_waits_out_what_passes_and_rests_again(twin: Twin) -> None:
    position = quoted.begun(twin, quoted.profile())
    quoted.sell_no(twin, 0, 5_500, quoted.DEPTH + 300)
    position = quoted.step(twin, position)
    _stale(twin, position)
    position = executor.step(position.pk)
    assert (position.status, position.residual_code) == ("quoting", "price_stale")
    assert quoted.rests_at_the_exchange(twin) == 0
    twin.quote(twin.markets[0], "ask", 4_500, quoted.DEPTH)
    position = quoted.step(twin, position)
    assert quoted.rests_at_the_exchange(twin) == 3
    assert sum(leg.held for leg in position.legs.all()) == 300


def test_a_quote_outbid_moves_and_one_that_still_leads_keeps_its_place(twin: Twin) -> None:
    position = quoted.begun(twin, quoted.profile())
    Order.objects.update(created_at=clock.now() - timedelta(seconds=5))
    twin.quote(twin.markets[0], "ask", 4_400, 100)  # NO bid of 0.56
    position = quoted.step(twin, position)
    assert quoted.resting(position)[twin.markets[0]] == (5_600, 1_000)
    assert position.orders.count() == 4
    Order.objects.update(created_at=clock.now() - timedelta(seconds=5))
    twin.cancel_makers(twin.markets[0], "ask")
    twin.quote(twin.markets[0], "ask", 4_500, 100)
    position = quoted.step(twin, position)
    assert quoted.resting(position)[twin.markets[0]] == (5_600, 1_000), "a cent above the others is not worth the place"
    assert position.orders.count() == 4


def test_an_expiry_is_prolonged_in_place_and_ends_the_quote_of_a_dead_process(twin: Twin, settings: object) -> None:
    settings.KALBOT_QUOTE_SECONDS = 60  # type: ignore[attr-defined]
    position = quoted.begun(twin, quoted.profile())
    order = position.orders.first()
    assert order is not None
    ids = set(position.orders.values_list("exchange_order_id", flat=True))
    Order.objects.update(expires_at=clock.now() + timedelta(seconds=20))
    position = quoted.step(twin, position)
    assert set(position.orders.values_list("exchange_order_id", flat=True)) == ids
    order.refresh_from_db()
    assert order.expires_at is not None
    assert twin.exchange.ledger.orders[order.exchange_order_id].expiration_s == int(order.expires_at.timestamp())
    twin.exchange.advance(twin.exchange.now() + 61_000)
    assert quoted.rests_at_the_exchange(twin) == 0


class Writes(LocalLimiter):
    """Counts writes on a clock that stands still; reads cost nothing."""

    def acquire(
        self, kind: Kind, cost: int, shard: int | None, keep_back: int = 0, timeout: float | None = None
    ) -> None:
        if kind == "write":
            super().acquire(kind, cost, shard, keep_back, 0.0)


@pytest.mark.parametrize("way", ["one_leg", "several", "all_legs"])
@pytest.mark.parametrize("spare", [9, 10])
def test_prolonging_leaves_the_tokens_of_the_hedge_and_the_unwind_alone(twin: Twin, way: str, spare: int) -> None:
    limiter = Writes(clock=lambda: 0.0, sleep=lambda seconds: None)
    connection.use(twin.client(limiter))
    wide: dict[str, Any] = {"quote_min_margin_ppm": 1_000, "orphan_budget": 50 * world.DOLLAR, "orphans": "sell"}
    position = quoted.begun(twin, quoted.profile(quoting=way, **wide))
    kept = quotes.tokens_kept(position.profile, Way(way), 3)
    limiter.acquire("write", limiter.available("write", 0) - kept - spare, 0)
    assert limiter.available("write", 0) == kept + spare
    Order.objects.update(expires_at=clock.now() + timedelta(seconds=20))
    for order in twin.exchange.ledger.orders.values():
        order.expiration_s -= 70
    before = {order.order_id: order.expiration_s for order in twin.exchange.ledger.orders.values()}
    quoted.step(twin, position)
    later = [o for o in twin.exchange.ledger.orders.values() if o.expiration_s > before.get(o.order_id, 0)]
    assert limiter.available("write", 0) == kept + spare % 10
    assert len(later) == (spare == 10), "one of them, with the ten tokens that there are"


def test_the_stream_reports_moves_of_the_prices_only_while_something_rests(twin: Twin) -> None:
    position = quoted.begun(twin, quoted.profile())
    assert watchlist.quoted() == {twin.event}
    Order.objects.update(created_at=clock.now() - timedelta(seconds=5))
    twin.quote(twin.markets[0], "ask", 4_400, 100)
    twin.sync()
    assert tasks.reprice(twin.event) == 1
    assert quoted.resting(position)[twin.markets[0]] == (5_600, 1_000)
    _switched_off(twin, position)
    assert tasks.reprice(twin.event) == 1
    assert watchlist.quoted() == frozenset()
    assert tasks.reprice(twin.event) == 0


def test_an_order_answered_as_ended_that_rests_all_the_same_is_found_and_withdrawn(twin: Twin) -> None:
    position = quoted.begun(twin, quoted.profile())
    order = position.orders.earliest("created_at")
    Order.objects.filter(pk=order.pk).update(status="done", reported_fill_count=0, ended_at=clock.now())
    position = quoted.step(twin, position)
    assert len(quoted.resting(position)) == 3, "read once more, it rests, and is not placed a second time"
    assert position.orders.count() == 3
    _switched_off(twin, position)
    position = executor.step(position.pk)
    assert position.status == "aborted"
    assert quoted.rests_at_the_exchange(twin) == 0


@pytest.mark.parametrize("lag_ms", [0, 1_500])
@pytest.mark.parametrize("filled", [0, 300])
def test_a_quote_that_was_taken_and_answered_with_a_refusal_rests_once(twin: Twin, lag_ms: int, filled: int) -> None:
    """An item of a batch has no status, so that a code of refusal proves nothing."""
    fault = {"kind": "error", "when": "after", "status": 500, "code": "invalid_order"}
    twin.exchange.faults.add(method="POST", path="/portfolio/events/orders/batched/item", skip=1, **fault)
    twin.exchange.config.read_delay_ms = lag_ms
    position = quoted.begun(twin, quoted.profile())
    refused = position.orders.get(leg__market=twin.markets[1])
    if filled:
        quoted.sell_no(twin, 1, refused.price, quoted.DEPTH + filled)
        twin.quote(twin.markets[1], "ask", 10_000 - refused.price, quoted.DEPTH)  # others bid for NO again
    position = quoted.step(twin, position)
    with time_machine.travel(clock.now() + timedelta(seconds=4)), in_place(UnhurriedClock()):
        twin.exchange.config.read_delay_ms = 0
        position = quoted.step(twin, position)
        reconcile.run("live", "test")
    assert (position.status, quoted.held(position)) == ("quoting", [0, filled, 0])
    assert position.orders.count() == quoted.rests_at_the_exchange(twin) == 3
    assert [count for _, count in quoted.resting(position).values()] == [1_000, 1_000 - filled, 1_000]
    assert not Discrepancy.objects.exists()


def test_what_rests_of_an_ended_position_is_cancelled_once_a_listing_shows_it(twin: Twin) -> None:
    profile = quoted.profile()
    position = quoted.begun(twin, profile)
    Order.objects.filter(position=position).update(status="done", reported_fill_count=0, ended_at=clock.now())
    Position.objects.filter(pk=position.pk).update(status="aborted", ended_at=clock.now())
    reconcile.run("live", "test")
    assert position.orders.filter(status="resting").count() == 3
    sweeper.sweep()
    assert quoted.rests_at_the_exchange(twin) == 0
    assert not position.orders.filter(status="resting").exists()


def test_budgets_of_the_day_and_of_the_number_of_quotes_are_kept_at_admission(twin: Twin) -> None:
    profile = quoted.profile(orphan_budget_day=30 * world.DOLLAR)
    quoted.begun(twin, profile)
    other = world.add_event("KXT-2")
    limits = {f"KXT-2-{n}": price for n, price in enumerate(quoted.NO_BIDS)}
    world.publish(
        "KXT-2",
        {
            t: (((10_000 - a, quoted.DEPTH),), ((b, quoted.DEPTH),))
            for t, a, b in zip(limits, quoted.NO_ASKS, quoted.NO_BIDS, strict=True)
        },
    )
    meant = {"way": "all_legs", "leg": "", "until_ms": clock.now_ms() + 86_400_000, "orphans": 13 * world.DOLLAR}
    decision = world.decide(profile, other, limits, kind="all_no", side="no", quote=meant)
    assert executor.execute(decision.pk) is None
    assert Denial.objects.get(decision=decision).code == "orphan_budget"
    Profile.objects.update(orphan_budget_day=50 * world.DOLLAR, max_quotes=1)
    again = world.decide(profile, other, limits, kind="all_no", side="no", quote=meant)
    assert executor.execute(again.pk) is None
    assert Denial.objects.get(decision=again).code == "quotes_at_once"


def test_on_paper_a_quote_fills_when_somebody_offers_at_its_price_and_opens_as_it_is(twin: Twin) -> None:
    profile = quoted.profile(mode="sim", quoting="one_leg", quote_min_margin_ppm=1_000)
    position = quoted.begun(twin, profile)
    assert position.orders.get().status == "resting"
    assert quoted.rests_at_the_exchange(twin) == 0, "nothing left for the exchange"
    twin.quote(twin.markets[0], "bid", 4_400, 400)  # NO is offered at 0.56
    twin.sync()
    position = executor.step(position.pk)
    assert quoted.held(position) == [400] * 3
    assert position.guaranteed
    quotes = position.orders.filter(purpose="quote").exclude(fills=None)
    assert list(quotes.values_list("fills__is_taker", flat=True)) == [False]


def test_why_nothing_rests_of_a_basket_that_has_filled_in_part_is_said_once(twin: Twin) -> None:
    position = quoted.begun(twin, quoted.profile())
    quoted.sell_no(twin, 0, quoted.NO_BIDS[0], quoted.DEPTH + 300)
    _reducing(twin, position)
    for _ in range(3):
        position = quoted.step(twin, position)
        assert (position.status, position.residual_code) == ("quoting", "reducing")
    assert position.events.filter(reason__startswith="nothing rests").count() == 1
